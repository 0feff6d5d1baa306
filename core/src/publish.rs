//! Making results visible, once.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::control::Mutation;
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

/// What a table's log says under a job's application id, where it says anything: what became of the job's intent. Looked
/// up anew before each write, of a commit or of a withdrawal, and nothing is written where something is found: a write that
/// conflicts with a commit under the same application id has lost to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The commit is there.
    Published(PublishedTable),
    /// An empty commit took its place: it will never be made.
    Withdrawn,
}

/// What was found in the log, with a mistake built in, for tests of the tests.
#[doc(hidden)]
pub fn found_mutated(found: Option<Settled>, mutation: Option<Mutation>) -> Option<Settled> {
    found.filter(|_| mutation != Some(Mutation::CommitWithoutLooking))
}

/// Writes commits.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Commits exactly once: looks for the application id first, and does nothing where it is in the log. Then deletes
    /// what other attempts of the job left in the table's folder.
    ///
    /// # Errors
    /// What keeps the commit from being made; nothing of it is visible then. [`crate::Reason::Cancelled`] where the
    /// intent was withdrawn.
    async fn publish(&self, intent: &CommitIntent) -> Result<PublishedTable, Failure>;

    /// Makes sure that an intent will never be committed, also not by a head that was paused over it: puts an empty commit
    /// with the same application id into the table's log, unless the id is there already. A table that holds only such
    /// commits counts as absent. Deletes no file: that is [`Publisher::discard`].
    ///
    /// # Errors
    /// What keeps the log from being read or written; the intent may still be committed then.
    async fn withdraw(&self, intent: &CommitIntent) -> Result<Settled, Failure>;

    /// Deletes every file that attempts of the job wrote into the table's folder, and the folder where that leaves it
    /// empty. Called only for a job whose intent was withdrawn or that has none and never will.
    ///
    /// # Errors
    /// What keeps a file from being deleted; files that stay are no part of the table.
    async fn discard(&self, job: JobUid, table: &str) -> Result<(), Failure>;
}
