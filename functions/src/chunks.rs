//! Cuts the rows of a message for a function that takes a group piece by piece. Pure.

use std::ops::Range;

use arrow::array::{Array, RecordBatch};
use shoal_core::functions::{Groups, PIECE_BYTES, PIECE_ROWS};

/// A chunk of the rows of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// These rows, which are in memory.
    Held(Range<u64>),
    /// A piece that is to be read, and how many rows it has.
    Piece(usize, u64),
}

/// All rows as one chunk.
pub(crate) fn whole(groups: &Groups) -> Vec<Chunk> {
    vec![Chunk::Held(0..groups.rows.num_rows() as u64)]
}

/// The chunks, in order; one where rows are few. A group that fits into a chunk is not cut.
pub(crate) fn chunks(groups: &Groups) -> Vec<Chunk> {
    match &groups.pieces {
        None => cut(&groups.ends, rows_of_chunk(&groups.rows)).into_iter().map(Chunk::Held).collect(),
        Some(pieces) => {
            // A message begins with rows, although it has none.
            let pieces = pieces.0.rows().iter().enumerate().map(|(piece, rows)| Chunk::Piece(piece, *rows));
            whole(groups).into_iter().chain(pieces).collect()
        }
    }
}

/// Rows that take no more than a chunk may, all of them about as large.
fn rows_of_chunk(rows: &RecordBatch) -> u64 {
    let size = |column: &arrow::array::ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default() as u64;
    let bytes: u64 = rows.columns().iter().map(size).sum();
    let of_row = bytes.div_ceil(rows.num_rows().max(1) as u64).max(1);
    (PIECE_BYTES / of_row).clamp(1, PIECE_ROWS)
}

fn cut(ends: &[u64], rows_max: u64) -> Vec<Range<u64>> {
    let mut chunks = Vec::new();
    let (mut open, mut start) = (0, 0);
    for end in ends {
        if end - open > rows_max {
            if start > open {
                chunks.push(open..start);
                open = start;
            }
            while end - open > rows_max {
                chunks.push(open..open + rows_max);
                open += rows_max;
            }
        }
        start = *end;
    }
    // A message without rows is a chunk, too.
    if start > open || chunks.is_empty() {
        chunks.push(open..start);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn groups_that_fit_are_whole_and_others_are_cut() {
        for (ends, expected) in [
            (&[3, 5, 9][..], &[9][..]),
            (&[3, 5, 12], &[5, 12]),
            (&[3, 28, 30, 31], &[3, 13, 23, 31]),
            (&[20, 30], &[10, 20, 30]),
            (&[10], &[10]),
            (&[], &[0]),
        ] {
            let ends_of_chunks: Vec<u64> = cut(ends, 10).iter().map(|chunk| chunk.end).collect();
            assert_eq!(ends_of_chunks, expected, "{ends:?}");
        }
    }

    proptest! {
        #[test]
        fn chunks_are_all_rows_in_order_and_none_is_too_large(
            sizes in prop::collection::vec(1..60_u64, 1..20),
            rows_max in 1..25_u64,
        ) {
            let ends: Vec<u64> = sizes.iter().scan(0, |end, size| { *end += size; Some(*end) }).collect();
            let chunks = cut(&ends, rows_max);
            let mut at = 0;
            for chunk in &chunks {
                prop_assert_eq!(chunk.start, at);
                prop_assert!(chunk.end > at && chunk.end - at <= rows_max);
                at = chunk.end;
            }
            prop_assert_eq!(Some(&at), ends.last());
            let starts = [0].into_iter().chain(ends.iter().copied());
            for (start, end) in starts.zip(&ends).filter(|(start, end)| *end - start <= rows_max) {
                let whole = chunks.iter().any(|chunk| chunk.start <= start && *end <= chunk.end);
                // The last rows of a large group may have left too little room.
                let follows_large = chunks.iter().any(|chunk| chunk.start < start && start < chunk.end);
                prop_assert!(whole || follows_large, "{start}..{end}");
            }
        }
    }
}
