//! Training of one group after the other, for estimators that need a group's rows themselves.
//!
//! Rows that fit in memory are put next to each other by [`Clustering`]; others come sorted by key and are cut by
//! [`GroupCutter`]. Either way a group's rows are handed over piece by piece and never put together, so that a batch bounds
//! what is copied whatever the size of a group.

mod clustering;
mod finished;
mod folding;
mod hand_over;
mod key_collector;
mod part;
mod places;
mod state_trainer;
mod text_classes;
mod trainer;

use std::ops::Range;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::partition;
use shoal_core::Failure;
use shoal_ml::MomentsRef;

pub use clustering::{Clustered, Clustering};
pub use finished::{FinishedModels, ModelsOfGroups};
pub(crate) use key_collector::KeyCollector;
pub use state_trainer::StateTrainer;
pub use trainer::ModelTrainer;

/// Trains one group after the other.
pub trait GroupTrainer {
    /// Takes more rows of the group that is open, as the columns after the keys.
    ///
    /// # Errors
    /// What makes the whole task fail. A group that cannot be trained is no error but a model that says so.
    fn rows(&mut self, columns: &[ArrayRef], rows: Range<usize>) -> Result<(), Failure>;

    /// Ends the open group, whose key is in that row of the key columns. The next rows are another group's.
    ///
    /// # Errors
    /// As [`GroupTrainer::rows`].
    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure>;

    /// Of how many variables it takes the moments of a group, instead of its rows; none where it takes rows alone.
    fn moments_wanted(&self) -> Option<usize> {
        None
    }

    /// Takes a whole group while none is open, whose key is in that row of the key columns: the moments of its rows, added
    /// one after the other, and how many rows were left out of them. False where it wants the rows after all; then it has
    /// taken nothing.
    ///
    /// # Errors
    /// As [`GroupTrainer::rows`].
    fn moments(&mut self, _keys: &[ArrayRef], _row: usize, _of_rows: (MomentsRef<'_>, u64)) -> Result<bool, Failure> {
        Ok(false)
    }
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
        let (keys, others) = batch
            .columns()
            .split_at_checked(self.key_columns)
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
            trainer.rows(others, range.clone())?;
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
mod tests;
