//! Pulls a bucket, trains its groups and writes their models into one file.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Field;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, SortExpr};
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use shoal_core::Failure;
use shoal_core::partition::BatchStream;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_engine::columns::ResolvedColumns;
use shoal_engine::delta::attempt_file_name;
use shoal_engine::error::engine_failure;
use shoal_engine::exchange;
use shoal_engine::group_apply::{Clustering, GroupCutter, ModelTrainer, ModelsOfGroups, StateTrainer};
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
    let reader = context.partitions.read(assignment.sources.clone()).await?;
    let rows_in = assignment.sources.iter().map(|source| source.partition.rows).sum();
    let bytes_in = reader.bytes_remote + reader.bytes_local;
    let (bytes_fetched, bytes_local) = (reader.bytes_remote, reader.bytes_local);
    let fits = Clustering::fits(rows_in, bytes_in, context.memory_bytes);
    let bucket = Pulled { batches: reader.batches, bytes_held: fits.then_some(bytes_in) };
    let output = match rows_in {
        0 => TaskOutput::default(),
        _ => train(assignment.common.read()?, bucket, assignment, context).await?,
    };
    Ok(TaskOutput { counters: Counters { rows_in, bytes_fetched, bytes_local, ..output.counters }, ..output })
}

/// All that is there of some groups, from wherever it was pulled; there is at least a row.
pub(super) struct Pulled {
    pub(super) batches: BatchStream,
    /// Bytes of all of it, where a task can hold them.
    pub(super) bytes_held: Option<u64>,
}

/// Trains the groups and writes their models into one file.
pub(super) async fn train(
    stage: ReduceStage,
    pulled: Pulled,
    assignment: &Assignment,
    context: &TaskContext,
) -> Result<TaskOutput, Failure> {
    let table = Arc::new(ModelTable::new(&key_fields(&stage.columns), stage.training));
    let file_name = attempt_file_name(&assignment.attempt);
    let output = Location::parse(&stage.output_table)?;
    let mut file = ParquetFile::create(&output, &file_name, Arc::clone(table.schema()), table.key_columns())?;
    let mut bucket = Bucket { table: &table, file: &mut file, context };
    let counts = match stage.exchange {
        Exchange::States => bucket.merge_states(pulled.batches, &stage.columns).await?,
        Exchange::Rows => match pulled.bytes_held {
            Some(bytes) => bucket.train_clustered(pulled.batches, bytes).await?,
            None => bucket.train_sorted(pulled.batches).await?,
        },
    };
    let counters = Counters {
        rows_out: counts.ok + counts.failed,
        groups_ok: counts.ok,
        groups_failed: counts.failed,
        ..Counters::default()
    };
    tracing::info!(ok = counts.ok, failed = counts.failed, "the bucket's groups are trained");
    Ok(TaskOutput { files: vec![file.finish().await?], counters, ..TaskOutput::default() })
}

/// A bucket's models on their way into its file.
struct Bucket<'a> {
    table: &'a Arc<ModelTable>,
    file: &'a mut ParquetFile,
    context: &'a TaskContext,
}

impl Bucket<'_> {
    /// Merges the states of each group and fits what comes out. States of a group merge as they come, which is in the
    /// order of their splits.
    async fn merge_states(&mut self, batches: BatchStream, columns: &ResolvedColumns) -> Result<ModelCounts, Failure> {
        let frame = frame(batches, self.context).await?;
        let keys = self.table.key_columns();
        let mut others: Vec<Expr> = frame.schema().columns().into_iter().skip(keys).map(Expr::Column).collect();
        let states = others.pop().ok_or_else(|| Failure::internal("there are no states"))?;
        let merged = merge_moments_udaf(self.table.training().variables()).call(vec![states]).alias("__moments");
        // Where models are tested, the fold comes after the keys.
        let groups: Vec<Expr> = key_exprs(columns).into_iter().chain(others).collect();
        let frame = frame.aggregate(groups, vec![merged]).map_err(|error| engine_failure(&error))?;
        if self.table.training().folds.is_some() {
            let columns = frame.schema().columns().into_iter().take(keys + 1);
            let order: Vec<SortExpr> = columns.map(|column| Expr::Column(column).sort(true, true)).collect();
            let sorted = frame.sort(order).map_err(|error| engine_failure(&error))?;
            return self.each_group(sorted, StateTrainer::new(Arc::clone(self.table))).await;
        }
        let mut batches = stream(frame).await?;
        let mut counts = ModelCounts::default();
        while let Some(batch) = next(&mut batches, self.context).await? {
            let (models, fitted) = fit_moments_batch(&batch, self.table)?;
            counts.add(fitted);
            self.file.write(&models).await?;
        }
        Ok(counts)
    }

    /// Trains one group after the other of rows that memory holds.
    async fn train_clustered(&mut self, mut batches: BatchStream, bytes: u64) -> Result<ModelCounts, Failure> {
        let mut clustering = Clustering::new(&self.table.schema().fields()[..self.table.key_columns()], bytes);
        while let Some(batch) = batches.next().await.transpose()? {
            self.context.cancelled.check()?;
            clustering.push(batch)?;
        }
        let (mut clustered, mut trainer) = (clustering.cluster()?, self.trainer());
        while clustered.train_next(&mut trainer)? {
            self.context.cancelled.check()?;
            self.write(&mut trainer, MODELS_PER_BATCH).await?;
        }
        self.end(trainer).await
    }

    /// Sorts the rows by key, on disk where they do not fit in memory, and within a group as they stand in the input, and
    /// trains one group after the other. Sums depend on the order of what is added: this one is the same in every run, and
    /// whether memory holds the rows or not.
    async fn train_sorted(&mut self, batches: BatchStream) -> Result<ModelCounts, Failure> {
        let frame = frame(exchange::numbered(batches), self.context).await?;
        let keys = self.table.key_columns();
        let columns = || frame.schema().columns().into_iter().map(Expr::Column);
        let is_place = |column: &Expr| matches!(column, Expr::Column(column) if column.name == exchange::PLACE);
        let order: Vec<SortExpr> =
            columns().take(keys).chain(columns().filter(is_place)).map(|column| column.sort(true, true)).collect();
        let rest: Vec<Expr> = columns().filter(|column| !is_place(column)).collect();
        let sorted = frame.clone().sort(order).and_then(|sorted| sorted.select(rest));
        let trainer = self.trainer();
        self.each_group(sorted.map_err(|error| engine_failure(&error))?, trainer).await
    }

    /// Trains one group after the other of what is sorted by key.
    async fn each_group(
        &mut self,
        sorted: DataFrame,
        mut trainer: impl ModelsOfGroups,
    ) -> Result<ModelCounts, Failure> {
        let mut batches = stream(sorted).await?;
        let mut cutter = GroupCutter::new(self.table.key_columns());
        while let Some(batch) = next(&mut batches, self.context).await? {
            cutter.push(&batch, &mut trainer)?;
            self.write(&mut trainer, MODELS_PER_BATCH).await?;
        }
        cutter.end(&mut trainer)?;
        self.end(trainer).await
    }

    fn trainer(&self) -> ModelTrainer {
        ModelTrainer::new(Arc::clone(self.table), self.context.memory_bytes / GROUP_MEMORY_SHARE)
    }

    /// Writes the models that are finished once there are so many.
    async fn write(&mut self, trainer: &mut impl ModelsOfGroups, models_min: usize) -> Result<(), Failure> {
        if trainer.models().len() >= models_min {
            self.file.write(&trainer.models().take()?).await?;
        }
        Ok(())
    }

    async fn end(&mut self, mut trainer: impl ModelsOfGroups) -> Result<ModelCounts, Failure> {
        self.write(&mut trainer, 1).await?;
        Ok(trainer.models().counts())
    }
}

/// The rows, of which there are some, as a frame that keeps to the task's memory.
async fn frame(batches: BatchStream, context: &TaskContext) -> Result<DataFrame, Failure> {
    let ctx = task_session(context.memory_bytes, &context.scratch)?;
    exchange::frame(&ctx, batches).await?.ok_or_else(|| Failure::internal("rows were expected, and none came"))
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
