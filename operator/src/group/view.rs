//! What is said of a group of workers. Pure.

use k8s_openapi::jiff::Timestamp;
use shoal_core::spec::v1alpha1::status::WorkerGroupStatus;

use crate::conditions::{Fact, conditions};
use crate::pod_state::Obstacle;
use crate::resources::{Kind, ShoalWorkerGroup};
use crate::trouble::Refusal;

/// A group's pods, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    pub(super) wanted: u32,
    pub(super) live: u32,
    pub(super) ready: u32,
    /// Those that are as the spec has them now.
    pub(super) updated: u32,
    /// Whether pods that are not stay because jobs run on them.
    pub(super) waits_for_jobs: bool,
    pub(super) selector: String,
    /// Why the spec cannot be read.
    pub(super) unreadable: Option<String>,
    /// What the last pod that failed had, while no other is made for it.
    pub(super) failing: Option<String>,
    /// Why one of the live pods does not work.
    pub(super) obstacle: Option<Obstacle>,
}

impl View {
    /// What to say, where the API server has refused this.
    pub(super) fn status(
        self,
        group: &ShoalWorkerGroup,
        refusal: Option<Refusal>,
        now: Timestamp,
    ) -> WorkerGroupStatus {
        let before = group.status().cloned().unwrap_or_default();
        let generation = group.metadata.generation;
        let facts = vec![self.readiness(refusal.as_ref()), self.progress(), self.failure(refusal)];
        WorkerGroupStatus {
            observed_generation: generation,
            replicas: self.live,
            ready_replicas: self.ready,
            updated_replicas: self.updated,
            selector: self.selector,
            conditions: conditions(&before.conditions, facts, generation, now),
        }
    }

    fn counted(&self) -> String {
        format!("{} of {} workers are ready", self.ready, self.wanted)
    }

    fn readiness(&self, refusal: Option<&Refusal>) -> Fact {
        let counted = self.counted();
        let not_ready = |reason: &str, why: &str| Fact::new("Ready", false, reason, format!("{counted}; {why}"));
        if let Some(message) = &self.unreadable {
            return Fact::new("Ready", false, "InvalidSpec", message.clone());
        }
        if self.ready >= self.wanted {
            return Fact::new("Ready", true, "Ready", counted);
        }
        match (refusal, &self.failing, &self.obstacle) {
            (Some(refusal), ..) => not_ready(refusal.reason, &refusal.message),
            (None, Some(message), _) => not_ready("PodFailed", message),
            (None, None, Some(obstacle)) => not_ready(&obstacle.reason, &obstacle.message),
            (None, None, None) => Fact::new("Ready", false, "PodsStarting", counted),
        }
    }

    fn progress(&self) -> Fact {
        let View { wanted, live, ready, updated, .. } = *self;
        let is_settled = live == wanted && ready == wanted && updated == live;
        let fact = |holds, reason: &str, message: String| Fact::new("Progressing", holds, reason, message);
        match (self.waits_for_jobs, is_settled) {
            (true, _) => fact(
                true,
                "WaitingForJobs",
                "pods with the new image or template follow once no job is unfinished".to_owned(),
            ),
            (false, true) => fact(false, "Settled", self.counted()),
            (false, false) => fact(true, "PodsChanging", self.counted()),
        }
    }

    fn failure(&self, refusal: Option<Refusal>) -> Fact {
        match (refusal, &self.failing) {
            (Some(Refusal { reason, message }), _) => Fact::new("ReplicaFailure", true, reason, message),
            (None, Some(message)) => Fact::new("ReplicaFailure", true, "PodFailed", message.clone()),
            (None, None) => Fact::new("ReplicaFailure", false, "NoFailure", ""),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_say_why_workers_are_missing() {
        let group: ShoalWorkerGroup =
            serde_json::from_value(json!({"metadata": {"name": "a-cpu", "generation": 3}, "spec": {}})).unwrap();
        let view = |wanted, live, ready, updated| View { wanted, live, ready, updated, ..View::default() };
        let refusal = Refusal { reason: "QuotaExceeded", message: "pods=2".into() };
        let obstacle = Obstacle { reason: "ImageNotPulled".into(), message: "no such image".into() };
        for (view, refusal, expected) in [
            (
                view(0, 0, 0, 0),
                None,
                ["Ready=True Ready", "Progressing=False Settled", "ReplicaFailure=False NoFailure"],
            ),
            (
                view(2, 2, 2, 2),
                None,
                ["Ready=True Ready", "Progressing=False Settled", "ReplicaFailure=False NoFailure"],
            ),
            (
                view(2, 3, 2, 3),
                None,
                ["Ready=True Ready", "Progressing=True PodsChanging", "ReplicaFailure=False NoFailure"],
            ),
            (
                view(2, 2, 1, 2),
                None,
                ["Ready=False PodsStarting", "Progressing=True PodsChanging", "ReplicaFailure=False NoFailure"],
            ),
            (
                View { waits_for_jobs: true, ..view(2, 2, 2, 0) },
                None,
                ["Ready=True Ready", "Progressing=True WaitingForJobs", "ReplicaFailure=False NoFailure"],
            ),
            (
                view(4, 2, 2, 2),
                Some(refusal),
                ["Ready=False QuotaExceeded", "Progressing=True PodsChanging", "ReplicaFailure=True QuotaExceeded"],
            ),
            (
                View { obstacle: Some(obstacle), ..view(1, 1, 0, 1) },
                None,
                ["Ready=False ImageNotPulled", "Progressing=True PodsChanging", "ReplicaFailure=False NoFailure"],
            ),
            (
                View { failing: Some("evicted".into()), ..view(1, 0, 0, 0) },
                None,
                ["Ready=False PodFailed", "Progressing=True PodsChanging", "ReplicaFailure=True PodFailed"],
            ),
            (
                View { unreadable: Some("no such field".into()), ..View::default() },
                None,
                ["Ready=False InvalidSpec", "Progressing=False Settled", "ReplicaFailure=False NoFailure"],
            ),
        ] {
            let status = view.clone().status(&group, refusal, Timestamp::UNIX_EPOCH);
            let said: Vec<_> =
                status.conditions.iter().map(|one| format!("{}={:?} {}", one.type_, one.status, one.reason)).collect();
            assert_eq!(said, expected, "{view:?}");
            assert_eq!(status.observed_generation, Some(3));
        }
    }
}
