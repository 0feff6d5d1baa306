use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use shoal_core::Failure;

use super::GroupTrainer;
use super::key_collector::KeyCollector;
use crate::models::{Fitted, ModelBuilder, ModelCounts, ModelTable};

/// Models of groups that are finished, until they are taken as rows of the output table.
pub struct FinishedModels {
    table: Arc<ModelTable>,
    keys: KeyCollector,
    models: ModelBuilder,
}

impl FinishedModels {
    pub(super) fn new(table: Arc<ModelTable>) -> Self {
        Self { keys: KeyCollector::default(), models: ModelBuilder::new(Arc::clone(&table)), table }
    }

    /// Adds the model of a group, whose key is in that row of the key columns.
    pub(super) fn push(
        &mut self,
        (keys, row): (&[ArrayRef], usize),
        fitted: &Fitted,
        rows_used: u64,
        rows_dropped: u64,
    ) -> Result<(), Failure> {
        self.keys.push(keys, row)?;
        self.models.append(fitted, rows_used, rows_dropped);
        Ok(())
    }

    /// How many models wait to be taken.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether no model waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Takes them.
    ///
    /// # Errors
    /// An internal failure where the keys do not fit the table's schema.
    pub fn take(&mut self) -> Result<RecordBatch, Failure> {
        let keys = self.keys.take(&self.table.schema().fields()[..self.table.key_columns()])?;
        self.models.finish(keys)
    }

    /// What was counted over all models so far, those that were taken included.
    pub fn counts(&self) -> ModelCounts {
        self.models.counts()
    }
}

/// A trainer whose results are models.
pub trait ModelsOfGroups: GroupTrainer {
    /// The models of the groups that are finished.
    fn models(&mut self) -> &mut FinishedModels;
}
