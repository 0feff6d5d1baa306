//! The one way into a table's log, for commits and for the empty commits that stand in their place.
//!
//! Each round looks for the application id in the newest version, decides, and writes the next version only where it is
//! still free. So whoever was paused between look and write loses to whatever was written meanwhile, and looks again.

use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError};
use deltalake::kernel::{Action, StructType};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError};
use serde_json::Value;
use shoal_core::publish::{CommitIntent, PublishedTable, Settled};
use shoal_core::spec::v1alpha1::OutputMode;
use shoal_core::{Failure, Reason};

use super::actions::{change, create, create_placeholder, refuse_missing_files, replace_placeholder};
use super::open::{holds_nothing, log_store, open};
use super::schema::parse_schema;
use super::transaction::{look_up, publication, published, withdrawal};
use crate::error::delta_failure;
use crate::storage::{Location, write_failure};

/// How often a commit is tried while other writers change the table. Each round reads their commits and decides anew;
/// a table that changes more often than that within one commit has a writer that never rests.
const COMMIT_ROUNDS: u32 = 20;

/// Makes the intent's commit, unless it is there or was withdrawn.
pub(super) async fn publish(place: &Location, intent: &CommitIntent) -> Result<PublishedTable, Failure> {
    match settle(place, intent, Purpose::Publish).await? {
        Settled::Published(table) => Ok(table),
        Settled::Withdrawn => {
            Err(Failure::new(Reason::Cancelled, "the commit was withdrawn before it was made").file(&intent.table))
        }
    }
}

/// Puts an empty commit in the intent's place, unless it was committed or withdrawn already.
pub(super) async fn withdraw(place: &Location, intent: &CommitIntent) -> Result<Settled, Failure> {
    settle(place, intent, Purpose::Withdraw).await
}

/// What is wanted of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Publish,
    Withdraw,
}

impl Purpose {
    /// What has become of the intent once its version is written.
    fn written(self, intent: &CommitIntent, version: u64) -> Settled {
        match self {
            Self::Publish => Settled::Published(published(intent, version)),
            Self::Withdraw => Settled::Withdrawn,
        }
    }
}

async fn settle(place: &Location, intent: &CommitIntent, purpose: Purpose) -> Result<Settled, Failure> {
    let schema = parse_schema(&intent.schema)?;
    for round in 1..=COMMIT_ROUNDS {
        let table = open(place).await?;
        if let Some(settled) = look_up(table.as_ref(), intent).await? {
            return Ok(settled);
        }
        let actions = match purpose {
            Purpose::Publish => publish_actions(place, intent, &schema, table.as_ref()).await?,
            Purpose::Withdraw if table.is_none() => create_placeholder(&schema)?,
            Purpose::Withdraw => Vec::new(),
        };
        match write(place, intent, purpose, table.as_ref(), actions).await {
            Written::Version(version) => return Ok(purpose.written(intent, version)),
            Written::Conflict => {
                tracing::info!(job = %intent.job, round, ?purpose, "another writer changed the table; reading it again");
            }
            Written::Refused(failure) => return Err(*failure),
            Written::Unknown(failure) => {
                // It may have been written all the same: only the log knows.
                let table = open(place).await?;
                return look_up(table.as_ref(), intent).await?.ok_or(*failure);
            }
        }
    }
    Err(Failure::new(Reason::CommitConflict, format!("other writers changed the table {COMMIT_ROUNDS} times in a row"))
        .next("see what else writes to the table, and run the job again"))
}

async fn publish_actions(
    place: &Location,
    intent: &CommitIntent,
    schema: &StructType,
    table: Option<&DeltaTable>,
) -> Result<Vec<Action>, Failure> {
    refuse_missing_files(place, &intent.files).await?;
    match table {
        None => create(intent, schema),
        Some(table) if holds_nothing(table).await? => replace_placeholder(intent, schema, table),
        Some(table) => change(intent, schema, table).await,
    }
}

/// How one try to write a version ended.
enum Written {
    /// It is this one.
    Version(u64),
    /// Another commit came first; ours was not made.
    Conflict,
    /// Decided before anything was written.
    Refused(Box<Failure>),
    /// An error while writing: ours may have been made or not.
    Unknown(Box<Failure>),
}

async fn write(
    place: &Location,
    intent: &CommitIntent,
    purpose: Purpose,
    table: Option<&DeltaTable>,
    actions: Vec<Action>,
) -> Written {
    let opened = || -> Result<_, Failure> {
        Ok(match table {
            Some(table) => {
                let state = table.snapshot().map_err(|error| delta_failure(&error))?;
                (Some(state.snapshot()), table.log_store())
            }
            None => (None, log_store(place)?),
        })
    };
    let (snapshot, store) = match opened() {
        Ok(opened) => opened,
        Err(failure) => return Written::Refused(Box::new(failure)),
    };
    let (transaction, mode) = match purpose {
        Purpose::Publish => (publication(intent), save_mode(intent.mode)),
        Purpose::Withdraw => (withdrawal(intent), SaveMode::Append),
    };
    // Without retries of the library's own, any other commit in between fails ours, however little the two have to do
    // with each other. Then everything is decided anew, the look for the application id first: the library does not
    // compare application ids itself.
    let properties = CommitProperties::default()
        .with_metadata(commit_info(intent, purpose))
        .with_application_transaction(transaction)
        .with_max_retries(0);
    let operation = DeltaOperation::Write { mode, partition_by: None, predicate: None };
    let commit = CommitBuilder::from(properties).with_actions(actions).build(
        snapshot.map(|snapshot| snapshot as &dyn TableReference),
        store,
        operation,
    );
    match commit.await {
        Ok(commit) => Written::Version(commit.version()),
        Err(error) if is_conflict(&error) => Written::Conflict,
        Err(error) => not_written(place, &error),
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

fn not_written(place: &Location, error: &DeltaTableError) -> Written {
    match error {
        DeltaTableError::Transaction {
            source: TransactionError::UnsupportedTableFeatures(_) | TransactionError::TableFeaturesRequired(_),
        } => Written::Refused(Box::new(
            Failure::new(Reason::NotPossible, "the table uses features that this build does not write")
                .next("name another table")
                .because(error),
        )),
        _ => Written::Unknown(Box::new(write_failure(place, error))),
    }
}

fn commit_info(intent: &CommitIntent, purpose: Purpose) -> Vec<(String, Value)> {
    let mut info = vec![
        ("shoalJob".to_owned(), intent.job_name.clone().into()),
        ("shoalJobUid".to_owned(), intent.job.to_string().into()),
        ("shoalOutput".to_owned(), intent.output.clone().into()),
    ];
    if purpose == Purpose::Withdraw {
        info.push(("shoalWithdrawn".to_owned(), true.into()));
    }
    info
}

fn save_mode(mode: OutputMode) -> SaveMode {
    match mode {
        OutputMode::Error => SaveMode::ErrorIfExists,
        OutputMode::Overwrite => SaveMode::Overwrite,
        OutputMode::Append => SaveMode::Append,
    }
}
