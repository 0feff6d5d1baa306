//! How long workers take from the moment when their pod is made until they work. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

/// Starts of a group that count: the latest. An image that is on its nodes by now, or a node that is bought, shows soon.
const REMEMBERED: usize = 16;

/// What was measured, by group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts {
    groups: BTreeMap<String, VecDeque<f64>>,
    /// Pods that were measured: one that is not ready for a while is not measured again.
    seen: BTreeSet<String>,
}

/// When a pod began to work, as far as its status says.
pub(super) fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|one| one.type_ == "Ready" && one.status == "True")?;
    ready.last_transition_time.as_ref().map(|time| time.0)
}

impl Starts {
    /// Measures those pods of a group that work and were not measured yet. All of the cluster's pods are in `all`.
    pub(crate) fn note(&mut self, group: &str, pods: &[Arc<Pod>]) {
        for pod in pods {
            let Some(uid) = pod.uid().filter(|uid| !self.seen.contains(uid)) else { continue };
            let made = pod.creation_timestamp().map(|time| time.0);
            let Some((made, ready)) = made.zip(ready_since(pod)) else { continue };
            let seconds = ready.duration_since(made).as_secs_f64();
            self.seen.insert(uid);
            let starts = self.groups.entry(group.to_owned()).or_default();
            if starts.len() == REMEMBERED {
                starts.pop_front();
            }
            // Both times are of whole seconds.
            starts.push_back(seconds.max(1.0));
        }
    }

    /// Forgets which pods were measured that are gone.
    pub(crate) fn keep_only(&mut self, pods: &[Arc<Pod>]) {
        let there: BTreeSet<String> = pods.iter().filter_map(|pod| pod.uid()).collect();
        self.seen.retain(|uid| there.contains(uid));
    }

    /// The median of a group's, where something is known.
    pub(crate) fn seconds(&self, group: &str) -> Option<f64> {
        let mut starts: Vec<f64> = self.groups.get(group)?.iter().copied().collect();
        starts.sort_by(f64::total_cmp);
        starts.get(starts.len() / 2).copied()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(number: u32, made: u32, ready: Option<u32>) -> Arc<Pod> {
        let at = |second: u32| format!("2026-11-01T00:{:02}:{:02}Z", second / 60, second % 60);
        let conditions =
            ready.map(|ready| json!([{"type": "Ready", "status": "True", "lastTransitionTime": at(ready)}]));
        serde_json::from_value(json!({
            "metadata": {"name": format!("a-cpu-{number}"), "uid": number.to_string(), "creationTimestamp": at(made)},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    #[test]
    fn the_median_of_the_latest_starts_counts_and_each_pod_once() {
        let mut starts = Starts::default();
        assert_eq!(starts.seconds("cpu"), None);
        starts.note("cpu", &[pod(0, 0, None)]);
        assert_eq!(starts.seconds("cpu"), None, "it does not work yet");
        starts.note("cpu", &[pod(0, 0, Some(3)), pod(1, 0, Some(40)), pod(2, 10, Some(15))]);
        assert_eq!(starts.seconds("cpu"), Some(5.0));
        // It was not ready for a while, and is again.
        starts.note("cpu", &[pod(0, 0, Some(1_000)), pod(1, 0, Some(1_000))]);
        assert_eq!((starts.seconds("cpu"), starts.seconds("gpu")), (Some(5.0), None));
        let later: Vec<_> = (10..30).map(|number| pod(number, 100, Some(120))).collect();
        starts.note("cpu", &later);
        assert_eq!(starts.seconds("cpu"), Some(20.0), "the early ones are forgotten");
        starts.keep_only(&later);
        assert_eq!(
            (starts.seen.len(), starts.seconds("cpu")),
            (20, Some(20.0)),
            "what was measured stays when pods go"
        );
        starts.note("cpu", &[pod(99, 5, Some(5))]);
        assert_eq!(starts.groups["cpu"].back(), Some(&1.0));
    }
}
