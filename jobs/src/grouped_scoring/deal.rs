//! Deals a split of rows, or of models, to buckets by key.

use datafusion::error::DataFusionError;
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_core::{Failure, Payload};
use shoal_engine::keys::split_by_bucket;
use shoal_engine::scoring::{models_frame, rows_frame};
use shoal_engine::session::task_session;
use shoal_engine::table::{scan, scan_failure};

use super::tasks::{DealStage, DealTask};
use super::writer::Error;

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let stage: DealStage = assignment.common.read()?;
    let task: DealTask = assignment.payload.read()?;
    let ctx = task_session(context.memory_bytes, &context.scratch)?;
    let (table, split) = match &task {
        DealTask::Models(split) => (&stage.models, split),
        DealTask::Rows(split) => (&stage.rows, split),
    };
    let frame = scan(&ctx, table, split).await?;
    let frame = match &task {
        DealTask::Models(_) => models_frame(frame, &stage.scoring)?,
        DealTask::Rows(_) => rows_frame(&ctx, frame, &stage.scoring)?,
    };
    let mut counters = Counters::default();
    match deal(frame, &stage, assignment, context, &mut counters).await {
        Ok(()) => {}
        Err(Error::Engine(error)) => return Err(scan_failure(&ctx, error, table, split).await),
        Err(Error::Failure(failure)) => return Err(failure),
    }
    let partitions = context.partitions.seal(assignment.attempt).await?;
    let is_models = matches!(task, DealTask::Models(_));
    tracing::info!(rows = counters.rows_in, is_models, "the split is dealt to its buckets");
    Ok(TaskOutput { partitions, counters, payload: Payload::of(&is_models)?, ..TaskOutput::default() })
}

async fn deal(
    frame: DataFrame,
    stage: &DealStage,
    assignment: &Assignment,
    context: &TaskContext,
    counters: &mut Counters,
) -> Result<(), Error> {
    let mut batches = frame.execute_stream().await.map_err(|error: DataFusionError| Error::Engine(error))?;
    while let Some(batch) = batches.next().await {
        context.cancelled.check()?;
        let batch = batch.map_err(Error::Engine)?;
        counters.rows_in += batch.num_rows() as u64;
        for (bucket, part) in split_by_bucket(&batch, stage.scoring.keys.len(), stage.buckets)? {
            counters.rows_out += part.num_rows() as u64;
            context.partitions.append(assignment.attempt, bucket, part).await?;
        }
    }
    Ok(())
}
