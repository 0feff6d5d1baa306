use serde::{Deserialize, Serialize};

use super::JobChange;
use crate::failure::Failure;
use crate::history::JobHistory;
use crate::id::{AttemptId, JobUid, WorkerId};
use crate::payload::Payload;
use crate::publish::{CommitIntent, PublishedTable};
use crate::report::JobStatus;
use crate::spec::v1alpha1::ShoalJob;
use crate::task::{StagePlan, TaskOutput};

/// A line of the journal. Stored as JSON behind a version: see [`super::encode`].
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
        facts: Payload,
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
        /// Which start of it: only that process can still run the attempt and hold what it wrote.
        instance: String,
        /// How long its task had waited for a slot, in milliseconds.
        queued_ms: u64,
        /// When, in milliseconds since 1970-01-01 UTC.
        #[serde(default)]
        at_ms: u64,
        /// Whether it runs beside another attempt of its task, which takes longer than those of the other tasks did.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        duplicate: bool,
    },
    /// An attempt's result was taken. With it, another one of the same task that still runs is given up.
    AttemptFinished {
        /// The attempt.
        attempt: AttemptId,
        /// The worker that holds its partitions.
        worker: WorkerId,
        /// What it reported.
        output: TaskOutput,
        /// When, in milliseconds since 1970-01-01 UTC.
        #[serde(default)]
        at_ms: u64,
    },
    /// An attempt failed or was lost.
    AttemptFailed {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        failure: Failure,
        /// When, in milliseconds since 1970-01-01 UTC.
        #[serde(default)]
        at_ms: u64,
    },
    /// Partitions of a finished attempt moved to another worker.
    PartitionsMoved {
        /// The attempt that wrote them.
        attempt: AttemptId,
        /// The worker that holds them now.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
    },
    /// What a user may change of a job after its submission was changed.
    Updated {
        /// The job.
        job: JobUid,
        /// The change.
        change: JobChange,
        /// When, in milliseconds since 1970-01-01 UTC.
        #[serde(default)]
        at_ms: u64,
    },
    /// How much of the time that its deadline allows a job has used. What is stored later of the job has times by the same
    /// clock, up to the next of these.
    TimeUsed {
        /// The job.
        job: JobUid,
        /// Used so far, in milliseconds.
        used_ms: u64,
        /// When, by the clock of the head that counts, in milliseconds since 1970-01-01 UTC.
        at_ms: u64,
    },
    /// A job is being ended early: it will fail for that reason and nothing else, whatever its tasks still report.
    Ending {
        /// The job.
        job: JobUid,
        /// Why.
        failure: Failure,
    },
    /// A failed job goes on: what it had finished stays finished.
    Resumed {
        /// The job.
        job: JobUid,
        /// When, in milliseconds since 1970-01-01 UTC.
        at_ms: u64,
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
        /// Whether it failed in a way that it can go on from: then what it did stays in the journal.
        #[serde(default)]
        resumable: bool,
    },
    /// What a job's attempts and log were: for people, decides nothing.
    History {
        /// The job.
        job: JobUid,
        /// Its attempts and log so far.
        history: Box<JobHistory>,
    },
    /// A job is forgotten: nothing of it is loaded again.
    Forgotten {
        /// The job.
        job: JobUid,
    },
}

/// What a record means for the records of its job that were stored before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// They stay.
    All,
    /// Only the first of them stays, which is the job's acceptance: what a job did on its way is of no use once it has
    /// ended for good.
    First,
    /// They stay, and the record itself is kept apart from them: it takes the place of the one before it that was kept
    /// apart, and is read by [`super::Journal::load_history`] only. Heads start without reading what only people ask for.
    Apart,
    /// None stays, those that are kept apart included, and the record itself need not be stored.
    None,
}

impl Record {
    /// What a journal may delete when it stores the record.
    pub fn retention(&self) -> Retention {
        match self {
            Self::Forgotten { .. } => Retention::None,
            Self::Ended { resumable: false, .. } => Retention::First,
            Self::History { .. } => Retention::Apart,
            _ => Retention::All,
        }
    }

    /// When what it tells of happened, by the clock of the head that stored it, in milliseconds since 1970-01-01 UTC; none
    /// for one that does not say.
    pub fn at_ms(&self) -> Option<u64> {
        match self {
            Self::Accepted { at_ms, .. }
            | Self::AttemptStarted { at_ms, .. }
            | Self::AttemptFinished { at_ms, .. }
            | Self::AttemptFailed { at_ms, .. }
            | Self::Updated { at_ms, .. }
            | Self::TimeUsed { at_ms, .. }
            // Older ones have none.
            | Self::Resumed { at_ms, .. } => (*at_ms > 0).then_some(*at_ms),
            Self::Facts { .. }
            | Self::StagePlanned { .. }
            | Self::PartitionsMoved { .. }
            | Self::Ending { .. }
            | Self::Intent { .. }
            | Self::Published { .. }
            | Self::Ended { .. }
            | Self::History { .. }
            | Self::Forgotten { .. } => None,
        }
    }

    /// The job that the record is about.
    pub fn job(&self) -> JobUid {
        match self {
            Self::Accepted { job, .. }
            | Self::Facts { job, .. }
            | Self::StagePlanned { job, .. }
            | Self::Updated { job, .. }
            | Self::TimeUsed { job, .. }
            | Self::Ending { job, .. }
            | Self::Resumed { job, .. }
            | Self::Published { job, .. }
            | Self::Ended { job, .. }
            | Self::History { job, .. }
            | Self::Forgotten { job } => *job,
            Self::AttemptStarted { attempt, .. }
            | Self::AttemptFinished { attempt, .. }
            | Self::PartitionsMoved { attempt, .. }
            | Self::AttemptFailed { attempt, .. } => attempt.task.job,
            Self::Intent { intent } => intent.job,
        }
    }
}
