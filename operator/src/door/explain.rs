//! Why a cluster is as large as it is, in words: what the operator has written into its status.

use shoal_core::spec::v1alpha1::status::{AutoscalingStatus, ClusterStatus, ConditionStatus, GroupAutoscaling};
use shoal_core::{Failure, Reason};

use super::decide::Place;
use super::{DoorTo, find_cluster, kubeconfig};
use crate::resources::Kind;
use crate::scaling::METRICS_AVAILABLE;

/// Why a cluster is as large as it is.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// In words, a line each.
    pub lines: Vec<String>,
    /// As the operator has written it.
    pub status: AutoscalingStatus,
}

/// Asks the API server that the kubeconfig leads to why a cluster is as large as it is.
///
/// # Errors
/// As those of a [`super::Door`] up to the cluster; [`Reason::NotPossible`] where others than the operator say how large it
/// is.
pub async fn explain(to: DoorTo) -> Result<Explanation, Failure> {
    let DoorTo { cluster, namespace, context, kubeconfig } = to;
    let (client, default_namespace, _) = kubeconfig::client(kubeconfig.as_deref(), context).await?;
    let place = Place { namespace: namespace.unwrap_or(default_namespace), cluster };
    let found = find_cluster(&client, &place).await?;
    of_status(&place, found.status().cloned().unwrap_or_default())
}

fn of_status(place: &Place, cluster: ClusterStatus) -> Result<Explanation, Failure> {
    let Some(status) = cluster.autoscaling else {
        return Err(Failure::new(Reason::NotPossible, format!("the operator does not say how large {place} is")).next(
            "set `autoscaling.mode: Internal` in its spec where it should; else `kubectl scale shoalworkergroup` does, or \
             what scales its groups explains itself",
        ));
    };
    let mut lines = vec![status.message.clone()];
    for GroupAutoscaling { name, desired, current } in &status.groups {
        lines.push(format!("group {name}: {current} workers of {desired}"));
    }
    if let Some(inputs) = &status.inputs {
        lines.push(format!(
            "work: {} tasks wait ({} slot-seconds), {} run (another {}); slots: {} ready, {} starting",
            inputs.queued_tasks,
            inputs.queued_slot_seconds,
            inputs.running_tasks,
            inputs.running_slot_seconds,
            inputs.ready_slots,
            inputs.starting_slots,
        ));
    }
    let metrics = cluster.conditions.iter().find(|condition| condition.type_ == METRICS_AVAILABLE);
    if let Some(metrics) = metrics.filter(|metrics| metrics.status != ConditionStatus::True) {
        lines.push(format!("metrics: {}: {}", metrics.reason, metrics.message));
    }
    if let Some(at) = &status.decided_at {
        lines.push(format!("decided at {at}; looked at again within {} s", status.next_look_seconds));
    }
    Ok(Explanation { lines, status })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place() -> Place {
        Place { namespace: "team".into(), cluster: "shared".into() }
    }

    #[test]
    fn what_the_status_says_is_told_in_words() {
        let status = serde_json::from_value(json!({
            "conditions": [{"type": "MetricsAvailable", "status": "False", "reason": "MetricsStale",
                "message": "what is told was so 90 s ago", "lastTransitionTime": ""}],
            "autoscaling": {
                "desired": 8, "current": 6, "reason": "Backlog", "message": "8 workers: 340 slot-seconds queued",
                "groups": [{"name": "cpu", "desired": 8, "current": 6}],
                "inputs": {"queuedTasks": 68, "queuedSlotSeconds": 340, "runningTasks": 12, "runningSlotSeconds": 31,
                    "readySlots": 12, "startingSlots": 4},
                "decidedAt": "2026-11-01T00:00:00Z", "nextLookSeconds": 2,
            },
        }));
        let explained = of_status(&place(), status.unwrap()).unwrap();
        assert_eq!(
            explained.lines,
            [
                "8 workers: 340 slot-seconds queued",
                "group cpu: 6 workers of 8",
                "work: 68 tasks wait (340 slot-seconds), 12 run (another 31); slots: 12 ready, 4 starting",
                "metrics: MetricsStale: what is told was so 90 s ago",
                "decided at 2026-11-01T00:00:00Z; looked at again within 2 s",
            ]
        );
    }

    #[test]
    fn a_cluster_that_others_scale_is_told_apart() {
        let failure = of_status(&place(), ClusterStatus::default()).unwrap_err();
        assert_eq!(failure.reason, Reason::NotPossible);
        assert!(failure.next.unwrap().contains("autoscaling.mode: Internal"));
    }
}
