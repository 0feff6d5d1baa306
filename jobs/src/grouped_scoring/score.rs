//! Scores a split with all models.

use futures::TryStreamExt;
use shoal_core::Failure;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_engine::error::{engine_failure, read_failure};
use shoal_engine::scoring::{models_frame, predictions, rows_frame};
use shoal_engine::session::ordered_task_session;
use shoal_engine::table::{Split, scan};

use super::held::hold;
use super::tasks::ScoreStage;
use super::writer::write;

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let ScoreStage { models, rows, scoring, output } = assignment.common.read()?;
    let split: Split = assignment.payload.read()?;
    let ctx = ordered_task_session(context.memory_bytes, &context.scratch)?;
    let all = scan(&ctx, &models.table, &Split::whole(&models.files)).await?;
    let all = models_frame(all, &scoring)?.execute_stream().await.map_err(|error| engine_failure(&error))?;
    let all = all.map_err(|error| read_failure(error, &models.table));
    let held = hold(&ctx, all, &scoring, context).await?;
    let frame = predictions(rows_frame(&ctx, scan(&ctx, &rows, &split).await?, &scoring)?, held, &scoring)?;
    let mut counters = Counters::default();
    let file = match write(frame, &output, assignment, context, &mut counters).await {
        Ok(file) => file,
        Err(error) => return Err(error.of(&ctx, &rows, &split).await),
    };
    counters.rows_in = counters.rows_out;
    Ok(TaskOutput { files: file.into_iter().collect(), counters, ..TaskOutput::default() })
}
