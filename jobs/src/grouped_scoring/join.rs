//! Pulls a bucket's models and rows, and scores these with those.

use shoal_core::Failure;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, PartitionSource, TaskOutput};
use shoal_engine::error::engine_failure;
use shoal_engine::exchange;
use shoal_engine::scoring::predictions;
use shoal_engine::session::ordered_task_session;

use super::held::hold;
use super::tasks::JoinStage;
use super::writer::write;
use crate::scan_error::ScanError;

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let JoinStage { scoring, model_tasks, output } = assignment.common.read()?;
    let ctx = ordered_task_session(context.memory_bytes, &context.scratch)?;
    let (models, rows): (Vec<PartitionSource>, Vec<PartitionSource>) =
        assignment.sources.iter().cloned().partition(|source| source.attempt.task.index < model_tasks);
    let mut counters =
        Counters { rows_in: rows.iter().map(|source| source.partition.rows).sum(), ..Counters::default() };
    let models = context.partitions.read(models).await?;
    counters.bytes_fetched += models.bytes_remote;
    counters.bytes_local += models.bytes_local;
    let held = hold(&ctx, models.batches, &scoring, context).await?;
    let rows = context.partitions.read(rows).await?;
    counters.bytes_fetched += rows.bytes_remote;
    counters.bytes_local += rows.bytes_local;
    let Some(rows) = exchange::frame(&ctx, rows.batches).await? else {
        return Ok(TaskOutput { counters, ..TaskOutput::default() });
    };
    let file = match write(predictions(rows, held, &scoring)?, &output, assignment, context, &mut counters).await {
        Ok(file) => file,
        Err(ScanError::Engine(error)) => return Err(engine_failure(&error)),
        Err(ScanError::Failure(failure)) => return Err(failure),
    };
    Ok(TaskOutput { files: file.into_iter().collect(), counters, ..TaskOutput::default() })
}
