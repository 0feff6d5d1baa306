//! Tables that came into being because a commit was withdrawn before there was a table.
//!
//! Such a table has a log, or the withdrawal could not be told to a head that was paused over the commit. It holds
//! nothing that anybody wrote, and so counts as absent for whoever reads or writes tables through us.

use std::collections::HashMap;

use deltalake::kernel::Action;
use deltalake::logstore::LogStore;
use shoal_core::Failure;

use super::transaction::is_withdrawal;
use crate::error::delta_failure;

/// The property of the table's metadata that says so. The first real commit takes it away.
pub(super) const PLACEHOLDER: &str = "shoal.placeholder";

/// Whether a table in that version is such a one.
///
/// The property alone does not decide: another writer may have added to the table and left it there.
pub(crate) async fn is_placeholder(
    log: &dyn LogStore,
    configuration: &HashMap<String, String>,
    version: u64,
) -> Result<bool, Failure> {
    if !configuration.contains_key(PLACEHOLDER) {
        return Ok(false);
    }
    for version in (0..=version).rev() {
        let commit = log.read_commit_entry(version).await.map_err(|error| delta_failure(&error))?;
        // Older ones were cleaned up, as the property has outlived.
        let Some(commit) = commit else { break };
        if !holds_only_withdrawals(&commit) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds_only_withdrawals(commit: &[u8]) -> bool {
    let lines = commit.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut withdrawals = 0;
    for line in lines {
        match serde_json::from_slice(line) {
            Ok(Action::Txn(transaction)) if is_withdrawal(&transaction) => withdrawals += 1,
            Ok(Action::CommitInfo(_) | Action::Protocol(_) | Action::Metadata(_)) => {}
            _ => return false,
        }
    }
    withdrawals > 0
}
