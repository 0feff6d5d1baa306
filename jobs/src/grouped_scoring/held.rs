//! Models in memory.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::prelude::{DataFrame, SessionContext};
use futures::{Stream, StreamExt};
use shoal_core::runner::TaskContext;
use shoal_core::{Failure, Reason};
use shoal_engine::error::engine_failure;
use shoal_engine::scoring::{Scoring, models_schema, refuse_twins};

/// One part in this many of a task's memory is for the models: the join holds their keys once more, and what is decoded
/// takes room, too.
pub(super) const MODELS_SHARE: u64 = 2;

/// Takes models into memory, of which no two may be of one group.
///
/// # Errors
/// [`Reason::ResourcesExhausted`] where they do not fit, [`Reason::DuplicateName`] for two of a group, and what the
/// stream says.
pub(super) async fn hold(
    ctx: &SessionContext,
    mut models: impl Stream<Item = Result<RecordBatch, Failure>> + Unpin,
    scoring: &Scoring,
    context: &TaskContext,
) -> Result<DataFrame, Failure> {
    let (mut held, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = models.next().await {
        context.cancelled.check()?;
        let batch = batch?;
        bytes += batch.get_array_memory_size() as u64;
        if bytes > context.memory_bytes / MODELS_SHARE {
            return Err(too_large(context.memory_bytes));
        }
        held.push(batch);
    }
    let table = MemTable::try_new(models_schema(scoring), vec![held]).map_err(|error| engine_failure(&error))?;
    let models = ctx.read_table(Arc::new(table)).map_err(|error| engine_failure(&error))?;
    refuse_twins(models.clone(), scoring).await.map_err(|failure| failure.field("spec.groupedScoring.models.table"))?;
    Ok(models)
}

pub(super) fn too_large(memory: u64) -> Failure {
    let mib = (memory / MODELS_SHARE) >> 20;
    Failure::new(
        Reason::ResourcesExhausted,
        format!("the models do not fit into the {mib} MiB that a task has for them"),
    )
    .field("spec.groupedScoring.strategy")
    .next("set `strategy: {bucket: {buckets: N}}` with more buckets, or give workers more memory")
}
