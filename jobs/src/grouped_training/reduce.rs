//! Pulls a bucket, trains its groups and writes their models into one file.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Field;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, SortExpr};
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use shoal_core::Failure;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_engine::columns::ResolvedColumns;
use shoal_engine::delta::attempt_file_name;
use shoal_engine::error::engine_failure;
use shoal_engine::exchange;
use shoal_engine::group_apply::{GroupCutter, ModelTrainer, ModelsOfGroups, StateTrainer};
use shoal_engine::models::{ModelCounts, ModelTable, ParquetFile, fit_moments_batch};
use shoal_engine::moments::merge_moments_udaf;
use shoal_engine::session::task_session;
use shoal_engine::storage::Location;

use super::map::key_exprs;
use super::tasks::{Exchange, ReduceStage};

/// Models that are written at a time: a batch, so that memory stays flat however many groups a bucket has.
const MODELS_PER_BATCH: usize = 8192;

/// A group's rows may take this part of a task's memory, where a model is trained from all of them: beside them are those
/// that the sort holds, and the estimator's own copy.
const GROUP_MEMORY_SHARE: u64 = 4;

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let stage: ReduceStage = assignment.common.read()?;
    let table = Arc::new(ModelTable::new(&key_fields(&stage.columns), stage.training));
    let ctx = task_session(context.memory_bytes, &context.scratch)?;
    let reader = context.partitions.read(assignment.sources.clone()).await?;
    let rows_in = assignment.sources.iter().map(|source| source.partition.rows).sum();
    let mut counters = Counters {
        rows_in,
        bytes_fetched: reader.bytes_remote,
        bytes_local: reader.bytes_local,
        ..Counters::default()
    };
    let batches = match stage.exchange {
        // States of a group merge as they come, which is in the order of their splits.
        Exchange::States => reader.batches,
        Exchange::Rows => exchange::numbered(reader.batches),
    };
    let Some(frame) = exchange::frame(&ctx, batches).await? else {
        return Ok(TaskOutput { counters, ..TaskOutput::default() });
    };
    let file_name = attempt_file_name(&assignment.attempt);
    let output = Location::parse(&stage.output_table)?;
    let mut file = ParquetFile::create(&output, &file_name, Arc::clone(table.schema()), table.key_columns())?;
    let counts = match stage.exchange {
        Exchange::States => merge_states(frame, &stage.columns, &table, &mut file, context).await?,
        Exchange::Rows => train_groups(frame, &table, &mut file, context).await?,
    };
    counters.groups_ok = counts.ok;
    counters.groups_failed = counts.failed;
    counters.rows_out = counts.ok + counts.failed;
    tracing::info!(ok = counts.ok, failed = counts.failed, "the bucket's groups are trained");
    Ok(TaskOutput { files: vec![file.finish().await?], counters, ..TaskOutput::default() })
}

/// Merges the states of each group and fits what comes out.
async fn merge_states(
    frame: DataFrame,
    columns: &ResolvedColumns,
    table: &Arc<ModelTable>,
    file: &mut ParquetFile,
    context: &TaskContext,
) -> Result<ModelCounts, Failure> {
    let keys = table.key_columns();
    let mut others: Vec<Expr> = frame.schema().columns().into_iter().skip(keys).map(Expr::Column).collect();
    let states = others.pop().ok_or_else(|| Failure::internal("there are no states"))?;
    let merged = merge_moments_udaf(table.training().variables()).call(vec![states]).alias("__moments");
    // Where models are tested, the fold comes after the keys.
    let groups: Vec<Expr> = key_exprs(columns).into_iter().chain(others).collect();
    let frame = frame.aggregate(groups, vec![merged]).map_err(|error| engine_failure(&error))?;
    if table.training().folds.is_some() {
        let columns = frame.schema().columns().into_iter().take(keys + 1);
        let order: Vec<SortExpr> = columns.map(|column| Expr::Column(column).sort(true, true)).collect();
        let sorted = frame.sort(order).map_err(|error| engine_failure(&error))?;
        return each_group(sorted, StateTrainer::new(Arc::clone(table)), table, file, context).await;
    }
    let mut batches = stream(frame).await?;
    let mut counts = ModelCounts::default();
    while let Some(batch) = next(&mut batches, context).await? {
        let (models, fitted) = fit_moments_batch(&batch, table)?;
        counts.add(fitted);
        file.write(&models).await?;
    }
    Ok(counts)
}

/// Sorts the rows by key, and within a group as they stand in the input, and trains one group after the other. Sums depend
/// on the order of what is added: this one is the same in every run.
async fn train_groups(
    frame: DataFrame,
    table: &Arc<ModelTable>,
    file: &mut ParquetFile,
    context: &TaskContext,
) -> Result<ModelCounts, Failure> {
    let keys = table.key_columns();
    let columns = || frame.schema().columns().into_iter().map(Expr::Column);
    let is_place = |column: &Expr| matches!(column, Expr::Column(column) if column.name == exchange::PLACE);
    let order: Vec<SortExpr> =
        columns().take(keys).chain(columns().filter(is_place)).map(|column| column.sort(true, true)).collect();
    let rest: Vec<Expr> = columns().filter(|column| !is_place(column)).collect();
    let sorted = frame.clone().sort(order).and_then(|sorted| sorted.select(rest));
    let trainer = ModelTrainer::new(Arc::clone(table), context.memory_bytes / GROUP_MEMORY_SHARE);
    each_group(sorted.map_err(|error| engine_failure(&error))?, trainer, table, file, context).await
}

/// Trains one group after the other of what is sorted by key.
async fn each_group(
    sorted: DataFrame,
    mut trainer: impl ModelsOfGroups,
    table: &Arc<ModelTable>,
    file: &mut ParquetFile,
    context: &TaskContext,
) -> Result<ModelCounts, Failure> {
    let mut batches = stream(sorted).await?;
    let mut cutter = GroupCutter::new(table.key_columns());
    while let Some(batch) = next(&mut batches, context).await? {
        cutter.push(&batch, &mut trainer)?;
        if trainer.models().len() >= MODELS_PER_BATCH {
            file.write(&trainer.models().take()?).await?;
        }
    }
    cutter.end(&mut trainer)?;
    if !trainer.models().is_empty() {
        file.write(&trainer.models().take()?).await?;
    }
    Ok(trainer.models().counts())
}

async fn stream(frame: DataFrame) -> Result<SendableRecordBatchStream, Failure> {
    frame.execute_stream().await.map_err(|error| engine_failure(&error))
}

async fn next(batches: &mut SendableRecordBatchStream, context: &TaskContext) -> Result<Option<RecordBatch>, Failure> {
    context.cancelled.check()?;
    batches.next().await.transpose().map_err(|error| engine_failure(&error))
}

/// The key columns of the output.
pub(super) fn key_fields(columns: &ResolvedColumns) -> Vec<Field> {
    columns.keys.iter().map(|key| Field::new(&key.name, key.data_type.clone(), true)).collect()
}
