//! Why a decision is as it is: also why nothing happens. `Display` says it in words.

use super::trouble::SignalTrouble;

/// Why a cluster is as large as it is.
#[must_use = "nobody knows why, if nobody reads it"]
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterReport {
    /// Why sizes are held, where they are.
    pub hold: Option<Hold>,
    /// Why each group is as large as it is, in the order of the policy.
    pub groups: Vec<GroupReport>,
    /// Tasks that wait and that no worker of any group can take.
    pub misfits: Vec<Misfit>,
    /// What the workers that there shall be cost in an hour, where prices are known.
    pub cost_per_hour: f64,
    /// When to decide again, if nothing happens before.
    pub next_look_ms: u64,
}

/// Why sizes are held.
#[derive(Clone, Debug, PartialEq)]
pub enum Hold {
    /// Nobody knows what work there is.
    Work(SignalTrouble),
    /// Nobody knows what the workers of a group do.
    Workers {
        /// The group.
        group: String,
        /// Why.
        trouble: SignalTrouble,
    },
    /// Nothing is known of a group.
    GroupUnknown {
        /// The group.
        group: String,
    },
    /// Nobody knows which jobs are unfinished.
    Jobs(SignalTrouble),
    /// The head starts, and tells of work when it is ready.
    HeadStarts,
}

/// Why a group is as large as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupReport {
    /// The group.
    pub group: String,
    /// Workers that work or start.
    pub current: u32,
    /// Workers that its work asks for, whatever the rules say.
    pub asked: u32,
    /// Workers that there shall be.
    pub target: u32,
    /// The rule that decided.
    pub rule: Rule,
    /// What it was decided by.
    pub inputs: Inputs,
}

/// What a group's size was decided by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Work that waits and that falls to the group, in seconds of a slot.
    pub queued_slot_seconds: f64,
    /// How many tasks that is.
    pub queued_tasks: f64,
    /// `targetDrainTime` in seconds.
    pub target_drain_seconds: f64,
    /// Slots of each worker.
    pub slots: u32,
    /// How long a worker takes to start, in seconds.
    pub startup_seconds: f64,
    /// Workers that run tasks.
    pub busy: u32,
    /// Workers that are ready and run none.
    pub idle: u32,
    /// Workers that start.
    pub starting: u32,
    /// Workers that are not ready after `provisioningTimeout`.
    pub stuck: u32,
    /// Workers that leave.
    pub leaving: u32,
}

/// Tasks that no worker can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Group whose workers alone may take them.
    pub group: Option<String>,
    /// Slots of each.
    pub slots: u32,
    /// Memory of each.
    pub memory_bytes: u64,
    /// How many they are.
    pub tasks: u64,
}

/// What decided a group's size.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// The work, by its formula, and nothing else.
    Work,
    /// More workers would be ready when the queue is empty.
    TooLate,
    /// There are no more tasks that more workers could take.
    Tasks,
    /// `minReplicas`.
    MinReplicas(u32),
    /// `maxReplicas`.
    MaxReplicas(u32),
    /// `budgetPerHour`.
    Budget(f64),
    /// A change that is too small: `tolerance`.
    Tolerance(f64),
    /// A change that was not asked for long enough: `stabilizationWindowSeconds`, or `idleTimeout`.
    Stabilization {
        /// When it will have been.
        until_ms: u64,
        /// How long that takes, in seconds.
        window_seconds: u64,
    },
    /// Too few complete samples to become smaller.
    Samples {
        /// How many there are.
        seen: u32,
        /// How many it takes.
        needed: u32,
    },
    /// A rate of `policies`.
    Rate,
    /// `selectPolicy: Disabled`.
    Disabled,
    /// Something is missing.
    Held,
    /// `fallbackReplicas`, as something has been missing for a while.
    Fallback(u32),
    /// Pods that were not ready within `provisioningTimeout`: what they were made for is another group's.
    Blocked {
        /// Until when.
        until_ms: u64,
    },
    /// The API server makes no more pods.
    Refused,
    /// A worker for the jobs that the head will tell of.
    FirstWorker,
    /// The cluster has had nothing to do for its `idleTimeout`.
    Asleep,
}
