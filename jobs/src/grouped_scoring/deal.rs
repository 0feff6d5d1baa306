//! Deals a split of rows, or of models, to buckets by key.

use datafusion::prelude::DataFrame;
use futures::StreamExt;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_core::{Failure, Payload};
use shoal_engine::keys::Buckets;
use shoal_engine::session::task_session;
use shoal_engine::table::scan;

use super::tasks::{DealStage, DealTask};
use crate::dealing::Dealing;
use crate::scan_error::ScanError;

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
        DealTask::Models(_) => stage.scoring.models_frame(frame)?,
        DealTask::Rows(_) => stage.scoring.rows_frame(&ctx, frame)?,
    };
    let mut counters = Counters::default();
    if let Err(error) = deal(frame, &stage, assignment, context, &mut counters).await {
        return Err(error.of(&ctx, table, split).await);
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
) -> Result<(), ScanError> {
    let buckets = Buckets::new(stage.buckets, Vec::new());
    let mut dealing = Dealing::new(assignment.attempt, context, stage.scoring.keys(), &buckets);
    let mut batches = frame.execute_stream().await.map_err(ScanError::Engine)?;
    while let Some(batch) = batches.next().await {
        context.cancelled.check()?;
        let batch = batch.map_err(ScanError::Engine)?;
        counters.rows_in += batch.num_rows() as u64;
        counters.rows_out += batch.num_rows() as u64;
        dealing.push(batch).await?;
    }
    Ok(dealing.finish().await?)
}
