#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::{AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use proptest::prelude::*;

use super::*;
use crate::session::BATCH_ROWS;

/// Writes down each group as its key, and the values of its rows.
#[derive(Default)]
struct Recorder {
    open: Vec<i64>,
    groups: Vec<(Option<i64>, Option<String>, Vec<i64>)>,
}

impl GroupTrainer for Recorder {
    fn rows(&mut self, columns: &[ArrayRef], rows: Range<usize>) -> Result<(), Failure> {
        assert!(!rows.is_empty());
        self.open.extend_from_slice(&columns[0].as_primitive::<Int64Type>().values()[rows]);
        Ok(())
    }

    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        let number = keys[0].as_primitive::<Int64Type>();
        let word = keys[1].as_string::<i32>();
        let key = (number.is_valid(row).then(|| number.value(row)), word.is_valid(row).then(|| word.value(row).into()));
        self.groups.push((key.0, key.1, std::mem::take(&mut self.open)));
        Ok(())
    }
}

type Key = (Option<i64>, Option<String>);

fn batch(keys: &[Key]) -> RecordBatch {
    let numbers: Int64Array = keys.iter().map(|key| key.0).collect();
    let words: StringArray = keys.iter().map(|key| key.1.clone()).collect();
    let values = Int64Array::from_iter_values(0..keys.len() as i64);
    let columns: [(&str, ArrayRef, bool); 3] =
        [("number", Arc::new(numbers), true), ("word", Arc::new(words), true), ("value", Arc::new(values), false)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

proptest! {
    #[test]
    fn groups_are_the_same_however_batches_are_cut(
        mut keys in prop::collection::vec((prop::option::of(0..3_i64), prop::option::of("[ab]")), 0..60),
        mut cuts in prop::collection::vec(0..60_usize, 0..8),
    ) {
        keys.sort();
        cuts.retain(|cut| *cut <= keys.len());
        cuts.extend([0, keys.len()]);
        cuts.sort();
        let whole = batch(&keys);
        let (mut cutter, mut recorder) = (GroupCutter::new(2), Recorder::default());
        for cut in cuts.windows(2) {
            cutter.push(&whole.slice(cut[0], cut[1] - cut[0]), &mut recorder).unwrap();
        }
        cutter.end(&mut recorder).unwrap();

        let mut expected: Vec<(Option<i64>, Option<String>, Vec<i64>)> = Vec::new();
        for (row, key) in (0..).zip(&keys) {
            match expected.last_mut() {
                Some((number, word, rows)) if (&*number, &*word) == (&key.0, &key.1) => rows.push(row),
                _ => expected.push((key.0, key.1.clone(), vec![row])),
            }
        }
        prop_assert_eq!(recorder.groups, expected);
    }
}

#[test]
fn a_missing_value_and_nan_are_groups_of_their_own() {
    struct Count(usize);
    impl GroupTrainer for Count {
        fn rows(&mut self, _: &[ArrayRef], _: Range<usize>) -> Result<(), Failure> {
            Ok(())
        }
        fn finish(&mut self, keys: &[ArrayRef], _: usize) -> Result<(), Failure> {
            assert_eq!(keys[0].as_primitive_opt::<Float64Type>().map(|keys| keys.len()), Some(1));
            self.0 += 1;
            Ok(())
        }
    }
    let floats = [None, None, Some(0.0), Some(0.0), Some(f64::NAN), Some(f64::NAN)];
    let (mut cutter, mut count) = (GroupCutter::new(1), Count(0));
    for float in floats {
        let column: ArrayRef = Arc::new(Float64Array::from(vec![float]));
        let batch = RecordBatch::try_from_iter_with_nullable([("key", column, true)]).unwrap();
        cutter.push(&batch, &mut count).unwrap();
    }
    cutter.end(&mut count).unwrap();
    cutter.end(&mut count).unwrap();
    assert_eq!(count.0, 3);
}

proptest! {
    #[test]
    fn clustered_rows_are_those_of_a_stable_sort(
        keys in prop::collection::vec((prop::option::of(0..5_i64), prop::option::of("[ab]")), 0..60),
        mut cuts in prop::collection::vec(0..60_usize, 0..8),
        in_parts in prop::bool::ANY,
    ) {
        cuts.retain(|cut| *cut <= keys.len());
        cuts.extend([0, keys.len()]);
        cuts.sort();
        let whole = batch(&keys);
        let bytes = if in_parts { 8 << 20 } else { 0 };
        let mut clustering = Clustering::new(&whole.schema().fields()[..2], bytes);
        for cut in cuts.windows(2) {
            clustering.push(whole.slice(cut[0], cut[1] - cut[0])).unwrap();
        }
        let (mut clustered, mut recorder) = (clustering.cluster().unwrap(), Recorder::default());
        while clustered.train_next(&mut recorder).unwrap() {}

        let mut rows: Vec<(&Key, i64)> = keys.iter().zip(0..).collect();
        rows.sort_by_key(|(key, _)| *key);
        let groups = rows.chunk_by(|a, b| a.0 == b.0);
        let expected: Vec<_> = groups
            .map(|rows| (rows[0].0.0, rows[0].0.1.clone(), rows.iter().map(|(_, row)| *row).collect::<Vec<i64>>()))
            .collect();
        if in_parts {
            // Parts come one after the other, and no group is in two of them.
            recorder.groups.sort();
        }
        prop_assert_eq!(recorder.groups, expected);
    }
}

/// Takes moments, but the rows of groups with an odd key.
#[derive(Default)]
struct MomentsOfEven {
    taken: Vec<(i64, u64, u64)>,
    open: Vec<f64>,
    groups_of_rows: Vec<(i64, Vec<f64>)>,
}

impl GroupTrainer for MomentsOfEven {
    fn rows(&mut self, columns: &[ArrayRef], rows: Range<usize>) -> Result<(), Failure> {
        self.open.extend_from_slice(&columns[0].as_primitive::<Float64Type>().values()[rows]);
        Ok(())
    }

    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        let key = keys[0].as_primitive::<Int64Type>().value(row);
        self.groups_of_rows.push((key, std::mem::take(&mut self.open)));
        Ok(())
    }

    fn moments_wanted(&self) -> Option<usize> {
        Some(1)
    }

    fn moments(
        &mut self,
        keys: &[ArrayRef],
        row: usize,
        (moments, dropped): (MomentsRef<'_>, u64),
    ) -> Result<bool, Failure> {
        let key = keys[0].as_primitive::<Int64Type>().value(row);
        if key % 2 == 0 {
            self.taken.push((key, moments.count, dropped));
        }
        Ok(key % 2 == 0)
    }
}

#[test]
fn a_trainer_of_moments_gets_the_rows_that_it_asks_for_after_all() {
    let rows = 3 * BATCH_ROWS;
    let keys = Int64Array::from_iter_values((0..rows as i64).map(|row| row % 5));
    // Every seventh value is missing.
    let values: Float64Array = (0..rows).map(|row| (row % 7 > 0).then_some(row as f64)).collect();
    let columns: [(&str, ArrayRef, bool); 2] = [("key", Arc::new(keys), false), ("value", Arc::new(values), true)];
    let whole = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    for bytes in [0, 8 << 20] {
        let mut clustering = Clustering::new(&whole.schema().fields()[..1], bytes);
        clustering.push(whole.slice(0, 10_000)).unwrap();
        clustering.push(whole.slice(10_000, rows - 10_000)).unwrap();
        let (mut clustered, mut trainer) = (clustering.cluster().unwrap(), MomentsOfEven::default());
        while clustered.train_next(&mut trainer).unwrap() {}
        trainer.taken.sort_unstable();
        let count = |key: usize, missing: bool| {
            (0..rows).filter(|row| row % 5 == key && (row % 7 == 0) == missing).count() as u64
        };
        let expected = [0, 2, 4].map(|key| (key as i64, count(key, false), count(key, true)));
        assert_eq!(trainer.taken, expected);
        trainer.groups_of_rows.sort_by_key(|(key, _)| *key);
        let handed: Vec<(i64, usize)> = trainer.groups_of_rows.iter().map(|(key, rows)| (*key, rows.len())).collect();
        assert_eq!(handed, [1, 3].map(|key| (key as i64, (0..rows).filter(|row| row % 5 == key).count())));
        assert!(trainer.groups_of_rows[0].1.iter().filter(|value| **value > 0.0).is_sorted(), "in their order");
    }
}

#[test]
fn a_group_of_many_batches_is_handed_over_in_pieces() {
    let rows = BATCH_ROWS + BATCH_ROWS / 2;
    let keys: Vec<Key> = (0..rows).map(|row| (Some(i64::from(row % 3 == 0)), None)).collect();
    let whole = batch(&keys);
    let mut clustering = Clustering::new(&whole.schema().fields()[..2], 0);
    clustering.push(whole.slice(0, 5_000)).unwrap();
    clustering.push(whole.slice(5_000, rows - 5_000)).unwrap();
    let (mut clustered, mut recorder) = (clustering.cluster().unwrap(), Recorder::default());
    let mut calls = 0;
    while clustered.train_next(&mut recorder).unwrap() {
        calls += 1;
    }
    assert_eq!(calls, 2);
    let sizes: Vec<(Option<i64>, usize)> = recorder.groups.iter().map(|(key, _, rows)| (*key, rows.len())).collect();
    assert_eq!(sizes, [(Some(0), rows * 2 / 3), (Some(1), rows / 3)]);
    assert!(recorder.groups.iter().all(|(_, _, rows)| rows.is_sorted()), "rows of a group keep their order");
}

#[test]
fn what_fits_leaves_half_of_the_memory() {
    for (rows, bytes, memory, fits) in [
        (0, 0, 0, true),
        (1_000, 32_000, 88_000, true),
        (1_000, 32_001, 88_000, false),
        (u64::from(u32::MAX) + 1, 0, u64::MAX, false),
        (1 << 31, u64::MAX, u64::MAX, false),
        (1, 1 << 31, u64::MAX, false),
    ] {
        assert_eq!(Clustering::fits(rows, bytes, memory), fits, "{rows} rows of {bytes} bytes in {memory}");
    }
}
