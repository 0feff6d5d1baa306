//! What is to be done. Every list is a state to be brought about and not a step: who carries it out again does no harm.

use super::history::{LeavingPhase, WhyLeave};
use super::report::ClusterReport;
use crate::id::WorkerId;

/// What is to be done about a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Whether it has pods.
    pub size: ClusterSize,
    /// What is to be done about each group, in the order of the policy.
    pub groups: Vec<GroupDecision>,
    /// Why.
    pub report: ClusterReport,
}

impl Decision {
    /// What is to be done about a group.
    pub fn group(&self, name: &str) -> Option<&GroupDecision> {
        self.groups.iter().find(|group| group.name == name)
    }
}

/// Whether a cluster has pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterSize {
    /// It has a head, and as many workers as its groups shall have.
    Awake,
    /// It has no workers, and keeps its head, whose state would go with it.
    HeadOnly,
    /// It has no pods.
    Asleep,
}

/// What is to be done about a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDecision {
    /// Its name.
    pub name: String,
    /// Workers that work or start, those that leave not counted.
    pub current: u32,
    /// Workers that shall.
    pub target: u32,
    /// Pods that there shall be: `replicas` of its ShoalWorkerGroup. `target`, and those that leave and are still there.
    pub replicas: u32,
    /// Workers that shall take no more tasks and hand over what they hold.
    pub drain: Vec<Leaving>,
    /// Workers that drain, and shall take tasks again.
    pub take_back: Vec<WorkerId>,
    /// Workers whose pods shall be deleted, now: `replicas` does not count them.
    pub delete: Vec<WorkerId>,
}

/// A worker that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Who.
    pub worker: WorkerId,
    /// How far it is.
    pub phase: LeavingPhase,
    /// Why it leaves.
    pub why: WhyLeave,
    /// Until when the phase may last.
    pub deadline_ms: u64,
}
