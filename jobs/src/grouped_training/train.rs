//! Reads whole groups and trains them: what map and reduce do together, where the input is clustered by key and no rows have
//! to be exchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use shoal_core::Failure;
use shoal_core::partition::BatchStream;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_engine::columns::select;
use shoal_engine::error::engine_failure;
use shoal_engine::group_apply::Clustering;
use shoal_engine::keys::canonical_keys;
use shoal_engine::session::task_session;
use shoal_engine::table::{Split, scan, scan_failure};

use super::map::check_rows;
use super::reduce::{Pulled, train};
use super::tasks::{MapStage, TrainStage};

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let TrainStage { map, reduce } = assignment.common.read()?;
    let rows_read = Arc::new(AtomicU64::new(0));
    let batches = rows(map, assignment.payload.read()?, context, Arc::clone(&rows_read)).await?;
    let output = match pulled(batches, context).await? {
        Some(pulled) => train(reduce, pulled, assignment, context).await?,
        None => TaskOutput::default(),
    };
    let rows_in = rows_read.load(Ordering::Relaxed);
    Ok(TaskOutput { counters: Counters { rows_in, ..output.counters }, ..output })
}

/// The rows of a split as an exchange would bring them.
async fn rows(
    stage: MapStage,
    split: Split,
    context: &TaskContext,
    rows_read: Arc<AtomicU64>,
) -> Result<BatchStream, Failure> {
    let ctx = task_session(context.memory_bytes, &context.scratch)?;
    let rows = select(&ctx, scan(&ctx, &stage.table, &split).await?, &stage.columns, &stage.encoders)?;
    let batches = rows.execute_stream().await.map_err(|error| engine_failure(&error))?;
    let read = Arc::new((ctx, stage, split, rows_read));
    let checked = batches.then(move |batch| {
        let read = Arc::clone(&read);
        async move {
            let (ctx, stage, split, rows_read) = read.as_ref();
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => return Err(scan_failure(ctx, error, &stage.table, split).await),
            };
            rows_read.fetch_add(check_rows(&batch, stage)?, Ordering::Relaxed);
            canonical_keys(&batch, stage.columns.keys.len())
        }
    });
    Ok(Box::pin(checked))
}

/// Takes rows as long as they fit into memory, where they are all in the end more often than not: how many pass the job's
/// condition is known once they are read. `None` where there are none.
async fn pulled(mut batches: BatchStream, context: &TaskContext) -> Result<Option<Pulled>, Failure> {
    let (mut held, mut rows, mut bytes) = (Vec::new(), 0, 0);
    while let Some(batch) = batches.next().await.transpose()? {
        context.cancelled.check()?;
        rows += batch.num_rows() as u64;
        bytes += batch.get_array_memory_size() as u64;
        held.push(Ok(batch));
        if !Clustering::fits(rows, bytes, context.memory_bytes) {
            let all = futures::stream::iter(held).chain(batches);
            return Ok(Some(Pulled { batches: Box::pin(all), rows: None, bytes_held: None }));
        }
    }
    let all = Pulled { batches: Box::pin(futures::stream::iter(held)), rows: Some(rows), bytes_held: Some(bytes) };
    Ok((rows > 0).then_some(all))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::Int64Type;
    use async_trait::async_trait;
    use futures::TryStreamExt;
    use shoal_core::AttemptId;
    use shoal_core::calling::CallLog;
    use shoal_core::functions::NoFunctions;
    use shoal_core::partition::{PartitionReader, PartitionStore};
    use shoal_core::progress::TaskProgress;
    use shoal_core::runner::Cancelled;
    use shoal_core::task::{PartitionMeta, PartitionSource};

    use super::*;

    /// Nothing that is trained where it is read is exchanged.
    struct NoPartitions;

    #[async_trait]
    impl PartitionStore for NoPartitions {
        async fn append(&self, _: AttemptId, _: u32, _: RecordBatch) -> Result<(), Failure> {
            Err(Failure::internal("a row is exchanged"))
        }

        async fn seal(&self, _: AttemptId) -> Result<Vec<PartitionMeta>, Failure> {
            Err(Failure::internal("a row is exchanged"))
        }

        async fn read(&self, _: Vec<PartitionSource>) -> Result<PartitionReader, Failure> {
            Err(Failure::internal("a row is exchanged"))
        }
    }

    /// What is pulled of batches of ten rows, with so much memory: the rows, and whether they are held.
    async fn pulled_of(batches: i64, memory_bytes: u64) -> Option<(Vec<i64>, bool)> {
        let batch = |number: i64| {
            let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(number * 10..number * 10 + 10));
            Ok(RecordBatch::try_from_iter([("row", rows)]).unwrap())
        };
        let context = TaskContext {
            partitions: Arc::new(NoPartitions),
            functions: Arc::new(NoFunctions),
            scratch: std::path::PathBuf::new(),
            memory_bytes,
            cancelled: Cancelled::default(),
            progress: TaskProgress::begun(Instant::now()),
            calls: CallLog::default(),
        };
        let stream = futures::stream::iter((0..batches).map(batch).collect::<Vec<_>>());
        let pulled = pulled(Box::pin(stream), &context).await.unwrap()?;
        let is_held = pulled.bytes_held.is_some();
        let batches: Vec<RecordBatch> = pulled.batches.try_collect().await.unwrap();
        let rows = batches.iter().flat_map(|batch| batch["row"].as_primitive::<Int64Type>().values().to_vec());
        Some((rows.collect(), is_held))
    }

    #[tokio::test]
    async fn all_rows_come_in_their_order_whether_memory_holds_them_or_not() {
        let all: Vec<i64> = (0..1000).collect();
        assert_eq!(pulled_of(100, 1 << 30).await, Some((all.clone(), true)));
        assert_eq!(pulled_of(100, 1 << 10).await, Some((all, false)));
        assert_eq!(pulled_of(0, 1 << 30).await, None);
    }
}
