//! What the state machine is told and what it asks for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::calling::CallsSoFar;
use crate::failure::Failure;
use crate::id::{AttemptId, JobUid, WorkerId};
use crate::job::Job;
use crate::journal::{JobChange, Record};
use crate::payload::Payload;
use crate::publish::{CommitIntent, PublishedTable, Settled};
use crate::report::JobStatus;
use crate::spec::v1alpha1::ShoalJob;
use crate::task::{Assignment, PartitionSource, TaskOutput};

/// Who waits for an answer; the shell that asked knows which caller it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyId(pub u64);

/// How a submission treats a job of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitOptions {
    /// Whether a job of that name that succeeded is run again, with the spec given now. One that failed always is.
    pub rerun: bool,
    /// Whether a job of that name that failed starts over: what it had done does not count.
    #[serde(default)]
    pub fresh: bool,
}

/// A worker as it introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Its name.
    pub id: WorkerId,
    /// Which start of it this is: a restarted process holds nothing of what it held before.
    pub instance: String,
    /// Where its Flight server listens.
    pub flight_url: String,
    /// Tasks that it runs at the same time.
    pub slots: u32,
    /// Whether it can take over partitions of others.
    pub adopts: bool,
    /// When it leaves at the latest, where it is being drained, in milliseconds since 1970-01-01 UTC.
    pub leaves_by_ms: Option<u64>,
    /// Attempts that it runs already: this head may have given them up, or never have known of them.
    pub running: Vec<AttemptId>,
}

impl WorkerInfo {
    /// A worker that can do what this build's can, and that stays.
    pub fn new(id: WorkerId, instance: impl Into<String>, flight_url: impl Into<String>, slots: u32) -> Self {
        Self {
            id,
            instance: instance.into(),
            flight_url: flight_url.into(),
            slots,
            adopts: true,
            leaves_by_ms: None,
            running: Vec::new(),
        }
    }
}

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// Somebody submits a job. The uid is drawn outside, so that the machine stays deterministic.
    Submit {
        /// Uid of the job if it is a new one.
        uid: JobUid,
        /// The spec, accepted by its schema.
        spec: Arc<ShoalJob>,
        /// How a job of the same name is treated.
        options: SubmitOptions,
        /// Who waits for the answer.
        reply: ReplyId,
    },
    /// Somebody looks at a job.
    Show {
        /// Name of the job.
        name: String,
        /// Who waits for the answer.
        reply: ReplyId,
    },
    /// Somebody waits until all that is decided so far is stored: what was seen of it may be told then.
    Flush {
        /// Who waits.
        reply: ReplyId,
    },
    /// Somebody cancels a job.
    Cancel {
        /// Name of the job.
        name: String,
        /// Who waits for the answer.
        reply: ReplyId,
    },
    /// Somebody changes what may be changed of a job.
    Change {
        /// Name of the job.
        name: String,
        /// The change.
        change: JobChange,
        /// Who waits for the answer.
        reply: ReplyId,
    },
    /// What the journal knows of a failed job is there.
    Recalled {
        /// The job.
        job: JobUid,
        /// Its records, in their order.
        result: Result<Vec<Record>, Failure>,
    },
    /// A job's facts are there.
    FactsGathered {
        /// The job.
        job: JobUid,
        /// The facts, or what is wrong with the input.
        result: Result<Payload, Failure>,
    },
    /// A worker registered, for the first time or after a broken connection.
    WorkerJoined {
        /// The worker.
        worker: WorkerInfo,
    },
    /// A worker is gone for good: it said so, or its process ended.
    WorkerLeft {
        /// The worker.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
        /// Why.
        failure: Failure,
    },
    /// A worker lives.
    Heartbeat {
        /// The worker.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
        /// The attempts that it runs.
        running: Vec<AttemptId>,
        /// What of their time has passed, in thousandths, of those that can tell.
        permille: Vec<(AttemptId, u16)>,
        /// What became of users' functions that they call, of those that have anything to tell.
        calls: Vec<(AttemptId, CallsSoFar)>,
        /// Highest memory of its process so far.
        peak_memory_bytes: u64,
    },
    /// A worker's scratch disk became full, or has not been for a while.
    DiskFull {
        /// The worker.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
        /// Whether it is full.
        full: bool,
    },
    /// A worker is to leave, or wants to: it gets no more tasks and hands over what it has.
    DrainRequested {
        /// The worker.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
        /// When it leaves at the latest, in milliseconds since 1970-01-01 UTC.
        leaves_by_ms: u64,
    },
    /// A worker has taken over partitions, or could not.
    PartitionsMoved {
        /// The worker that was to take them.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
        /// The attempt that wrote them.
        attempt: AttemptId,
        /// Why it could not, where it could not.
        result: Result<(), Failure>,
    },
    /// An attempt ended.
    AttemptFinished {
        /// The worker that ran it.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
        /// The attempt.
        attempt: AttemptId,
        /// What came of it.
        result: Result<TaskOutput, Failure>,
    },
    /// A commit was tried.
    Published {
        /// The job.
        job: JobUid,
        /// The commit, or what kept it from being made.
        result: Result<PublishedTable, Failure>,
    },
    /// An intent was to be withdrawn.
    Withdrawn {
        /// The job.
        job: JobUid,
        /// What became of it.
        result: Result<Settled, Failure>,
    },
    /// A failed job's files are swept.
    Discarded {
        /// The job.
        job: JobUid,
    },
    /// Time has passed.
    Tick,
}

/// What has to be done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Store records; carry the rest out only once they are stored. With no records: once all earlier ones are.
    Persist {
        /// What to store, all or nothing.
        records: Vec<Record>,
        /// What to do then.
        then: Vec<Effect>,
    },
    /// Answer a caller.
    Reply {
        /// The caller.
        to: ReplyId,
        /// The job's status, or why not.
        answer: Box<Result<JobStatus, Failure>>,
    },
    /// Tell a caller that all that was decided before it asked is stored.
    Flushed {
        /// The caller.
        to: ReplyId,
    },
    /// Load what the journal knows of a job.
    Recall {
        /// The job.
        job: JobUid,
    },
    /// Find out a job's facts.
    GatherFacts {
        /// The job.
        job: Arc<Job>,
    },
    /// Hand an attempt to a worker.
    Assign {
        /// The worker.
        worker: WorkerId,
        /// Which start of it: another one gets nothing, the attempt was lost with this one.
        instance: String,
        /// The attempt and all that it needs.
        assignment: Box<Assignment>,
    },
    /// Tell a worker that an attempt is not wanted any more.
    CancelAttempt {
        /// The worker.
        worker: WorkerId,
        /// The attempt.
        attempt: AttemptId,
    },
    /// Tell a worker to drop a job's partitions.
    Release {
        /// The worker.
        worker: WorkerId,
        /// The job.
        job: JobUid,
    },
    /// Tell a worker to take over the partitions of one attempt.
    MovePartitions {
        /// The worker that takes them.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
        /// Where they lie.
        sources: Vec<PartitionSource>,
    },
    /// Tell a worker to end: it has handed over what it had, or its time is over.
    Dismiss {
        /// The worker.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
    },
    /// Close a worker's connection: it was taken out.
    Disconnect {
        /// The worker.
        worker: WorkerId,
        /// Which start of it.
        instance: String,
        /// Why.
        failure: Failure,
    },
    /// Commit.
    Publish {
        /// The exact commit.
        intent: CommitIntent,
    },
    /// Make sure that a commit is never made.
    Withdraw {
        /// The exact commit.
        intent: CommitIntent,
    },
    /// Sweep what a job's attempts left in its tables' folders.
    Discard {
        /// The job.
        job: JobUid,
        /// The tables.
        tables: Vec<String>,
    },
}

impl Effect {
    /// Stores one record, with nothing waiting for it.
    pub(super) fn persist(record: Record) -> Self {
        Self::Persist { records: vec![record], then: Vec::new() }
    }

    /// Carries effects out behind all records so far, and behind what waits for those.
    pub(super) fn in_order(then: Vec<Effect>) -> Self {
        Self::Persist { records: Vec::new(), then }
    }
}
