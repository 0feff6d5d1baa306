//! DataFusion sessions: one per task, and one per query of a person at a terminal.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use shoal_core::Failure;

use crate::error::engine_failure;

/// Rows of a batch: DataFusion's own default, written down because partitions on the wire are cut by it too.
pub const BATCH_ROWS: usize = 8192;

/// Consumers that an out-of-memory message names: enough to see who took it, few enough to read.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::new(3).expect("three is not zero");

/// A session for one task: one partition, because a slot is one core; memory up to `memory_bytes`, then files in
/// `scratch`, which is made where it is not there.
///
/// # Errors
/// [`shoal_core::Reason::Io`] where `scratch` cannot be used.
pub fn task_session(memory_bytes: u64, scratch: &Path) -> Result<SessionContext, Failure> {
    let memory = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
    std::fs::create_dir_all(scratch).map_err(|error| engine_failure(&error.into()))?;
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![scratch.to_path_buf()]));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(memory), CONSUMERS_NAMED)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(|error| engine_failure(&error))?;
    let state = SessionStateBuilder::new()
        .with_config(config().with_target_partitions(1).with_sort_spill_reservation_bytes(merge_reservation(memory)))
        .with_runtime_env(runtime)
        .with_default_features()
        .build();
    Ok(SessionContext::new_with_state(state))
}

/// A session for one task in which a join holds its left side and keeps the order of its right one, whatever is known of
/// their sizes.
///
/// # Errors
/// As [`task_session`].
pub fn ordered_task_session(memory_bytes: u64, scratch: &Path) -> Result<SessionContext, Failure> {
    let ctx = task_session(memory_bytes, scratch)?;
    ctx.state_ref().write().config_mut().options_mut().optimizer.join_reordering = false;
    Ok(ctx)
}

/// Memory that a sort sets aside to merge what it spilled, before it takes any row.
///
/// DataFusion's default is what it is for large tasks; set aside from less than that, no sort would ever start.
fn merge_reservation(memory: usize) -> usize {
    (memory / MERGE_SHARE).min(SessionConfig::new().options().execution.sort_spill_reservation_bytes)
}

/// One part in this many of a task's memory is set aside for merging: a few batches of each spilled run fit.
const MERGE_SHARE: usize = 4;

/// A session for a query of a person: all cores.
pub fn query_session() -> SessionContext {
    SessionContext::new_with_config(config())
}

/// What every session has in common, so that a table's schema and an expression's meaning never depend on where they
/// are looked at.
fn config() -> SessionConfig {
    let mut config = SessionConfig::new().with_batch_size(BATCH_ROWS);
    let options = config.options_mut();
    // Columns have the names that the file gives them: `Year` and `year` are two columns, quoted or not.
    options.sql_parser.enable_ident_normalization = false;
    // With nearly as many groups as rows, DataFusion gives up partial aggregation and turns each row into a state. A
    // state of p features holds about p²/2 numbers instead of p, so what looks like a saving there is a blow-up here.
    // Grouped training picks the strategy itself before it aggregates.
    options.execution.skip_partial_aggregation_probe_ratio_threshold = 1.0;
    // Row groups and pages that cannot match are skipped by their statistics. Filters are not evaluated while decoding:
    // that pays only for filters that leave few rows of wide tables, and costs on all others.
    options.execution.parquet.pruning = true;
    options.execution.parquet.enable_page_index = true;
    options.execution.parquet.pushdown_filters = false;
    // Strings are plain strings: a pinned schema has the same types whichever format it was read from.
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    // Tables are pinned before they are scanned, with the statistics that planning needs.
    options.execution.collect_statistics = false;
    config
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::Reason;

    use super::*;

    #[tokio::test]
    async fn a_task_is_one_partition_and_spills_to_its_scratch_folder() {
        let scratch = tempfile::tempdir().unwrap();
        let ctx = task_session(1 << 20, scratch.path()).unwrap();
        assert_eq!(ctx.state().config().target_partitions(), 1);
        let parents = ctx.runtime_env().disk_manager.temp_dir_paths();
        assert!(parents.iter().all(|path| path.starts_with(scratch.path())), "{parents:?}");
    }

    #[tokio::test]
    async fn a_task_with_less_memory_than_rows_sorts_all_the_same() {
        let scratch = tempfile::tempdir().unwrap();
        let ctx = task_session(3 << 20, &scratch.path().join("attempts/1")).unwrap();
        let rows = ctx.sql("SELECT value FROM generate_series(1, 600000) ORDER BY value DESC").await.unwrap();
        let sorted = rows.collect().await.unwrap();
        assert_eq!(sorted.iter().map(|batch| batch.num_rows()).sum::<usize>(), 600_000);
    }

    #[tokio::test]
    async fn a_task_without_memory_fails_as_exhausted() {
        let scratch = tempfile::tempdir().unwrap();
        let ctx = task_session(1, scratch.path()).unwrap();
        let rows = ctx.sql("SELECT value FROM generate_series(1, 100000) ORDER BY value DESC").await.unwrap();
        let error = rows.collect().await.unwrap_err();
        assert_eq!(engine_failure(&error).reason, Reason::ResourcesExhausted, "{error}");
    }

    #[tokio::test]
    async fn names_keep_their_case_and_functions_do_not_care() {
        let rows = query_session().sql("SELECT ABS(A) AS B FROM (SELECT -1 AS A, 2 AS a)").await.unwrap();
        assert_eq!(rows.schema().field(0).name(), "B");
    }
}
