//! What a decision remembers of earlier ones: plain data, so that it survives a restarted operator. One that is lost costs
//! nothing but time: sizes are held until enough is known again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::WorkerId;

/// What is remembered of a cluster. Times are in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct History {
    /// Complete samples in a row.
    pub samples: u32,
    /// When the last one was taken.
    pub sampled_ms: u64,
    /// Since when something is missing.
    pub missing_since_ms: Option<u64>,
    /// Since when nothing is to be done.
    pub idle_since_ms: Option<u64>,
    /// Whether the cluster sleeps.
    pub asleep: bool,
    /// What is remembered of each group.
    pub groups: BTreeMap<String, GroupHistory>,
}

/// What is remembered of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupHistory {
    /// Workers that were asked for, the oldest first.
    pub asked: Vec<Asked>,
    /// When its size changed, the oldest first.
    pub events: Vec<ScaleEvent>,
    /// Workers that leave, and those that were taken back and do not know it yet.
    pub leaving: BTreeMap<WorkerId, LeavingWorker>,
    /// Until when it gets no more workers, as the last ones have not become ready.
    pub blocked: Option<Blocked>,
    /// How often its workers were taken away.
    pub interruptions: Interruptions,
    /// Workers that it was to have at the last decision.
    pub target: Option<u32>,
    /// When it was last to have more.
    pub grown_ms: Option<u64>,
}

/// How many workers were asked for in some span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// When it began.
    pub from_ms: u64,
    /// When it ended.
    pub to_ms: u64,
    /// Fewest.
    pub least: u32,
    /// Most.
    pub most: u32,
}

/// A change of a group's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleEvent {
    /// When.
    pub at_ms: u64,
    /// By how many workers; negative where it became smaller.
    pub change: i64,
}

/// A worker that leaves, or that was about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeavingWorker {
    /// How far it is.
    pub phase: LeavingPhase,
    /// Why it leaves.
    pub why: WhyLeave,
    /// Since when it is in this phase.
    pub since_ms: u64,
    /// Until when the phase may last.
    pub deadline_ms: u64,
}

/// The way of a worker out of its group.
///
/// ```text
///   Cordoned --head obeys--> Draining --empty--> Drained --pod deleted--> (gone)
///      |  too late              |  work arrives, or too late
///      +------------------------+--> TakenBack --head obeys--> (works again)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeavingPhase {
    /// It is to take no more tasks, and the head has not said that it knows.
    Cordoned,
    /// It ends what runs, and hands over what others have to read.
    Draining,
    /// Nothing is lost with it: its pod is deleted.
    Drained,
    /// It is to take tasks again, and the head has not said that it knows.
    TakenBack,
}

/// Why a worker leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhyLeave {
    /// Nothing needs it.
    Surplus,
    /// Its group has more than `maxReplicas`, or the cluster costs more than `budgetPerHour`.
    Bounds,
    /// Its node takes it away.
    Interrupted,
    /// The cluster goes to sleep.
    Asleep,
}

/// A group that gets no more workers for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// Until when.
    pub until_ms: u64,
    /// For how many seconds: twice as long the next time.
    pub seconds: u64,
}

/// How often workers of a group were taken away. Older ones count less and less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interruptions {
    /// How many.
    pub count: f64,
    /// In how many hours of a worker.
    pub worker_hours: f64,
    /// Up to when it was counted.
    pub counted_ms: u64,
}
