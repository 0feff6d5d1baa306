//! Pulls a bucket's models and rows, and has the user's function predict for these with those, group by group.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::StreamExt;
use shoal_core::Failure;
use shoal_core::functions::Calls;
use shoal_core::partition::BatchStream;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, PartitionSource, TaskOutput};
use shoal_engine::group_apply::Clustering;
use shoal_engine::models::ParquetFile;
use shoal_engine::scoring::{FunctionScoring, HeldModels, Message, Messages, Predictions};

use super::held::{MODELS_SHARE, too_large};
use super::tasks::PredictStage;
use super::writer::{count, create};
use crate::calling::Calling;
use crate::grouped_training::reduce::{Bucket, GROUP_MEMORY_SHARE, Pulled, key_fields};
use crate::grouped_training::sink::GroupSink;

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let PredictStage { scoring, program, model_tasks, output } = assignment.common.read()?;
    let (models, rows): (Vec<PartitionSource>, Vec<PartitionSource>) =
        assignment.sources.iter().cloned().partition(|source| source.attempt.task.index < model_tasks);
    let rows_in = rows.iter().map(|source| source.partition.rows).sum();
    if rows_in == 0 {
        return Ok(TaskOutput::default());
    }
    let models = context.partitions.read(models).await?;
    let mut counters = Counters { rows_in, ..Counters::default() };
    counters.bytes_fetched += models.bytes_remote;
    counters.bytes_local += models.bytes_local;
    let held = hold(models.batches, &scoring, context).await?;
    let rows = context.partitions.read(rows).await?;
    counters.bytes_fetched += rows.bytes_remote;
    counters.bytes_local += rows.bytes_local;

    // What the models leave of the task's memory.
    let context = TaskContext { memory_bytes: context.memory_bytes.saturating_sub(held.bytes()), ..context.clone() };
    let bytes = rows.bytes_remote + rows.bytes_local;
    let fits = Clustering::fits(rows_in, bytes, context.memory_bytes);
    let pulled = Pulled { batches: rows.batches, rows: Some(rows_in), bytes_held: fits.then_some(bytes) };
    let calls = context.functions.load(context.caller(assignment.attempt), Arc::new(program)).await?;
    let mut file = create(&output, assignment)?;
    let keys = key_fields(&scoring.columns);
    let predicting = Predicting::new(&scoring, held, calls, context.memory_bytes / GROUP_MEMORY_SHARE);
    let counted = Bucket { keys: &keys, file: &mut file, context: &context }.train_rows(pulled, predicting).await?;
    let file = file.finish().await?;
    tracing::info!(rows = counted.rows_out, ok = counted.groups_ok, "the bucket's rows are predicted");
    counters.add(&counted);
    Ok(TaskOutput { files: vec![file], counters, ..TaskOutput::default() })
}

/// Takes a bucket's models into memory.
async fn hold(
    mut models: BatchStream,
    scoring: &FunctionScoring,
    context: &TaskContext,
) -> Result<HeldModels, Failure> {
    let mut held = HeldModels::new(scoring)?;
    while let Some(batch) = models.next().await.transpose()? {
        context.cancelled.check()?;
        held.hold(batch)?;
        if held.bytes() > context.memory_bytes / MODELS_SHARE {
            return Err(too_large(context.memory_bytes));
        }
    }
    Ok(held)
}

/// A function that predicts, while further groups meet their models.
struct Predicting {
    messages: Messages,
    held: HeldModels,
    table: Predictions,
    calls: Calling,
    counters: Counters,
}

impl Predicting {
    fn new(scoring: &FunctionScoring, held: HeldModels, calls: Box<dyn Calls>, group_bytes_max: u64) -> Self {
        Self {
            messages: Messages::new(scoring, group_bytes_max),
            held,
            table: Predictions::new(scoring),
            calls: Calling::new(calls),
            counters: Counters::default(),
        }
    }

    /// Sends what is ready, and waits where much is on its way.
    async fn send(&mut self, file: &mut ParquetFile) -> Result<(), Failure> {
        while let Some(message) = self.messages.take() {
            match message {
                Message::TooLarge(rows) => {
                    let batches = self.table.too_large(rows)?;
                    self.write_batches(batches, file).await?;
                }
                Message::Groups(groups) => {
                    let met = self.held.meet(groups)?;
                    if let Some(without) = &met.without {
                        let batches = self.table.unpredicted(without)?;
                        self.write_batches(batches, file).await?;
                    }
                    for groups in met.called {
                        self.calls.send(groups);
                        while self.calls.is_full() && self.receive(file).await? {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for what is predicted for the next groups; false where none are on their way.
    async fn receive(&mut self, file: &mut ParquetFile) -> Result<bool, Failure> {
        let Some(returns) = self.calls.next().await? else { return Ok(false) };
        let batches = self.table.predicted(&returns)?;
        self.write_batches(batches, file).await?;
        Ok(true)
    }

    async fn write_batches(&mut self, batches: Vec<RecordBatch>, file: &mut ParquetFile) -> Result<(), Failure> {
        for batch in batches {
            count(&batch, &mut self.counters)?;
            file.write(&batch).await?;
        }
        Ok(())
    }
}

impl GroupSink for Predicting {
    type Trainer = Messages;

    fn trainer(&mut self) -> &mut Messages {
        &mut self.messages
    }

    async fn write(&mut self, file: &mut ParquetFile) -> Result<(), Failure> {
        self.send(file).await
    }

    async fn end(mut self, file: &mut ParquetFile) -> Result<Counters, Failure> {
        self.messages.close()?;
        self.send(file).await?;
        while self.receive(file).await? {}
        Ok(Counters { function_counters: self.calls.counted(), ..self.counters })
    }
}
