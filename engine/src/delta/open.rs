use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::kernel::Snapshot;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use shoal_core::Failure;

use super::placeholder::is_placeholder;
use crate::error::delta_failure;
use crate::storage::Location;

/// The log of the table at a location, whether it is there or not.
///
/// Made over the location's own store, so that the library's registries of stores are not asked: they have none for
/// object stores without the SDKs. Commits are put where nothing is yet, which a disk and each kind of object stores
/// decide atomically.
pub(crate) fn log_store(place: &Location) -> Result<LogStoreRef, Failure> {
    let url = place.folder_url()?;
    let config = StorageConfig::default();
    let root = Arc::clone(place.store());
    let table = config
        .decorate_store(Arc::clone(&root), &url)
        .map_err(|error| delta_failure(&error).file(place.to_string()))?;
    Ok(default_logstore(Arc::new(table), root, &url, &config))
}

/// The newest version of the table at a location, or `None` where no commit is there.
pub(super) async fn open(place: &Location) -> Result<Option<DeltaTable>, Failure> {
    let failed = |error| delta_failure(&error).file(place.to_string());
    let mut table = DeltaTable::new(log_store(place)?);
    if !table.verify_deltatable_existence().await.map_err(failed)? {
        return Ok(None);
    }
    table.load().await.map_err(failed)?;
    Ok(Some(table))
}

/// What the newest version of a table is, without its list of files: of a large table, most of its log. `None` where no
/// commit is there but withdrawn ones.
pub(super) async fn without_files(place: &Location) -> Result<Option<Snapshot>, Failure> {
    let failed = |error| delta_failure(&error).file(place.to_string());
    let log = log_store(place)?;
    if !log.is_delta_table_location().await.map_err(failed)? {
        return Ok(None);
    }
    let table = Snapshot::try_new(log.as_ref(), None).await.map_err(failed)?;
    let is_absent = is_placeholder(log.as_ref(), table.metadata().configuration(), table.version()).await?;
    Ok((!is_absent).then_some(table))
}

/// Whether a table holds only withdrawn commits.
pub(super) async fn holds_nothing(table: &DeltaTable) -> Result<bool, Failure> {
    let state = table.snapshot().map_err(|error| delta_failure(&error))?;
    is_placeholder(table.log_store().as_ref(), state.metadata().configuration(), state.version()).await
}
