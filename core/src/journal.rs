//! What must survive the head: bounded per task, never per group.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::id::{AttemptId, JobUid, WorkerId};
use crate::publish::{CommitIntent, PublishedTable};
use crate::report::JobStatus;
use crate::spec::v1alpha1::ShoalJob;
use crate::task::{StagePlan, TaskOutput};

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// A job was accepted: the spec as it was submitted.
    Accepted {
        /// This submission.
        job: JobUid,
        /// When, in milliseconds since 1970-01-01 UTC.
        at_ms: u64,
        /// The spec.
        spec: Box<ShoalJob>,
    },
    /// A job's facts are known.
    Facts {
        /// The job.
        job: JobUid,
        /// The kind's own format.
        facts: Value,
    },
    /// A stage was planned.
    StagePlanned {
        /// The job.
        job: JobUid,
        /// Place of the stage among the job's stages, from 0.
        stage: u32,
        /// Its tasks.
        plan: StagePlan,
    },
    /// An attempt was handed to a worker.
    AttemptStarted {
        /// The attempt.
        attempt: AttemptId,
        /// The worker.
        worker: WorkerId,
        /// How long its task had waited for a slot, in milliseconds.
        queued_ms: u64,
    },
    /// An attempt's result was taken.
    AttemptFinished {
        /// The attempt.
        attempt: AttemptId,
        /// The worker that holds its partitions.
        worker: WorkerId,
        /// What it reported.
        output: TaskOutput,
    },
    /// An attempt failed or was lost.
    AttemptFailed {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        failure: Failure,
    },
    /// The exact commit, before it is written.
    Intent {
        /// The commit.
        intent: CommitIntent,
    },
    /// The commit is in the table's log.
    Published {
        /// The job.
        job: JobUid,
        /// What was published.
        table: PublishedTable,
    },
    /// A job ended, with all that is shown of it.
    Ended {
        /// The job.
        job: JobUid,
        /// Its last status.
        status: Box<JobStatus>,
    },
    /// A job is forgotten: nothing of it is loaded again.
    Forgotten {
        /// The job.
        job: JobUid,
    },
}

impl Record {
    /// The job that the record is about.
    pub fn job(&self) -> JobUid {
        match self {
            Self::Accepted { job, .. }
            | Self::Facts { job, .. }
            | Self::StagePlanned { job, .. }
            | Self::Published { job, .. }
            | Self::Ended { job, .. }
            | Self::Forgotten { job } => *job,
            Self::AttemptStarted { attempt, .. }
            | Self::AttemptFinished { attempt, .. }
            | Self::AttemptFailed { attempt, .. } => attempt.task.job,
            Self::Intent { intent } => intent.job,
        }
    }
}

/// Where records are kept.
#[async_trait]
pub trait Journal: Send + Sync {
    /// All records, in the order in which they were appended.
    ///
    /// # Errors
    /// What keeps them from being read, a newer format included.
    async fn load(&self) -> Result<Vec<Record>, Failure>;

    /// Appends records, all or none; they survive once this returns.
    ///
    /// # Errors
    /// What keeps them from being written; none is then.
    async fn append(&self, records: Vec<Record>) -> Result<(), Failure>;
}
