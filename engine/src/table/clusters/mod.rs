//! What a table's files prove of its keys: which parts of it have groups to themselves, and how many groups there can be.
//!
//! ```text
//!   footers of files, partitions of Delta tables --> pieces with ranges of keys --> clusters: pieces that may have a key in common
//! ```
//!
//! A range is a proof, not a hint: rows that one task does not read cannot be rows of its groups. So only what a format
//! promises to bound all values counts, and only for types whose order is beyond doubt. Floats never count: statistics
//! leave NaN out, which is a key.

mod delta;
mod logical;
mod parquet;
mod ranges;

use serde::{Deserialize, Serialize};
use shoal_core::Failure;
use shoal_core::spec::v1alpha1::TableFormat;

use super::{FileSlice, InputFile, PinnedTable, Split};
use crate::columns::KeyColumn;
use ranges::Range;

/// Pieces that are looked at: of a table with more, what is known of each would fill what is remembered of its job.
const PIECES_MAX: usize = 10_000;

/// A part of a table that has no key in common with the rest of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// What it is.
    pub split: Split,
    /// Rows in them.
    pub rows: u64,
}

/// A part of a file that is read as a whole.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    slice: FileSlice,
    rows: u64,
    /// What is known of its keys, by column.
    ranges: Vec<Range>,
}

/// What files prove of the keys in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvenKeys {
    /// Parts of the table without a key in common, in the order of its files; none where not at least two are proven.
    pub clusters: Vec<Cluster>,
    /// How many groups there are at the most, where keys are whole numbers.
    pub groups_max: Option<u64>,
}

/// What the files of a table prove of these keys. Reads footers, or the log.
///
/// # Errors
/// A file is gone or damaged.
pub async fn proven_keys(table: &PinnedTable, files: &[InputFile], keys: &[KeyColumn]) -> Result<ProvenKeys, Failure> {
    let pieces = match table.format {
        _ if files.len() > PIECES_MAX => return Ok(ProvenKeys::default()),
        TableFormat::Parquet => parquet::pieces(files, keys).await?,
        TableFormat::Delta => delta::pieces(table, files, keys).await?,
        TableFormat::Csv | TableFormat::Ndjson => return Ok(ProvenKeys::default()),
    };
    if pieces.is_empty() || pieces.len() > PIECES_MAX {
        return Ok(ProvenKeys::default());
    }
    let ranges: Vec<Vec<Range>> = pieces.iter().map(|piece| piece.ranges.clone()).collect();
    Ok(ProvenKeys { clusters: clusters(&pieces, &ranges), groups_max: ranges::keys_max(&ranges) })
}

fn clusters(pieces: &[Piece], ranges: &[Vec<Range>]) -> Vec<Cluster> {
    let clusters = ranges::clusters(ranges);
    if clusters.len() < 2 {
        return Vec::new();
    }
    let together = |numbers: &Vec<usize>| {
        let pieces = || numbers.iter().map(|piece| &pieces[*piece]);
        Cluster {
            split: Split::of(pieces().map(|piece| piece.slice.clone())),
            rows: pieces().map(|piece| piece.rows).sum(),
        }
    };
    clusters.iter().map(together).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
