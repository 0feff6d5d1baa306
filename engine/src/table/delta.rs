//! Delta tables: which files a version has, and how they are read.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;
use deltalake::delta_datafusion::TableProviderBuilder;
use deltalake::kernel::Snapshot;
use deltalake::logstore::LogStoreRef;
use futures::TryStreamExt;
use shoal_core::spec::v1alpha1::TableFormat;
use shoal_core::{Failure, Reason};

use super::{InputFile, PinnedTable, Split};
use crate::delta::{is_placeholder, log_store};
use crate::error::{delta_failure, engine_failure, no_rows, read_failure};
use crate::session::query_session;
use crate::storage::Location;

/// Pins a version, the latest where none is asked for.
pub(super) async fn pin(
    place: &Location,
    version: Option<u64>,
    field: &str,
) -> Result<(PinnedTable, Vec<InputFile>), Failure> {
    let location = &place.to_string();
    let at_table = |failure: Failure| failure.field(format!("{field}.table")).file(location);
    let log = log_store(place).map_err(at_table)?;
    let snapshot = match Snapshot::try_new(log.as_ref(), version).await {
        Ok(snapshot) => snapshot,
        Err(error) => {
            return Err(match version {
                Some(version) => match version_failure(&log, version).await {
                    Some(failure) => failure.field(format!("{field}.version")).file(location),
                    None => at_table(delta_failure(&error)),
                },
                None => at_table(delta_failure(&error)),
            });
        }
    };
    let configuration = snapshot.metadata().configuration();
    if is_placeholder(log.as_ref(), configuration, snapshot.version()).await.map_err(at_table)? {
        return Err(at_table(withdrawn(version)));
    }
    let files = list(&snapshot, &log).await.map_err(at_table)?;
    let mut table = PinnedTable {
        location: location.to_owned(),
        format: TableFormat::Delta,
        version: Some(snapshot.version()),
        schema: snapshot.arrow_schema(),
    };
    let ctx = query_session();
    let whole = build(&ctx, log, snapshot, None).await.map_err(at_table)?;
    // As the reader shows them, which may differ from the log in how strings are held.
    table.schema = whole.schema();
    if files.is_empty() || !has_rows(&ctx, whole, &table).await.map_err(at_table)? {
        return Err(at_table(no_rows()));
    }
    Ok((table, files))
}

/// A reader of a split's files, at the pinned version.
pub(super) async fn provider(
    ctx: &SessionContext,
    table: &PinnedTable,
    split: &Split,
) -> Result<Arc<dyn TableProvider>, Failure> {
    let named = |failure: Failure| failure.file(&table.location);
    let place = Location::parse(&table.location)?;
    place.register(ctx)?;
    let log = log_store(&place).map_err(named)?;
    let snapshot =
        Snapshot::try_new(log.as_ref(), table.version).await.map_err(|error| named(delta_failure(&error)))?;
    let paths = split.slices.iter().map(|slice| slice.path.clone()).collect();
    build(ctx, log, snapshot, Some(paths)).await.map_err(named)
}

async fn build(
    ctx: &SessionContext,
    log: LogStoreRef,
    snapshot: Snapshot,
    paths: Option<Vec<String>>,
) -> Result<Arc<dyn TableProvider>, Failure> {
    let mut builder =
        TableProviderBuilder::default().with_log_store(log).with_snapshot(snapshot).with_session(Arc::new(ctx.state()));
    if let Some(paths) = paths {
        builder = builder.with_file_paths(paths);
    }
    let provider = builder.build().await.map_err(|error| engine_failure(&error))?;
    Ok(Arc::new(provider))
}

/// A table that jobs wanted to make, and then did not.
fn withdrawn(version: Option<u64>) -> Failure {
    let what = version.map_or_else(|| "the table".to_owned(), |version| format!("version {version} of the table"));
    Failure::new(
        Reason::TableNotFound,
        format!("{what} holds nothing but commits of jobs that were cancelled or failed"),
    )
    .next("run the job that makes the table again")
}

/// Why a version cannot be read, where the table has others.
async fn version_failure(log: &LogStoreRef, version: u64) -> Option<Failure> {
    let latest = Snapshot::try_new(log.as_ref(), None).await.ok()?.version();
    let failure = |message: String| Failure::new(Reason::TableNotFound, message);
    Some(if version > latest {
        failure(format!("the table has no version {version}: its latest is {latest}"))
            .next(format!("ask for a version up to {latest}, or for none to read the latest"))
    } else {
        failure(format!("version {version} can no longer be read: its log files were cleaned up"))
            .next(format!("ask for a later version, up to {latest}"))
    })
}

/// The active files. Paths are kept as they stand in the log, percent-encoded as their writer saw fit: nothing else is
/// sure to name the same file when it is looked up again.
async fn list(snapshot: &Snapshot, log: &LogStoreRef) -> Result<Vec<InputFile>, Failure> {
    let batches: Vec<RecordBatch> =
        snapshot.files(log.as_ref(), None).try_collect().await.map_err(|error| delta_failure(&error))?;
    let mut files = Vec::new();
    for batch in &batches {
        files.extend(files_of(batch)?);
    }
    // The log lists the newest first; by path, the same version gives the same splits.
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

fn files_of(batch: &RecordBatch) -> Result<Vec<InputFile>, Failure> {
    let column = |name: &str, kind: &DataType| {
        let column = batch
            .column_by_name(name)
            .ok_or_else(|| Failure::internal(format!("Delta's list of files has no column `{name}`")))?;
        cast(column, kind).map_err(|error| Failure::internal("Delta's list of files has other types").because(&error))
    };
    let paths = column("path", &DataType::Utf8)?;
    let sizes = column("size", &DataType::Int64)?;
    let (paths, sizes) = (paths.as_string::<i32>(), sizes.as_primitive::<Int64Type>());
    Ok((0..paths.len())
        .map(|row| InputFile {
            path: paths.value(row).to_owned(),
            bytes: u64::try_from(sizes.value(row)).unwrap_or_default(),
            rows: None,
        })
        .collect())
}

/// Whether there is a row: read, because statistics of files are optional and deletion vectors may empty a file.
async fn has_rows(ctx: &SessionContext, whole: Arc<dyn TableProvider>, table: &PinnedTable) -> Result<bool, Failure> {
    let failed = |error| read_failure(error, table);
    let first = ctx.read_table(whole).and_then(|rows| rows.limit(0, Some(1))).map_err(failed)?;
    let batches = first.collect().await.map_err(failed)?;
    Ok(batches.iter().any(|batch| batch.num_rows() > 0))
}
