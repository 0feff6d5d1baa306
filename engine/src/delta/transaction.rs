use deltalake::DeltaTable;
use deltalake::kernel::{Action, Transaction};
use shoal_core::Failure;
use shoal_core::publish::{CommitIntent, PublishedTable, Settled};

use crate::error::delta_failure;

/// The version of the application id under which a job's commit stands in the log. There is one per job and table.
const PUBLISHED: i64 = 1;

/// The version under which an empty commit stands there in its place. Whichever of the two comes first stays the only
/// one: both are written only where the id is not in the log yet.
const WITHDRAWN: i64 = 2;

/// What ids of this project begin with.
const APPLICATION: &str = "shoal/";

/// What the commit of an intent carries.
pub(super) fn publication(intent: &CommitIntent) -> Transaction {
    Transaction::new(intent.job.application_id(), PUBLISHED)
}

/// What the empty commit in its place carries.
pub(super) fn withdrawal(intent: &CommitIntent) -> Transaction {
    Transaction::new(intent.job.application_id(), WITHDRAWN)
}

/// Whether it is what an empty commit of ours carries.
pub(super) fn is_withdrawal(transaction: &Transaction) -> bool {
    transaction.version == WITHDRAWN && transaction.app_id.starts_with(APPLICATION)
}

/// What the log of a table says of an intent; of a table that is not there, nothing.
pub(super) async fn look_up(table: Option<&DeltaTable>, intent: &CommitIntent) -> Result<Option<Settled>, Failure> {
    let Some(table) = table else { return Ok(None) };
    let application_id = intent.job.application_id();
    Ok(match transaction_version(table, &application_id).await? {
        None => None,
        Some(WITHDRAWN) => Some(Settled::Withdrawn),
        Some(_) => Some(Settled::Published(published(intent, commit_version(table, &application_id).await?))),
    })
}

/// Whether the log of a table has the commit of a job.
pub(super) async fn is_published(table: &DeltaTable, application_id: &str) -> Result<bool, Failure> {
    let version = transaction_version(table, application_id).await?;
    Ok(version.is_some_and(|version| version != WITHDRAWN))
}

/// The intent as what became of it at that version.
pub(super) fn published(intent: &CommitIntent, version: u64) -> PublishedTable {
    PublishedTable {
        name: intent.output.clone(),
        table: intent.table.clone(),
        version,
        rows: intent.files.iter().map(|file| file.rows).sum(),
    }
}

async fn transaction_version(table: &DeltaTable, application_id: &str) -> Result<Option<i64>, Failure> {
    let store = table.log_store();
    let state = table.snapshot().map_err(|error| delta_failure(&error))?;
    state.transaction_version(store.as_ref(), application_id).await.map_err(|error| delta_failure(&error))
}

/// The version of the commit that carries an application id which the table's state has.
async fn commit_version(table: &DeltaTable, application_id: &str) -> Result<u64, Failure> {
    let store = table.log_store();
    // The state knows that the id is there, also after its commit went into a checkpoint, but not since when.
    let latest = table.snapshot().map_err(|error| delta_failure(&error))?.version();
    for version in (0..=latest).rev() {
        let Some(commit) = store.read_commit_entry(version).await.map_err(|error| delta_failure(&error))? else {
            break;
        };
        if carries(&commit, application_id) {
            return Ok(version);
        }
    }
    // Older commits are gone from the log. What counts is that ours was made; nobody can read its version any more.
    Ok(latest)
}

fn carries(commit: &[u8], application_id: &str) -> bool {
    // Looked for as bytes first: most commits do not carry it, and adds of large tables are long.
    let needle = application_id.as_bytes();
    commit.split(|byte| *byte == b'\n').any(|line| {
        line.windows(needle.len()).any(|window| window == needle)
            && matches!(serde_json::from_slice(line), Ok(Action::Txn(transaction)) if transaction.app_id == application_id)
    })
}
