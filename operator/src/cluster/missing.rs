//! A head's pod that Kubernetes does not make: a quota, a security standard or the template itself may forbid it, and the
//! StatefulSet tells so in events alone. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::changes::Change;

/// Time for Kubernetes to make the pod of a new StatefulSet: a moment, and some seconds where it has many to make.
const MAKING: Duration = Duration::from_secs(10);

/// How often it is tried whether a pod that is still missing would be taken.
const TRY: Duration = Duration::from_secs(30);

/// What has the API server say why there is no pod, where one should be there by now; and when to look again.
pub(super) fn trial(set: &StatefulSet, pods: &[Arc<Pod>], now: Timestamp) -> (Option<Change>, Option<Duration>) {
    let nothing = (None, None);
    let (Some(spec), Some(made)) = (&set.spec, &set.metadata.creation_timestamp) else { return nothing };
    let there: BTreeSet<String> = pods.iter().map(|pod| pod.name_any()).collect();
    let names = (0..spec.replicas.unwrap_or(1)).map(|ordinal| format!("{}-{ordinal}", set.name_any()));
    let Some(missing) = names.into_iter().find(|name| !there.contains(name)) else { return nothing };
    let age = Duration::try_from(now.duration_since(made.0)).unwrap_or_default();
    match MAKING.checked_sub(age).filter(|left| !left.is_zero()) {
        Some(left) => (None, Some(left)),
        None => (pod(spec, &missing).map(Change::Try), Some(TRY)),
    }
}

/// The pod as the StatefulSet's controller would make it: with the volumes of its claims.
fn pod(spec: &StatefulSetSpec, name: &str) -> Option<Value> {
    let mut pod = serde_json::to_value(&spec.template).ok()?;
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = name.into();
    let claims = spec.volume_claim_templates.iter().flatten().map(|claim| {
        let claim = claim.name_any();
        json!({"name": claim, "persistentVolumeClaim": {"claimName": format!("{claim}-{name}")}})
    });
    let mut volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    volumes.extend(claims);
    pod["spec"]["volumes"] = volumes.into();
    Some(pod)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn set(replicas: i32) -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"name": "a-head", "creationTimestamp": "1970-01-01T00:01:40Z"},
            "spec": {
                "replicas": replicas, "serviceName": "a-head", "selector": {},
                "template": {"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [], "volumes": [{"name": "tls"}]}},
                "volumeClaimTemplates": [{"metadata": {"name": "state"}, "spec": {}}],
            },
        }))
        .unwrap()
    }

    fn pods(names: &[&str]) -> Vec<Arc<Pod>> {
        let pod = |name: &&str| Arc::new(serde_json::from_value(json!({"metadata": {"name": name}})).unwrap());
        names.iter().map(pod).collect()
    }

    #[test]
    fn the_first_pod_that_is_missing_is_tried_once_kubernetes_had_time_to_make_it() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (replicas, there, now, tried, again) in [
            (1, &[][..], 100, None, seconds(10)),
            (1, &[], 107, None, seconds(3)),
            (1, &[], 110, Some("a-head-0"), Some(TRY)),
            (1, &["a-head-0"], 110, None, None),
            (0, &[], 110, None, None),
            (3, &["a-head-0", "a-head-2"], 500, Some("a-head-1"), Some(TRY)),
            // The clock of the API server is ahead.
            (1, &[], 90, None, seconds(10)),
        ] {
            let now = Timestamp::from_second(now).unwrap();
            let (change, look) = trial(&set(replicas), &pods(there), now);
            let name = change.map(|change| match change {
                Change::Try(pod) => pod["metadata"]["name"].as_str().unwrap().to_owned(),
                other => panic!("nothing is to be written: {other:?}"),
            });
            assert_eq!((name.as_deref(), look), (tried, again), "{replicas} {there:?} {now}");
        }
    }

    #[test]
    fn it_is_the_pod_that_the_controller_would_make() {
        let pod = pod(set(1).spec.as_ref().unwrap(), "a-head-0").unwrap();
        assert_eq!((&pod["kind"], &pod["metadata"]["labels"]["x"]), (&json!("Pod"), &json!("y")));
        assert_eq!(
            pod["spec"]["volumes"],
            json!([{"name": "tls"}, {"name": "state", "persistentVolumeClaim": {"claimName": "state-a-head-0"}}])
        );
    }
}
