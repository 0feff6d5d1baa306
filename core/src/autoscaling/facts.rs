//! What a decision is made of: what there is to do, and who there is to do it. Times are in milliseconds since 1970-01-01 UTC.

use std::time::Duration;

use super::trouble::SignalTrouble;
use crate::id::WorkerId;

/// A fact, when it was so, or why nobody knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed<T> {
    /// It was so.
    Known {
        /// When.
        at_ms: u64,
        /// What.
        value: T,
    },
    /// Nobody knows.
    Missing(SignalTrouble),
}

impl<T> Observed<T> {
    /// A fact of that moment.
    pub fn known(at_ms: u64, value: T) -> Self {
        Self::Known { at_ms, value }
    }

    /// What was seen, however long ago.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Missing(_) => None,
        }
    }
}

/// Everything that is known of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Whether there is a head that could tell of work.
    pub head: HeadState,
    /// What the leading head tells of its work.
    pub work: Observed<WorkFacts>,
    /// Unfinished ShoalJobs of the cluster by the operator's own list: what wakes a cluster that has no head.
    pub unfinished_jobs: Observed<u64>,
    /// Each group of the policy, in any order.
    pub groups: Vec<GroupFacts>,
}

/// Whether there is a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadState {
    /// It answers, or should.
    Running,
    /// Its pod is not ready yet: that it tells nothing is no fault.
    Starting,
    /// It has no pods because nothing was to be done: the cluster sleeps. Where it is about to have one it starts.
    Absent,
}

/// What a head tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkFacts {
    /// Work by class: no two alike in group, shape and priority.
    pub classes: Vec<WorkClass>,
    /// Jobs of the head that are not finished, also those that are planned and have no task yet.
    pub unfinished_jobs: u64,
}

/// Tasks that are alike as far as workers are concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkClass {
    /// Group whose workers alone may take them; any group's that are large enough where it is absent.
    pub group: Option<String>,
    /// What one takes of a worker.
    pub shape: TaskShape,
    /// Priority of their jobs: the higher one goes first.
    pub priority: i32,
    /// Tasks that wait.
    pub queued_tasks: u64,
    /// How long those take, in seconds of a slot.
    pub queued_slot_seconds: f64,
    /// Tasks that run.
    pub running_tasks: u64,
    /// How long those still take, in seconds of a slot.
    pub running_slot_seconds: f64,
}

/// What a task takes of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskShape {
    /// Slots, at least 1.
    pub slots: u32,
    /// Memory; 0 where it takes the share of its slots.
    pub memory_bytes: u64,
}

impl TaskShape {
    /// A task that takes a slot, and its share of memory.
    pub const SLOT: Self = Self { slots: 1, memory_bytes: 0 };
}

/// What a worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerShape {
    /// Slots, at least 1.
    pub slots: u32,
    /// Memory.
    pub memory_bytes: u64,
}

impl WorkerShape {
    /// How many such tasks a worker runs at a time.
    pub fn tasks(&self, task: TaskShape) -> u32 {
        let by_slots = self.slots / task.slots.max(1);
        let by_memory = self.memory_bytes.checked_div(task.memory_bytes).unwrap_or(u64::MAX);
        by_slots.min(u32::try_from(by_memory).unwrap_or(u32::MAX))
    }
}

/// What is known of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupFacts {
    /// Its name in the cluster's spec.
    pub name: String,
    /// What each of its workers has.
    pub shape: WorkerShape,
    /// Pods that there shall be as of now: `replicas` of its ShoalWorkerGroup.
    pub replicas: u32,
    /// Each pod that there is and that is not being deleted.
    pub workers: Observed<Vec<WorkerFacts>>,
    /// How long a worker takes from when it is asked for until it takes tasks, as measured; `None` before one has.
    pub startup: Option<Duration>,
    /// Since when the API server refuses to make its pods, as a quota does.
    pub refused_since_ms: Option<u64>,
}

/// What is known of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerFacts {
    /// Who.
    pub id: WorkerId,
    /// What it does.
    pub state: WorkerState,
    /// Bytes of partitions that it holds and somebody still has to read.
    pub held_bytes: u64,
    /// When its node takes it away, where that was announced: a spot instance's notice, a drained node.
    pub leaves_at_ms: Option<u64>,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WorkerState {
    /// No node has room for its pod.
    Unschedulable {
        /// Since when.
        since_ms: u64,
    },
    /// It has a node, or is about to have one, and does not take tasks yet.
    Starting {
        /// Since when it has a node, or since when its pod is there.
        since_ms: u64,
    },
    /// It takes tasks, and runs none.
    Idle {
        /// Since when.
        since_ms: u64,
    },
    /// It runs tasks.
    Busy {
        /// In how many of its slots.
        busy_slots: u32,
    },
    /// It takes no more tasks, and still runs some or holds what others have to read.
    Draining {
        /// In how many of its slots tasks run.
        busy_slots: u32,
    },
    /// It takes no more tasks, runs none and holds nothing: it can go.
    Drained,
}
