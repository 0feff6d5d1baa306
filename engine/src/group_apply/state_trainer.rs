use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use shoal_core::Failure;
use shoal_ml::Moments;

use super::GroupTrainer;
use super::finished::{FinishedModels, ModelsOfGroups};
use crate::models::ModelTable;
use crate::moments::MomentsColumn;

/// Fits models from the moments of each fold of a group, and tests them on each fold by those of the others.
///
/// The last column has the moments. Those of a group come in the order of their folds, which is that of the sums.
pub struct StateTrainer {
    table: Arc<ModelTable>,
    folds: Vec<Moments>,
    dropped: u64,
    finished: FinishedModels,
}

impl StateTrainer {
    /// A trainer for models of that table.
    pub fn new(table: Arc<ModelTable>) -> Self {
        Self { folds: Vec::new(), dropped: 0, finished: FinishedModels::new(Arc::clone(&table)), table }
    }
}

impl GroupTrainer for StateTrainer {
    fn rows(&mut self, columns: &[ArrayRef], rows: Range<usize>) -> Result<(), Failure> {
        let states = columns.last().ok_or_else(|| Failure::internal("a batch without columns"))?;
        let states = MomentsColumn::new(states, self.table.training().variables())?;
        for row in rows {
            let moments = states.get(row);
            self.dropped += states.dropped(row);
            // A fold of nothing but rows that were left out is none.
            if moments.count > 0 {
                let mut fold = Moments::new(moments.mean.len());
                fold.as_mut().merge(moments);
                self.folds.push(fold);
            }
        }
        Ok(())
    }

    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        let mut total = Moments::new(self.table.training().variables());
        for fold in &self.folds {
            total.as_mut().merge(fold.as_ref());
        }
        let fitted = match self.table.of_best_alpha(&total, &self.folds) {
            Ok(table) => table.fit_moments(total.as_ref(), None)?.tested_on(&table, &self.folds),
            Err(fitted) => *fitted,
        };
        self.finished.push((keys, row), &fitted, total.as_ref().count, self.dropped)?;
        self.folds.clear();
        self.dropped = 0;
        Ok(())
    }
}

impl ModelsOfGroups for StateTrainer {
    fn models(&mut self) -> &mut FinishedModels {
        &mut self.finished
    }
}
