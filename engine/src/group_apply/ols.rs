use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::Float64Type;
use shoal_core::Failure;
use shoal_ml::{Moments, OlsOptions, fit_ols};

use super::GroupTrainer;
use crate::models::{ModelCounts, OlsModelBuilder, OlsTable};

/// Fits least squares group by group: folds the rows into moments as they come.
///
/// The columns after the keys are the features in their order and then the target, all floats. A row with a null, NaN
/// or infinite value is left out and counted.
pub struct OlsTrainer {
    table: Arc<OlsTable>,
    options: OlsOptions,
    moments: Moments,
    dropped: u64,
    row: Vec<f64>,
    keys: KeyCollector,
    models: OlsModelBuilder,
}

impl OlsTrainer {
    /// A trainer for models of that table.
    pub fn new(table: Arc<OlsTable>) -> Self {
        let variables = table.variables();
        Self {
            options: table.options(),
            moments: Moments::new(variables),
            dropped: 0,
            row: vec![0.0; variables],
            keys: KeyCollector::default(),
            models: OlsModelBuilder::new(Arc::clone(&table)),
            table,
        }
    }

    /// How many models wait to be taken.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether no model waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Takes the models of the groups that are finished, as rows of the output table.
    ///
    /// # Errors
    /// An internal failure where the keys do not fit the table's schema.
    pub fn take_models(&mut self) -> Result<RecordBatch, Failure> {
        let keys = self.keys.take(&self.table)?;
        self.models.finish(keys)
    }

    /// What was counted over all models so far, those that were taken included.
    pub fn counts(&self) -> ModelCounts {
        self.models.counts()
    }
}

impl GroupTrainer for OlsTrainer {
    fn rows(&mut self, batch: &RecordBatch, rows: Range<usize>) -> Result<(), Failure> {
        let variables = batch.columns().get(self.table.key_columns()..).unwrap_or_default();
        if variables.len() != self.row.len() {
            return Err(Failure::internal(format!(
                "{} variables were expected, {} came",
                self.row.len(),
                variables.len()
            )));
        }
        for row in rows {
            let mut usable = true;
            for (value, column) in self.row.iter_mut().zip(variables) {
                let column = column
                    .as_primitive_opt::<Float64Type>()
                    .ok_or_else(|| Failure::internal(format!("a variable is a {}, no float", column.data_type())))?;
                *value = column.value(row);
                // Null rows hold arbitrary values, so nullness is looked at on its own.
                usable &= value.is_finite() && column.is_valid(row);
            }
            if usable {
                self.moments.as_mut().push(&self.row);
            } else {
                self.dropped += 1;
            }
        }
        Ok(())
    }

    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        self.keys.push(keys, row)?;
        let fit = fit_ols(self.moments.as_ref(), &self.options);
        self.models.append(&fit, self.moments.count, self.dropped);
        self.dropped = 0;
        self.moments.count = 0;
        self.moments.mean.fill(0.0);
        self.moments.comoment.fill(0.0);
        Ok(())
    }
}

/// Collects the keys of finished groups out of the batches they were in.
#[derive(Default)]
struct KeyCollector {
    /// Keys taken out of earlier batches, one list of columns per batch.
    taken: Vec<Vec<ArrayRef>>,
    /// The batch that rows are being picked from.
    current: Vec<ArrayRef>,
    picked: Vec<u32>,
}

impl KeyCollector {
    fn push(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        let is_current = keys.iter().zip(&self.current).all(|(new, old)| Arc::ptr_eq(new, old));
        if !is_current || self.current.len() != keys.len() {
            self.close()?;
            self.current = keys.to_vec();
        }
        self.picked.push(u32::try_from(row).map_err(|error| Failure::internal("a batch is too long").because(&error))?);
        Ok(())
    }

    /// Takes the picked rows out of the current batch, which may then be freed.
    fn close(&mut self) -> Result<(), Failure> {
        if self.picked.is_empty() {
            return Ok(());
        }
        let picked = UInt32Array::from(std::mem::take(&mut self.picked));
        let keys = std::mem::take(&mut self.current);
        let keys = keys.iter().map(|column| take(column, &picked, None)).collect::<Result<_, _>>();
        self.taken.push(keys.map_err(|error| Failure::internal("keys cannot be collected").because(&error))?);
        Ok(())
    }

    fn take(&mut self, table: &OlsTable) -> Result<Vec<ArrayRef>, Failure> {
        self.close()?;
        let taken = std::mem::take(&mut self.taken);
        if taken.is_empty() {
            return Ok(table.no_keys());
        }
        (0..table.key_columns())
            .map(|column| {
                let pieces: Vec<&dyn Array> = taken.iter().map(|keys| keys[column].as_ref()).collect();
                concat(&pieces).map_err(|error| Failure::internal("keys cannot be collected").because(&error))
            })
            .collect()
    }
}
