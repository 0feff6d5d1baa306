//! Training of one group after the other over rows that are sorted by their key, for estimators that need a group's
//! rows themselves.
//!
//! A group's rows may lie in any number of batches; they are handed over piece by piece and never put together, so
//! memory is bounded by a batch whatever the size of a group.

mod finished;
mod folding;
mod key_collector;
mod state_trainer;
mod trainer;

use std::ops::Range;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::partition;
use shoal_core::Failure;

pub use finished::{FinishedModels, ModelsOfGroups};
pub use state_trainer::StateTrainer;
pub use trainer::ModelTrainer;

/// Trains one group after the other.
pub trait GroupTrainer {
    /// Takes more rows of the group that is open.
    ///
    /// # Errors
    /// What makes the whole task fail. A group that cannot be trained is no error but a model that says so.
    fn rows(&mut self, batch: &RecordBatch, rows: Range<usize>) -> Result<(), Failure>;

    /// Ends the open group, whose key is in that row of the key columns. The next rows are another group's.
    ///
    /// # Errors
    /// As [`GroupTrainer::rows`].
    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure>;
}

/// Cuts a sequence of batches into groups.
///
/// The batches are sorted by their leading key columns, in any order that puts equal keys next to each other; a
/// missing value is a key of its own. Call [`GroupCutter::end`] after the last one.
#[derive(Debug)]
pub struct GroupCutter {
    key_columns: usize,
    /// Key columns of the batch that the open group was last seen in, and a row of that group.
    open: Option<(Vec<ArrayRef>, usize)>,
}

impl GroupCutter {
    /// A cutter for batches with that many leading key columns, at least one.
    pub fn new(key_columns: usize) -> Self {
        Self { key_columns, open: None }
    }

    /// Hands the rows of a batch to the trainer, group after group.
    ///
    /// # Errors
    /// Those of the trainer, and an internal failure where the batch has fewer columns.
    pub fn push(&mut self, batch: &RecordBatch, trainer: &mut impl GroupTrainer) -> Result<(), Failure> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let keys = batch
            .columns()
            .get(..self.key_columns)
            .ok_or_else(|| Failure::internal(format!("{} key columns were expected in a batch", self.key_columns)))?;
        if let Some((open_keys, row)) = &self.open
            && !is_same_key((open_keys, *row), (keys, 0))?
        {
            trainer.finish(open_keys, *row)?;
        }
        let ranges = partition(keys).map_err(|error| internal(&error))?.ranges();
        for range in &ranges {
            // The group that the batch before left open was ended above, or goes on here.
            if range.start > 0 {
                trainer.finish(keys, range.start - 1)?;
            }
            trainer.rows(batch, range.clone())?;
        }
        self.open = Some((keys.to_vec(), batch.num_rows() - 1));
        Ok(())
    }

    /// Ends the last group.
    ///
    /// # Errors
    /// Those of the trainer.
    pub fn end(&mut self, trainer: &mut impl GroupTrainer) -> Result<(), Failure> {
        match self.open.take() {
            Some((keys, row)) => trainer.finish(&keys, row),
            None => Ok(()),
        }
    }
}

fn is_same_key(a: (&[ArrayRef], usize), b: (&[ArrayRef], usize)) -> Result<bool, Failure> {
    for (left, right) in a.0.iter().zip(b.0) {
        let (left, right) = (left.slice(a.1, 1), right.slice(b.1, 1));
        let same = not_distinct(&left.as_ref(), &right.as_ref()).map_err(|error| internal(&error))?;
        if !same.value(0) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn internal(error: &arrow::error::ArrowError) -> Failure {
    Failure::internal("keys of groups cannot be compared").because(error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{Float64Type, Int64Type};
    use proptest::prelude::*;

    use super::*;

    /// Writes down each group as its key, and the values of its rows.
    #[derive(Default)]
    struct Recorder {
        open: Vec<i64>,
        groups: Vec<(Option<i64>, Option<String>, Vec<i64>)>,
    }

    impl GroupTrainer for Recorder {
        fn rows(&mut self, batch: &RecordBatch, rows: Range<usize>) -> Result<(), Failure> {
            assert!(!rows.is_empty());
            self.open.extend_from_slice(&batch["value"].as_primitive::<Int64Type>().values()[rows]);
            Ok(())
        }

        fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
            let number = keys[0].as_primitive::<Int64Type>();
            let word = keys[1].as_string::<i32>();
            let key =
                (number.is_valid(row).then(|| number.value(row)), word.is_valid(row).then(|| word.value(row).into()));
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
            fn rows(&mut self, _: &RecordBatch, _: Range<usize>) -> Result<(), Failure> {
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
}
