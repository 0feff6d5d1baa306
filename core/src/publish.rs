//! Making results visible, once.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::id::JobUid;
use crate::spec::v1alpha1::OutputMode;
use crate::task::FileMeta;

/// The exact commit, stored in the journal before it is written. A head that finds one re-drives it, never another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitIntent {
    /// The job; its application id stands in the table's log.
    pub job: JobUid,
    /// Name of the job, kept in the commit's information.
    pub job_name: String,
    /// Name of the output among the job's outputs, as `models`.
    pub output: String,
    /// The table: an absolute path or a URL.
    pub table: String,
    /// What happens to what is there.
    pub mode: OutputMode,
    /// The table's schema: Delta's JSON of a struct type.
    pub schema: String,
    /// The files, already written in the table's folder.
    pub files: Vec<FileMeta>,
}

/// A commit that is in the table's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedTable {
    /// Name of the output among the job's outputs.
    pub name: String,
    /// The table: an absolute path or a URL.
    pub table: String,
    /// Version that the commit made.
    pub version: u64,
    /// Rows that the commit added.
    pub rows: u64,
}

/// Writes commits.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Commits exactly once: looks for the application id first, and does nothing where it is in the log. Then deletes
    /// what other attempts of the job left in the table's folder.
    ///
    /// # Errors
    /// What keeps the commit from being made; nothing of it is visible then.
    async fn publish(&self, intent: &CommitIntent) -> Result<PublishedTable, Failure>;

    /// Deletes every file that attempts of the job wrote into the table's folder, and the folder where that leaves it
    /// empty. Called only for a job that has no intent and never will.
    ///
    /// # Errors
    /// What keeps a file from being deleted; files that stay are no part of the table.
    async fn discard(&self, job: JobUid, table: &str) -> Result<(), Failure>;
}
