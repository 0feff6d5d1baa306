use std::sync::Arc;

use arrow::array::RecordBatch;
use shoal_core::Failure;
use shoal_ml::fit_ols;

use super::builder::{ModelCounts, OlsModelBuilder};
use super::schema::OlsTable;
use crate::moments::MomentsColumn;

/// Fits a batch of merged moments: key columns first, then the moments of the features and the target, one row per
/// group. Gives the models of those groups as rows of the table, and what was counted.
///
/// # Errors
/// An internal failure where the batch does not have these columns.
pub fn fit_moments_batch(batch: &RecordBatch, table: &Arc<OlsTable>) -> Result<(RecordBatch, ModelCounts), Failure> {
    let (Some(keys), Some(states)) =
        (batch.columns().get(..table.key_columns()), batch.columns().get(table.key_columns()))
    else {
        return Err(Failure::internal(format!("a batch of {} columns holds no moments", batch.num_columns())));
    };
    let states = MomentsColumn::new(states, table.variables())?;
    let options = table.options();
    let mut models = OlsModelBuilder::new(Arc::clone(table));
    for group in 0..states.len() {
        let moments = states.get(group);
        models.append(&fit_ols(moments, &options), moments.count, states.dropped(group));
    }
    let counts = models.counts();
    Ok((models.finish(keys.to_vec())?, counts))
}
