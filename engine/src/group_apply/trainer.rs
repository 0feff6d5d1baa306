use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use shoal_core::Failure;
use shoal_ml::{Moments, Needs, Rows};

use super::GroupTrainer;
use super::key_collector::KeyCollector;
use crate::keys::hash_keys;
use crate::models::{ModelBuilder, ModelCounts, ModelTable};

/// Rows of a group that are held before they are folded into moments, where these are all that a model needs: enough for
/// nearly every group to be held whole, so that a fit that loses digits may ask the rows again.
const HELD_ROWS_MAX: usize = 1 << 16;

/// Fits the models of a table group by group.
///
/// The columns after the keys are the features in their order, the target, and what a row weighs where that differs, all
/// floats. A row with a null, NaN or infinite value, or a negative weight, is left out and counted.
pub struct ModelTrainer {
    table: Arc<ModelTable>,
    /// The open group's rows, by variable: all of them, or those since the last fold.
    held: Vec<Vec<f64>>,
    /// What was folded of the open group.
    folded: Moments,
    state: Open,
    used: u64,
    dropped: u64,
    group_bytes_max: u64,
    keys: KeyCollector,
    models: ModelBuilder,
}

/// Where the open group's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// All are held.
    Whole,
    /// Some are folded into moments.
    Folded,
    /// They were too many to be held.
    TooLarge,
}

impl ModelTrainer {
    /// A trainer for models of that table, which holds a group's rows up to so many bytes where it needs them all.
    pub fn new(table: Arc<ModelTable>, group_bytes_max: u64) -> Self {
        let variables = table.training().variables();
        Self {
            held: vec![Vec::new(); variables],
            folded: Moments::new(variables),
            state: Open::Whole,
            used: 0,
            dropped: 0,
            group_bytes_max,
            keys: KeyCollector::default(),
            models: ModelBuilder::new(Arc::clone(&table)),
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

    /// Makes room where too many rows are held.
    fn bound(&mut self) {
        let held = self.held[0].len();
        let is_much = (held * self.held.len() * size_of::<f64>()) as u64 > self.group_bytes_max;
        match self.table.training().needs() {
            Needs::Moments if is_much || held > HELD_ROWS_MAX => {
                self.fold();
                self.state = Open::Folded;
            }
            Needs::Rows if is_much => {
                self.held = vec![Vec::new(); self.held.len()];
                self.state = Open::TooLarge;
            }
            Needs::Moments | Needs::Rows => {}
        }
    }

    fn fold(&mut self) {
        let moments = with_rows(&self.held, false, |rows| rows.moments());
        self.folded.as_mut().merge(moments.as_ref());
        self.held.iter_mut().for_each(Vec::clear);
    }
}

impl GroupTrainer for ModelTrainer {
    fn rows(&mut self, batch: &RecordBatch, rows: Range<usize>) -> Result<(), Failure> {
        let columns = batch.columns().get(self.table.key_columns()..).unwrap_or_default();
        let variables = floats(columns, self.held.len())?;
        let weights = self.table.training().weighted.then(|| variables.len() - 1);
        let usable = |row: usize| {
            let is_finite = variables.iter().all(|(values, column)| {
                // Null rows hold arbitrary values, so nullness is looked at on its own.
                values[row].is_finite() && column.is_valid(row)
            });
            is_finite && weights.is_none_or(|weights| variables[weights].0[row] >= 0.0)
        };
        let total = rows.len() as u64;
        let before = self.used;
        // Runs of usable rows are copied as a whole.
        let mut row = rows.start;
        while row < rows.end {
            let end = (row..rows.end).find(|row| !usable(*row)).unwrap_or(rows.end);
            if self.state != Open::TooLarge {
                for (held, (values, _)) in self.held.iter_mut().zip(&variables) {
                    held.extend_from_slice(&values[row..end]);
                }
            }
            self.used += (end - row) as u64;
            row = end + 1;
        }
        self.dropped += total - (self.used - before);
        self.bound();
        Ok(())
    }

    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        self.keys.push(keys, row)?;
        let training = self.table.training();
        let fitted = match (self.state, training.needs()) {
            (Open::TooLarge, _) => self.table.too_large(self.group_bytes_max),
            (Open::Whole, Needs::Moments) => {
                with_rows(&self.held, false, |rows| self.table.fit_moments(rows.moments().as_ref(), Some(rows)))?
            }
            (Open::Folded, _) => {
                self.fold();
                self.table.fit_moments(self.folded.as_ref(), None)?
            }
            (Open::Whole, Needs::Rows) => {
                let key: Vec<ArrayRef> = keys.iter().map(|column| column.slice(row, 1)).collect();
                let hash = hash_keys(&key)?.first().copied().unwrap_or_default();
                with_rows(&self.held, training.weighted, |rows| self.table.fit_rows(rows, hash))
            }
        };
        self.models.append(&fitted, self.used, self.dropped);
        self.held.iter_mut().for_each(Vec::clear);
        self.folded = Moments::new(self.held.len());
        (self.used, self.dropped, self.state) = (0, 0, Open::Whole);
        Ok(())
    }
}

/// The variables of a batch: their values, and the column that knows which are null.
fn floats(columns: &[ArrayRef], expected: usize) -> Result<Vec<(&[f64], &ArrayRef)>, Failure> {
    if columns.len() != expected {
        return Err(Failure::internal(format!("{expected} variables were expected, {} came", columns.len())));
    }
    let variable = |column| match ArrayRef::as_primitive_opt::<Float64Type>(column) {
        Some(floats) => Ok((floats.values().as_ref(), column)),
        None => Err(Failure::internal(format!("a variable is a {}, no float", column.data_type()))),
    };
    columns.iter().map(variable).collect()
}

/// Calls `each` with held variables as rows: the features, the target, and last the weights where there are some.
fn with_rows<T>(held: &[Vec<f64>], weighted: bool, each: impl FnOnce(Rows<'_>) -> T) -> T {
    let columns: Vec<&[f64]> = held.iter().map(Vec::as_slice).collect();
    let (variables, weights) = columns.split_at(columns.len() - usize::from(weighted));
    let (features, target) = variables.split_at(variables.len() - 1);
    let rows = Rows::new(features, target[0]);
    each(match weights {
        [weights] => rows.with_weights(weights),
        _ => rows,
    })
}
