use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use shoal_core::Failure;

use super::{Buckets, hash_keys, part_of};

/// Deals the rows of a batch to buckets by their leading `key_columns`, which must have their logical types.
///
/// Buckets come in ascending order, only those that got rows; rows keep their order within a bucket. Each batch owns
/// its memory, so that keeping one does not keep the others.
///
/// # Errors
/// An internal failure where a key does not have its logical type or the batch has more rows than fit an index.
pub fn split_by_bucket(
    batch: &RecordBatch,
    key_columns: usize,
    buckets: &Buckets,
) -> Result<Vec<(u32, RecordBatch)>, Failure> {
    split_by(batch, key_columns, buckets.count(), |hash, _| buckets.of(hash))
}

/// Deals the rows of a bucket to parts, as [`split_by_bucket`] deals those of a table to buckets.
///
/// # Errors
/// As [`split_by_bucket`].
pub fn split_by_part(batch: &RecordBatch, key_columns: usize, parts: u32) -> Result<Vec<(u32, RecordBatch)>, Failure> {
    split_by(batch, key_columns, parts, part_of)
}

/// Deals rows to `count` places, of which `place_of` names the one of a key by its hash.
fn split_by(
    batch: &RecordBatch,
    key_columns: usize,
    count: u32,
    place_of: impl Fn(u64, u32) -> u32,
) -> Result<Vec<(u32, RecordBatch)>, Failure> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    if count <= 1 {
        return Ok(vec![(0, batch.clone())]);
    }
    let keys = batch
        .columns()
        .get(..key_columns)
        .ok_or_else(|| Failure::internal(format!("{key_columns} key columns were expected in a batch")))?;
    let places_of_rows: Vec<u32> = hash_keys(keys)?.into_iter().map(|hash| place_of(hash, count)).collect();
    let rows =
        u32::try_from(batch.num_rows()).map_err(|error| Failure::internal("a batch is too long").because(&error))?;
    let (order, ends) = counting_sort(&places_of_rows, rows, count);

    let mut start = 0;
    let mut dealt = Vec::new();
    for (place, end) in (0..).zip(ends) {
        if start == end {
            continue;
        }
        let indices = order.slice(start as usize, (end - start) as usize);
        let rows = take_record_batch(batch, &indices)
            .map_err(|error| Failure::internal("rows cannot be dealt by their keys").because(&error))?;
        dealt.push((place, rows));
        start = end;
    }
    Ok(dealt)
}

/// Row numbers ordered by place, stably, and where each place's rows end.
fn counting_sort(places_of_rows: &[u32], rows: u32, places: u32) -> (UInt32Array, Vec<u32>) {
    let mut positions = vec![0_u32; places as usize];
    for &place in places_of_rows {
        positions[place as usize] += 1;
    }
    let mut start = 0;
    for position in &mut positions {
        start += std::mem::replace(position, start);
    }
    let mut order = vec![0_u32; rows as usize];
    for (row, &place) in (0..rows).zip(places_of_rows) {
        let position = &mut positions[place as usize];
        order[*position as usize] = row;
        *position += 1;
    }
    // Each position has moved from where its place's rows start to where they end.
    (UInt32Array::from(order), positions)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::*;

    fn batch(keys: &[(Option<i64>, Option<String>)]) -> RecordBatch {
        let numbers: Int64Array = keys.iter().map(|(number, _)| *number).collect();
        let words: StringArray = keys.iter().map(|(_, word)| word.clone()).collect();
        let rows = Int64Array::from_iter_values(0..keys.len() as i64);
        let columns: [(&str, ArrayRef, bool); 3] =
            [("number", Arc::new(numbers), true), ("word", Arc::new(words), true), ("row", Arc::new(rows), false)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    /// Row number to bucket.
    fn dealt(batch: &RecordBatch, buckets: u32) -> Vec<(i64, u32)> {
        let parts = split_by_bucket(batch, 2, &Buckets::new(buckets, Vec::new())).unwrap();
        assert!(parts.is_sorted_by(|(a, _), (b, _)| a < b));
        parts
            .iter()
            .flat_map(|(bucket, part)| {
                let rows = part["row"].as_primitive::<Int64Type>().values();
                assert!(rows.is_sorted(), "rows keep their order");
                rows.iter().map(|row| (*row, *bucket)).collect::<Vec<_>>()
            })
            .collect()
    }

    fn keys() -> impl Strategy<Value = Vec<(Option<i64>, Option<String>)>> {
        let key = (prop::option::of(-3..3_i64), prop::option::of("[ab]{0,2}"));
        prop::collection::vec(key, 0..200)
    }

    proptest! {
        #[test]
        fn every_row_lands_in_one_bucket_and_that_depends_on_its_key_alone(keys in keys(), buckets in 1..70_u32) {
            let whole = batch(&keys);
            let dealt_rows = dealt(&whole, buckets);
            let of_row: BTreeMap<i64, u32> = dealt_rows.iter().copied().collect();
            prop_assert_eq!(dealt_rows.len(), keys.len());
            prop_assert_eq!(of_row.len(), keys.len());
            let mut of_key = BTreeMap::new();
            for (row, bucket) in &of_row {
                prop_assert!(*bucket < buckets);
                prop_assert_eq!(*of_key.entry(&keys[*row as usize]).or_insert(*bucket), *bucket);
            }
            // However the rows are cut into batches, they go where they went before.
            let middle = keys.len() / 3;
            let mut pieces = dealt(&whole.slice(0, middle), buckets);
            pieces.extend(dealt(&whole.slice(middle, keys.len() - middle), buckets));
            prop_assert_eq!(pieces.into_iter().collect::<BTreeMap<_, _>>(), of_row);
        }
    }

    #[test]
    fn buckets_are_about_equally_full() {
        let keys: Vec<_> = (0..10_000).map(|number| (Some(number), None)).collect();
        let parts = split_by_bucket(&batch(&keys), 1, &Buckets::new(16, Vec::new())).unwrap();
        assert_eq!(parts.len(), 16);
        assert!(parts.iter().all(|(_, part)| (500..750).contains(&part.num_rows())));
    }
}
