//! Looks at the first rows of the largest file: how many groups do so many rows have?

use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::lit;
use shoal_core::Failure;
use shoal_core::Payload;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_engine::columns::select;
use shoal_engine::error::engine_failure;
use shoal_engine::session::task_session;
use shoal_engine::table::{Split, sample, scan_failure};

use super::map::key_exprs;
use super::tasks::{MeasureTask, Sample};

/// Rows of the sample: about one row group. Enough that a key of every large group comes up, little enough to cost a
/// fraction of a second.
const SAMPLE_ROWS: usize = 128 * 1024;

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let MeasureTask { table, columns, file } = assignment.payload.read()?;
    let files = [file];
    let ctx = task_session(context.memory_bytes, &context.scratch)?;
    let rows = select(&ctx, sample(&ctx, &table, &files, SAMPLE_ROWS).await?, &columns, &[])?;
    let groups = rows
        .aggregate(key_exprs(&columns), vec![count(lit(1)).alias("__rows")])
        .map_err(|error| engine_failure(&error))?;
    let split = Split::whole(&files);
    let batches = match groups.collect().await {
        Ok(batches) => batches,
        Err(error) => return Err(scan_failure(&ctx, error, &table, &split).await),
    };
    let keys = columns.keys.len();
    let mut found = Sample { rows: 0, groups: 0, key_bytes: 0 };
    for batch in &batches {
        found.groups += batch.num_rows() as u64;
        let counts = batch.column(keys);
        let counts = arrow::compute::sum(arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(counts));
        found.rows += counts.and_then(|rows| u64::try_from(rows).ok()).unwrap_or_default();
        let key_columns = batch.columns().iter().take(keys);
        // The slice, not the buffers under it: a batch may be a window into something larger.
        found.key_bytes +=
            key_columns.filter_map(|column| column.to_data().get_slice_memory_size().ok()).sum::<usize>() as u64;
    }
    let counters = Counters { rows_in: found.rows, ..Counters::default() };
    Ok(TaskOutput { counters, payload: Payload::of(&found)?, ..TaskOutput::default() })
}
