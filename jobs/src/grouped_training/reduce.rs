//! Pulls a bucket, trains its groups and writes their models into one file.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, FieldRef, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, SortExpr};
use datafusion::prelude::DataFrame;
use futures::{StreamExt, TryStreamExt};
use shoal_core::Failure;
use shoal_core::partition::BatchStream;
use shoal_core::progress::Count;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_engine::columns::ResolvedColumns;
use shoal_engine::delta::attempt_file_name;
use shoal_engine::error::engine_failure;
use shoal_engine::exchange;
use shoal_engine::functions::{FunctionTable, Packer};
use shoal_engine::group_apply::{Clustering, GroupCutter, ModelTrainer, StateTrainer};
use shoal_engine::models::{ModelCounts, ModelTable, ParquetFile, fit_moments_batch};
use shoal_engine::moments::merge_moments_udaf;
use shoal_engine::session::task_session;
use shoal_engine::storage::Location;

use super::fitting::Fitting;
use super::map::key_exprs;
use super::sink::{Called, GroupSink, Models, counters};
use super::tasks::{Exchange, ReduceStage};

/// A group's rows may take this part of a task's memory, where a model is trained from all of them: beside them are those
/// that the sort holds, and the estimator's own copy.
pub(crate) const GROUP_MEMORY_SHARE: u64 = 4;

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let reader = context.partitions.read(assignment.sources.clone()).await?;
    let rows_in = assignment.sources.iter().map(|source| source.partition.rows).sum();
    let bytes_in = reader.bytes_remote + reader.bytes_local;
    let (bytes_fetched, bytes_local) = (reader.bytes_remote, reader.bytes_local);
    let fits = Clustering::fits(rows_in, bytes_in, context.memory_bytes);
    let bucket = Pulled { batches: reader.batches, rows: Some(rows_in), bytes_held: fits.then_some(bytes_in) };
    let output = match rows_in {
        0 => TaskOutput::default(),
        _ => train(assignment.common.read()?, bucket, assignment, context).await?,
    };
    Ok(TaskOutput { counters: Counters { rows_in, bytes_fetched, bytes_local, ..output.counters }, ..output })
}

/// All that is there of some groups, from wherever it was pulled; there is at least a row.
pub(crate) struct Pulled {
    pub(crate) batches: BatchStream,
    /// How many rows, or states, they are, where that is known.
    pub(crate) rows: Option<u64>,
    /// Bytes of all of it, where a task can hold them.
    pub(crate) bytes_held: Option<u64>,
}

/// Trains the groups and writes their models into one file.
pub(super) async fn train(
    stage: ReduceStage,
    pulled: Pulled,
    assignment: &Assignment,
    context: &TaskContext,
) -> Result<TaskOutput, Failure> {
    let ReduceStage { columns, exchange, training, output_table } = stage;
    let keys = key_fields(&columns);
    let output = Output { table: Location::parse(&output_table)?, file_name: attempt_file_name(&assignment.attempt) };
    let group_bytes_max = context.memory_bytes / GROUP_MEMORY_SHARE;
    let (counted, file) = match training {
        Fitting::Model(training) => {
            let table = Arc::new(ModelTable::new(&keys, *training));
            let mut file = output.create(table.schema(), table.key_columns())?;
            let mut bucket = Bucket { keys: &keys, file: &mut file, context };
            let counted = match exchange {
                Exchange::States => bucket.merge_states(pulled, groups_min(assignment), &columns, &table).await?,
                Exchange::Rows => {
                    bucket.train_rows(pulled, Models(ModelTrainer::new(Arc::clone(&table), group_bytes_max))).await?
                }
            };
            (counted, file)
        }
        Fitting::Function(call) => {
            let table = Arc::new(FunctionTable::new(&keys, &call.program.returns));
            let calls = context.functions.load(context.caller(assignment.attempt), Arc::new(call.program)).await?;
            let mut file = output.create(table.schema(), table.key_columns())?;
            let mut packer = Packer::new(&columns, group_bytes_max);
            if calls.takes_pieces() {
                packer = packer.with_pieces_in(context.scratch.clone());
            }
            let called = Called::new(packer, calls, table);
            (Bucket { keys: &keys, file: &mut file, context }.train_rows(pulled, called).await?, file)
        }
    };
    let file = file.finish().await?;
    let counters = Counters { rows_out: file.rows, ..counted };
    tracing::info!(ok = counters.groups_ok, failed = counters.groups_failed, "the bucket's groups are trained");
    Ok(TaskOutput { files: vec![file], counters, ..TaskOutput::default() })
}

/// How many groups there are at the least: those of the split that has the most of them.
fn groups_min(assignment: &Assignment) -> u64 {
    assignment.sources.iter().map(|source| source.partition.rows).max().unwrap_or(0)
}

/// The file that an attempt writes.
struct Output {
    table: Location,
    file_name: String,
}

impl Output {
    fn create(&self, schema: &SchemaRef, key_columns: usize) -> Result<ParquetFile, Failure> {
        ParquetFile::create(&self.table, &self.file_name, Arc::clone(schema), key_columns)
    }
}

/// A bucket's models on their way into its file.
pub(crate) struct Bucket<'a> {
    pub(crate) keys: &'a [Field],
    pub(crate) file: &'a mut ParquetFile,
    pub(crate) context: &'a TaskContext,
}

impl Bucket<'_> {
    /// Merges the states of each group and fits what comes out. States of a group merge as they come, which is in the
    /// order of their splits.
    async fn merge_states(
        &mut self,
        pulled: Pulled,
        groups_min: u64,
        columns: &ResolvedColumns,
        table: &Arc<ModelTable>,
    ) -> Result<Counters, Failure> {
        // A state is merged once, and a group fitted and written, which takes as long as some.
        let fitted_as = pulled.rows.unwrap_or(0) / groups_min.max(1);
        let done = self.count(pulled.rows.map(|states| states + fitted_as * groups_min));
        let merged = done.clone();
        let counted = pulled.batches.inspect_ok(move |batch| merged.add(batch.num_rows() as u64));
        let frame = frame(Box::pin(counted), self.context).await?;
        let keys = self.keys.len();
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
            return self.each_group(sorted, None, Models(StateTrainer::new(Arc::clone(table)))).await;
        }
        let mut batches = stream(frame).await?;
        let mut counts = ModelCounts::default();
        while let Some(batch) = next(&mut batches, self.context).await? {
            let (models, fitted) = fit_moments_batch(&batch, table)?;
            done.add(fitted_as * batch.num_rows() as u64);
            counts.add(fitted);
            self.file.write(&models).await?;
        }
        Ok(counters(counts))
    }

    /// Trains one group after the other, however their rows come together.
    pub(crate) async fn train_rows(&mut self, pulled: Pulled, sink: impl GroupSink) -> Result<Counters, Failure> {
        match pulled.bytes_held {
            Some(bytes) => self.train_clustered(pulled.batches, bytes, sink).await,
            None => self.train_sorted(pulled, sink).await,
        }
    }

    /// Counts how far the task is, where that can be told.
    fn count(&self, total: Option<u64>) -> Count {
        total.map_or_else(Count::default, |total| self.context.progress.count(total))
    }

    /// Trains one group after the other of rows that memory holds.
    async fn train_clustered(
        &mut self,
        mut batches: BatchStream,
        bytes: u64,
        mut sink: impl GroupSink,
    ) -> Result<Counters, Failure> {
        let keys: Vec<FieldRef> = self.keys.iter().cloned().map(Arc::new).collect();
        let mut clustering = Clustering::new(&keys, bytes);
        while let Some(batch) = batches.next().await.transpose()? {
            self.context.cancelled.check()?;
            clustering.push(batch)?;
        }
        let mut clustered = clustering.cluster()?;
        let parts = clustered.parts_left();
        let trained = self.count(Some(parts as u64));
        while clustered.train_next(sink.trainer())? {
            self.context.cancelled.check()?;
            // One is under way.
            trained.set((parts - clustered.parts_left()).saturating_sub(1) as u64);
            sink.write(self.file).await?;
        }
        sink.end(self.file).await
    }

    /// Sorts the rows by key, on disk where they do not fit in memory, and within a group as they stand in the input, and
    /// trains one group after the other. Sums depend on the order of what is added: this one is the same in every run, and
    /// whether memory holds the rows or not.
    async fn train_sorted(&mut self, pulled: Pulled, sink: impl GroupSink) -> Result<Counters, Failure> {
        let frame = frame(exchange::numbered(pulled.batches), self.context).await?;
        let keys = self.keys.len();
        let columns = || frame.schema().columns().into_iter().map(Expr::Column);
        let is_place = |column: &Expr| matches!(column, Expr::Column(column) if column.name == exchange::PLACE);
        let order: Vec<SortExpr> =
            columns().take(keys).chain(columns().filter(is_place)).map(|column| column.sort(true, true)).collect();
        let rest: Vec<Expr> = columns().filter(|column| !is_place(column)).collect();
        let sorted = frame.clone().sort(order).and_then(|sorted| sorted.select(rest));
        self.each_group(sorted.map_err(|error| engine_failure(&error))?, pulled.rows, sink).await
    }

    /// Trains one group after the other of what is sorted by key: so many rows, where that is to be counted.
    async fn each_group(
        &mut self,
        sorted: DataFrame,
        rows: Option<u64>,
        mut sink: impl GroupSink,
    ) -> Result<Counters, Failure> {
        let trained = self.count(rows);
        let mut batches = stream(sorted).await?;
        let mut cutter = GroupCutter::new(self.keys.len());
        while let Some(batch) = next(&mut batches, self.context).await? {
            cutter.push(&batch, sink.trainer())?;
            trained.add(batch.num_rows() as u64);
            sink.write(self.file).await?;
        }
        cutter.end(sink.trainer())?;
        sink.end(self.file).await
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
pub(crate) fn key_fields(columns: &ResolvedColumns) -> Vec<Field> {
    columns.keys.iter().map(|key| Field::new(&key.name, key.data_type.clone(), true)).collect()
}
