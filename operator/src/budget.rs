//! PodDisruptionBudgets: how many pods may be away at a time for the sake of their nodes. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A budget for the pods that these labels select, of which so many may be away.
///
/// Kubernetes learns how many there should be from the `scale` of the pods' controller. Pods that do not work may always go:
/// otherwise a node could not be drained for a pod that will never be ready on it.
pub(crate) fn budget(
    name: &str,
    labels: &BTreeMap<String, String>,
    selector: &BTreeMap<String, String>,
    max_unavailable: &Value,
) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "maxUnavailable": max_unavailable,
            "selector": {"matchLabels": selector},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    })
}
