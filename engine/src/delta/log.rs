use deltalake::DeltaTable;
use deltalake::kernel::Action;
use shoal_core::Failure;

use crate::error::delta_failure;

/// The version of the commit that carries an application id, or `None` where none does.
pub(super) async fn version_of(table: &DeltaTable, application_id: &str) -> Result<Option<u64>, Failure> {
    let store = table.log_store();
    let state = table.snapshot().map_err(|error| delta_failure(&error))?;
    let known = state.transaction_version(store.as_ref(), application_id).await;
    if known.map_err(|error| delta_failure(&error))?.is_none() {
        return Ok(None);
    }
    // The state knows that the id is there, also after its commit went into a checkpoint, but not since when.
    let latest = state.version();
    for version in (0..=latest).rev() {
        let Some(commit) = store.read_commit_entry(version).await.map_err(|error| delta_failure(&error))? else {
            break;
        };
        if carries(&commit, application_id) {
            return Ok(Some(version));
        }
    }
    // Older commits are gone from the log. What counts is that ours was made; nobody can read its version any more.
    Ok(Some(latest))
}

fn carries(commit: &[u8], application_id: &str) -> bool {
    // Looked for as bytes first: most commits do not carry it, and adds of large tables are long.
    let needle = application_id.as_bytes();
    commit.split(|byte| *byte == b'\n').any(|line| {
        line.windows(needle.len()).any(|window| window == needle)
            && matches!(serde_json::from_slice(line), Ok(Action::Txn(transaction)) if transaction.app_id == application_id)
    })
}
