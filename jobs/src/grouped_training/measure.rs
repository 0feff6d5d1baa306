//! Looks at the first rows of the largest file: how many groups do so many rows have, and does any have much of them?

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::lit;
use shoal_core::Failure;
use shoal_core::Payload;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_engine::columns::select;
use shoal_engine::error::engine_failure;
use shoal_engine::keys::{canonical_keys, hash_keys};
use shoal_engine::session::task_session;
use shoal_engine::table::{Split, sample, scan_failure};

use super::map::key_exprs;
use super::skew;
use super::tasks::{LargeGroup, MeasureTask, Sample};

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
    let mut found = Sample { rows: 0, groups: 0, key_bytes: 0, large: Vec::new() };
    for batch in &batches {
        found.groups += batch.num_rows() as u64;
        let counts: Vec<u64> =
            batch.column(keys).as_primitive::<Int64Type>().values().iter().map(|it| *it as u64).collect();
        found.rows += counts.iter().sum::<u64>();
        let batch = canonical_keys(batch, keys)?;
        let groups = hash_keys(&batch.columns()[..keys])?.into_iter().zip(counts);
        found.large.extend(groups.map(|(hash, rows)| LargeGroup { hash, rows }).filter(|group| group.rows > 1));
        let key_columns = batch.columns().iter().take(keys);
        // The slice, not the buffers under it: a batch may be a window into something larger.
        found.key_bytes +=
            key_columns.filter_map(|column| column.to_data().get_slice_memory_size().ok()).sum::<usize>() as u64;
    }
    skew::keep_large(&mut found);
    let counters = Counters { rows_in: found.rows, ..Counters::default() };
    Ok(TaskOutput { counters, payload: Payload::of(&found)?, ..TaskOutput::default() })
}
