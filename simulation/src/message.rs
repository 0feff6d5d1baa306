//! What travels between the simulated processes.

use shoal_core::control::WorkerInfo;
use shoal_core::journal::JobChange;
use shoal_core::publish::{PublishedTable, Settled};
use shoal_core::report::JobStatus;
use shoal_core::task::{Assignment, PartitionSource, TaskOutput};
use shoal_core::{AttemptId, Failure, JobUid};

use crate::fault::{Fault, Healing, Moment};
use crate::lake::Commit;
use crate::world::Carried;

/// One start of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeadKey {
    pub(crate) head: usize,
    pub(crate) life: u32,
}

/// One start of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkerKey {
    pub(crate) worker: usize,
    pub(crate) life: u32,
}

/// Something that happens at its time.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    StartHead(usize),
    StartWorker(usize),
    Head(HeadKey, HeadInput),
    Worker(WorkerKey, WorkerInput),
    Client(usize, ClientInput),
    Store(HeadKey, StoreRequest),
    Lake(HeadKey, u64, LakeRequest),
    Fault(Fault),
    /// A fault hits that head.
    FaultAt(Fault, usize),
    /// A message on that stream arrives.
    Carry(u64, Carried),
    /// A fault waits for its moment from now on.
    Ambush(Moment, Fault),
    Heal(Healing),
    /// Faults are over: everything is mended.
    HealAll,
}

/// What a head's process notices.
#[derive(Clone, Debug)]
pub(crate) enum HeadInput {
    Campaign,
    Campaigned(Option<u64>),
    Load,
    Loaded(Vec<Vec<u8>>),
    Recall(JobUid),
    Recalled(JobUid, Vec<Vec<u8>>),
    Renew,
    Renewed(bool),
    Tick,
    AppendAnswered(u64, Result<(), Failure>),
    AppendOverdue { append: u64, tries: u32 },
    FactsGathered(JobUid),
    FromWorker(u64, ToHead),
    StreamEnded(u64),
    Call { client: usize, call: u64, request: Request },
    LakeAnswered(u64, u32, LakeAnswer),
    LakeOverdue(u64, u32),
}

/// What a worker says on its stream.
#[derive(Clone, Debug)]
pub(crate) enum ToHead {
    Register(WorkerInfo),
    Heartbeat(Vec<AttemptId>),
    /// It leaves within so many milliseconds.
    Draining(u64),
    /// It has taken over the partitions of an attempt, or could not.
    Moved(AttemptId, Result<(), Failure>),
    Finished(AttemptId, Box<Result<TaskOutput, Failure>>),
}

/// What a head says on a worker's stream.
#[derive(Clone, Debug)]
pub(crate) enum ToWorker {
    Welcome(u64),
    Refused,
    Assign(u64, Box<Assignment>),
    Cancel(AttemptId),
    Release(JobUid),
    Adopt(Vec<PartitionSource>),
    Dismiss,
    Close,
}

/// What a worker's process notices.
#[derive(Clone, Debug)]
pub(crate) enum WorkerInput {
    Open,
    FromHead(u64, ToWorker),
    StreamEnded(u64),
    WelcomeOverdue(u64),
    Beat(u64),
    /// A task begins to read what it needs from its peers.
    Fetch {
        attempt: AttemptId,
        since_ms: u64,
    },
    Ended(AttemptId),
    CancelOverdue(AttemptId),
    /// It is to leave.
    Leave,
    /// Its time is over.
    Overdue,
    /// Partitions that it was to take over have arrived.
    Adopted(Box<PartitionSource>),
}

/// What a client asks a head for.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Submit,
    Cancel,
    Change(JobChange),
    Show,
    /// All jobs, of which a user looks at the own one.
    List,
}

/// What a client notices.
#[derive(Clone, Debug)]
pub(crate) enum ClientInput {
    Next,
    Answered(u64, u64, Box<Result<JobStatus, Failure>>),
    Unreachable(u64),
    Overdue(u64),
}

/// What a head asks the journal's store for.
#[derive(Clone, Debug)]
pub(crate) enum StoreRequest {
    Campaign,
    Renew(u64),
    Resign(u64),
    Load(u64),
    Recall(JobUid),
    Append { epoch: u64, append: u64, records: Vec<Vec<u8>> },
}

/// What a head asks the object store for. The number says which try of the operation it belongs to.
#[derive(Clone, Debug)]
pub(crate) enum LakeRequest {
    Look { step: u32, job: JobUid, table: String },
    Put { step: u32, table: String, version: u64, commit: Commit },
    Sweep { step: u32, job: JobUid, table: String, keep: Vec<String> },
}

/// What the object store answers.
#[derive(Clone, Debug)]
pub(crate) enum LakeAnswer {
    Found { version: u64, entry: Option<Settled> },
    Written(PublishedTable),
    Conflict,
    Swept,
    Failed,
}

impl LakeRequest {
    pub(crate) fn step(&self) -> u32 {
        match self {
            Self::Look { step, .. } | Self::Put { step, .. } | Self::Sweep { step, .. } => *step,
        }
    }
}
