//! Predictions into a file.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use shoal_core::Failure;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, FileMeta};
use shoal_engine::delta::attempt_file_name;
use shoal_engine::models::ParquetFile;
use shoal_engine::storage::Location;

use super::tasks::Output;
use crate::scan_error::ScanError;

/// Leading columns that a file has statistics of: as many as Delta's own writers keep.
const STATISTICS_COLUMNS: usize = 32;

/// The column of the output that says why there is no prediction.
const REASON: &str = "reason";

/// Writes the rows of a frame into a file of the output, and counts those with and without a prediction. No file where there
/// are no rows.
pub(super) async fn write(
    frame: DataFrame,
    output: &Output,
    assignment: &Assignment,
    context: &TaskContext,
    counters: &mut Counters,
) -> Result<Option<FileMeta>, ScanError> {
    let mut file = None;
    let mut batches = frame.execute_stream().await.map_err(ScanError::Engine)?;
    while let Some(batch) = batches.next().await {
        context.cancelled.check()?;
        let batch = batch.map_err(ScanError::Engine)?;
        if batch.num_rows() == 0 {
            continue;
        }
        let batch = RecordBatch::try_new(Arc::clone(&output.schema), batch.columns().to_vec())
            .map_err(|error| Failure::internal("predictions do not fit the output").because(&error))?;
        count(&batch, counters)?;
        let file = match &mut file {
            Some(file) => file,
            None => file.insert(create(output, assignment)?),
        };
        file.write(&batch).await?;
    }
    let ok = counters.groups_ok;
    tracing::info!(rows = counters.rows_out, ok, "predictions are written");
    Ok(match file {
        Some(file) => Some(file.finish().await?),
        None => None,
    })
}

pub(super) fn create(output: &Output, assignment: &Assignment) -> Result<ParquetFile, Failure> {
    let place = Location::parse(&output.table)?;
    // Delta keeps statistics of nested columns in another form.
    let flat = output.schema.fields().iter().take_while(|field| !field.data_type().is_nested()).count();
    let columns = flat.min(STATISTICS_COLUMNS);
    ParquetFile::create(&place, &attempt_file_name(&assignment.attempt), Arc::clone(&output.schema), columns)
}

pub(super) fn count(batch: &RecordBatch, counters: &mut Counters) -> Result<(), Failure> {
    let reasons = batch.column_by_name(REASON).ok_or_else(|| Failure::internal("predictions without a reason"))?;
    let rows = batch.num_rows() as u64;
    let failed = (reasons.len() - reasons.null_count()) as u64;
    counters.rows_out += rows;
    counters.groups_ok += rows - failed;
    counters.groups_failed += failed;
    Ok(())
}
