//! What must survive the head: bounded per task, never per group.

mod change;
mod record;
mod stored;

use async_trait::async_trait;

use crate::failure::Failure;
use crate::history::JobHistory;
use crate::id::JobUid;
pub use change::JobChange;
pub use record::{Record, Retention};
pub use stored::{RECORD_VERSION, StoredRecord, decode, encode, version_of};

/// Where records are kept. Only the head that leads speaks to it.
#[async_trait]
pub trait Journal: Send + Sync {
    /// All records but those that are kept apart, each job's in the order in which they were appended.
    ///
    /// # Errors
    /// What keeps them from being read; [`crate::Reason::IncompatibleVersion`] for records of a newer build.
    async fn load(&self) -> Result<Vec<Record>, Failure>;

    /// The records of one job, in the order in which they were appended; none for a job that it does not know.
    ///
    /// # Errors
    /// As [`Journal::load`].
    async fn load_job(&self, job: JobUid) -> Result<Vec<Record>, Failure>;

    /// What is kept apart of a job: see [`Retention::Apart`].
    ///
    /// # Errors
    /// As [`Journal::load`].
    async fn load_history(&self, job: JobUid) -> Result<Option<JobHistory>, Failure>;

    /// All that is stored, as it is stored: each job's records in their order, then what is kept apart of it. For tools
    /// that look at a journal which a head may refuse.
    ///
    /// # Errors
    /// What keeps it from being read; never what is wrong with a record.
    async fn scan(&self) -> Result<Vec<StoredRecord>, Failure>;

    /// Appends records; they survive once this returns. A crash in the middle may leave the first few of them, in order,
    /// never a part of one. Where it cannot be known whether a write arrived, it is repeated until that is known.
    ///
    /// What [`Record::retention`] lets go is deleted with the same write.
    ///
    /// # Errors
    /// [`crate::Reason::NotLeading`] where another head has led since `epoch` was won: nothing is written then. Whatever
    /// else keeps records from being written for good; the caller must not go on.
    async fn append(&self, epoch: u64, records: Vec<Record>) -> Result<(), Failure>;
}

/// Which head leads. One at a time, each under a higher epoch than all before it.
#[async_trait]
pub trait Leadership: Send + Sync {
    /// Waits until this head leads and returns its epoch. Dropped before its end, it gives its candidacy up.
    ///
    /// # Errors
    /// What keeps this head from ever leading.
    async fn campaign(&self) -> Result<u64, Failure>;

    /// Completes once this head leads no more, or cannot be sure that it does, and says why.
    async fn lost(&self) -> Failure;

    /// Gives the lead up, so that another head need not wait for a time-out.
    async fn resign(&self);

    /// Where the head that leads can be reached, where that is known and it is another one.
    async fn leader(&self) -> Option<String>;

    /// What a campaign waits for to pass, beside the end of another head's lead.
    fn waits_for(&self) -> Option<Failure> {
        None
    }
}
