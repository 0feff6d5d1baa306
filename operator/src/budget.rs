//! PodDisruptionBudgets: how many pods may be away at a time for the sake of their nodes. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::changes::{Change, Reference};

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

/// What makes a budget of that owner be as wanted. A user's budget under that name is left alone, and takes its place: two
/// for one pod would keep it from being evicted at all.
pub(crate) fn change(found: Option<&PodDisruptionBudget>, owner_uid: Option<&str>, wanted: Value) -> Option<Change> {
    let Some(found) = found else { return Some(Change::Create(wanted)) };
    let is_own = found.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == owner_uid);
    let is_as_wanted = serde_json::to_value(&found.spec).is_ok_and(|spec| spec == wanted["spec"]);
    (is_own && !is_as_wanted).then(|| Change::Merge(Reference::of(found), json!({"spec": wanted["spec"]})))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::names;

    #[test]
    fn a_budget_is_made_and_changed_and_another_owners_is_left_alone() {
        let wanted = |max| budget("a-cpu", &names::labels("a"), &names::group_selector("a", "cpu"), &max);
        assert_eq!(change(None, Some("g"), wanted(json!("10%"))), Some(Change::Create(wanted(json!("10%")))));
        let found = |owner: &str| -> PodDisruptionBudget {
            let mut found = wanted(json!("10%"));
            found["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "v1", "kind": "K", "name": "a-cpu", "uid": owner}]);
            serde_json::from_value(found).unwrap()
        };
        assert_eq!(change(Some(&found("g")), Some("g"), wanted(json!("10%"))), None);
        let Some(Change::Merge(reference, patch)) = change(Some(&found("g")), Some("g"), wanted(json!(2))) else {
            panic!("a change is expected");
        };
        assert_eq!((reference.plural.as_str(), &patch["spec"]["maxUnavailable"]), ("poddisruptionbudgets", &json!(2)));
        assert_eq!(change(Some(&found("before")), Some("g"), wanted(json!(2))), None);
    }
}
