//! Deals the rows of a task to the buckets of an exchange.

use arrow::array::RecordBatch;
use shoal_core::runner::TaskContext;
use shoal_core::{AttemptId, Failure};
use shoal_engine::keys::{Buckets, Gathering, split_by_bucket};

/// An attempt that writes rows to its buckets, many at a time.
pub(crate) struct Dealing<'a> {
    attempt: AttemptId,
    context: &'a TaskContext,
    key_columns: usize,
    buckets: &'a Buckets,
    waiting: Gathering,
}

impl<'a> Dealing<'a> {
    /// For batches whose leading columns are the keys.
    pub(crate) fn new(attempt: AttemptId, context: &'a TaskContext, key_columns: usize, buckets: &'a Buckets) -> Self {
        Self { attempt, context, key_columns, buckets, waiting: Gathering::new(buckets.count()) }
    }

    /// Takes rows.
    ///
    /// # Errors
    /// Those of the store of partitions; an internal failure for batches that are not alike or have no such keys.
    pub(crate) async fn push(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        match self.waiting.push(batch)? {
            Some(rows) => self.deal(&rows).await,
            None => Ok(()),
        }
    }

    /// Writes the rows that wait: there are no more.
    ///
    /// # Errors
    /// As [`Dealing::push`].
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        match self.waiting.finish()? {
            Some(rows) => self.deal(&rows).await,
            None => Ok(()),
        }
    }

    async fn deal(&self, rows: &RecordBatch) -> Result<(), Failure> {
        for (bucket, part) in split_by_bucket(rows, self.key_columns, self.buckets)? {
            self.context.partitions.append(self.attempt, bucket, part).await?;
        }
        Ok(())
    }
}
