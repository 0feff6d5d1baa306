use std::collections::BTreeSet;
use std::path::Path;

use async_trait::async_trait;
use deltalake::DeltaTableError;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError};
use deltalake::kernel::{StructType, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde_json::Value;
use shoal_core::publish::{CommitIntent, PublishedTable, Publisher, Withdrawal};
use shoal_core::spec::v1alpha1::OutputMode;
use shoal_core::{Failure, JobUid, Reason};

use super::actions::{change, create, refuse_missing_files};
use super::leftovers::delete_files_of;
use super::location::{io_error, local_folder, open, table_at, write_failure};
use super::log::version_of;
use super::schema::parse_schema;
use crate::error::delta_failure;

/// How often a commit is tried while other writers change the table. Each round reads their commits and decides anew;
/// a table that changes more often than that within one commit has a writer that never rests.
const COMMIT_ROUNDS: u32 = 20;

/// The version of the application id: a job commits once to a table, so there is only one.
const APPLICATION_VERSION: i64 = 1;

/// Writes commits to Delta tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeltaPublisher;

#[async_trait]
impl Publisher for DeltaPublisher {
    async fn publish(&self, intent: &CommitIntent) -> Result<PublishedTable, Failure> {
        let folder = local_folder(&intent.table)?;
        let version = commit_once(&folder, intent).await.map_err(|failure| match failure.location.file {
            Some(_) => failure,
            None => failure.file(&intent.table),
        })?;
        let keep: BTreeSet<&str> = intent.files.iter().map(|file| file.path.as_str()).collect();
        if let Err(failure) = delete_files_of(&folder, intent.job, &keep).await {
            // The commit stands, and files that no commit names do not harm readers.
            tracing::warn!(job = %intent.job, table = intent.table, %failure, "files of failed attempts stay");
        }
        Ok(PublishedTable {
            name: intent.output.clone(),
            table: intent.table.clone(),
            version,
            rows: intent.files.iter().map(|file| file.rows).sum(),
        })
    }

    async fn withdraw(&self, intent: &CommitIntent) -> Result<Withdrawal, Failure> {
        let _ = intent;
        Err(Failure::new(Reason::NotPossible, "a stored commit cannot be withdrawn yet"))
    }

    async fn discard(&self, job: JobUid, table: &str) -> Result<(), Failure> {
        let folder = local_folder(table)?;
        if let Some(committed) = open_if_there(&folder).await?
            && version_of(&committed, &job.application_id()).await?.is_some()
        {
            return Err(
                Failure::internal(format!("files of job {job} are committed and must not be discarded")).file(table)
            );
        }
        delete_files_of(&folder, job, &BTreeSet::new()).await?;
        // Not empty, or gone already: both are fine.
        tokio::fs::remove_dir(&folder).await.ok();
        Ok(())
    }
}

async fn open_if_there(folder: &Path) -> Result<Option<deltalake::DeltaTable>, Failure> {
    if tokio::fs::try_exists(folder).await.unwrap_or(true) { open(folder).await } else { Ok(None) }
}

/// Makes the intent's commit, unless it is there, and gives its version.
async fn commit_once(folder: &Path, intent: &CommitIntent) -> Result<u64, Failure> {
    let schema = parse_schema(&intent.schema)?;
    tokio::fs::create_dir_all(folder).await.map_err(|error| write_failure(folder, &error))?;
    for round in 1..=COMMIT_ROUNDS {
        match try_commit(folder, intent, &schema).await {
            Ok(version) => return Ok(version),
            Err(Attempt::Refused(failure)) => return Err(*failure),
            Err(Attempt::Conflict) => {
                tracing::info!(job = %intent.job, round, "another writer changed the table; reading it again");
            }
            Err(Attempt::Unknown(failure)) => {
                // The commit may have been made all the same: only the log knows.
                let made = match open(folder).await? {
                    Some(table) => version_of(&table, &intent.job.application_id()).await?,
                    None => None,
                };
                return made.ok_or(*failure);
            }
        }
    }
    Err(Failure::new(Reason::CommitConflict, format!("other writers changed the table {COMMIT_ROUNDS} times in a row"))
        .next("see what else writes to the table, and run the job again"))
}

/// How one try to commit ended, where it did not succeed.
enum Attempt {
    /// Decided before anything was written.
    Refused(Box<Failure>),
    /// Another commit came first; ours was not made.
    Conflict,
    /// An error while writing: ours may have been made or not.
    Unknown(Box<Failure>),
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::Refused(Box::new(failure))
    }
}

async fn try_commit(folder: &Path, intent: &CommitIntent, schema: &StructType) -> Result<u64, Attempt> {
    let table = open(folder).await?;
    let application_id = intent.job.application_id();
    if let Some(table) = &table
        && let Some(version) = version_of(table, &application_id).await?
    {
        return Ok(version);
    }
    refuse_missing_files(folder, &intent.files).await?;
    let actions = match &table {
        Some(table) => change(intent, schema, table).await?,
        None => create(intent, schema)?,
    };
    let store = match &table {
        Some(table) => table.log_store(),
        None => table_at(folder)?.log_store(),
    };
    let snapshot = match &table {
        Some(table) => Some(table.snapshot().map_err(|error| delta_failure(&error))?.snapshot()),
        None => None,
    };
    // Without retries of the library's own, any other commit in between fails ours, however little the two have to do
    // with each other. Then everything above is decided anew, the look for the application id first: the library does
    // not compare application ids itself.
    let properties = CommitProperties::default()
        .with_metadata(commit_info(intent))
        .with_application_transaction(Transaction::new(&application_id, APPLICATION_VERSION))
        .with_max_retries(0);
    let operation = DeltaOperation::Write { mode: save_mode(intent.mode), partition_by: None, predicate: None };
    let commit = CommitBuilder::from(properties).with_actions(actions).build(
        snapshot.map(|snapshot| snapshot as &dyn TableReference),
        store,
        operation,
    );
    match commit.await {
        Ok(commit) => Ok(commit.version()),
        Err(error) if is_conflict(&error) => Err(Attempt::Conflict),
        Err(error) => Err(commit_failure(folder, &error)),
    }
}

fn is_conflict(error: &DeltaTableError) -> bool {
    match error {
        DeltaTableError::VersionAlreadyExists(_) => true,
        DeltaTableError::Transaction { source } => matches!(
            source,
            TransactionError::VersionAlreadyExists(_)
                | TransactionError::CommitConflict(_)
                | TransactionError::MaxCommitAttempts(_)
        ),
        _ => false,
    }
}

fn commit_failure(folder: &Path, error: &DeltaTableError) -> Attempt {
    match error {
        DeltaTableError::Transaction {
            source: TransactionError::UnsupportedTableFeatures(_) | TransactionError::TableFeaturesRequired(_),
        } => Attempt::from(
            Failure::new(Reason::NotPossible, "the table uses features that this build does not write")
                .next("name another table")
                .because(error),
        ),
        _ if io_error(error).is_some() => Attempt::Unknown(Box::new(write_failure(folder, error))),
        _ => Attempt::Unknown(Box::new(delta_failure(error))),
    }
}

fn commit_info(intent: &CommitIntent) -> [(String, Value); 3] {
    [
        ("shoalJob".to_owned(), intent.job_name.clone().into()),
        ("shoalJobUid".to_owned(), intent.job.to_string().into()),
        ("shoalOutput".to_owned(), intent.output.clone().into()),
    ]
}

fn save_mode(mode: OutputMode) -> SaveMode {
    match mode {
        OutputMode::Error => SaveMode::ErrorIfExists,
        OutputMode::Overwrite => SaveMode::Overwrite,
        OutputMode::Append => SaveMode::Append,
    }
}
