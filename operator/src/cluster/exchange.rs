//! How several heads get a new image or template. Pure.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::pod_state::{is_ending, is_ready};

/// Label that Kubernetes gives a StatefulSet's pods: which version of the template they are of.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Of heads that Kubernetes does not exchange by itself, those to go next: first all that stand by; the one that leads, and
/// is the only one that is ready, goes last, once another can take its place.
pub(super) fn next<'a>(set: &StatefulSet, pods: &'a [Arc<Pod>]) -> Vec<&'a Pod> {
    let Some(revision) = revision(set) else { return Vec::new() };
    let is_outdated = |pod: &&Pod| pod.labels().get(REVISION_LABEL) != Some(revision);
    let all: Vec<&Pod> = pods.iter().map(|pod| &**pod).collect();
    let (leading, standing_by): (Vec<&Pod>, Vec<&Pod>) =
        all.iter().filter(|pod| !is_ending(pod)).partition(|pod| is_ready(pod));
    let outdated: Vec<&Pod> = standing_by.iter().copied().filter(is_outdated).collect();
    if !outdated.is_empty() {
        return outdated;
    }
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let can_take_over = standing_by.iter().filter(|pod| has_started(pod)).count();
    let others = usize::try_from(wanted - 1).unwrap_or(0);
    leading.into_iter().filter(is_outdated).filter(|_| can_take_over >= others).collect()
}

/// Whether some of the heads are not of the newest template.
pub(super) fn is_due(set: &StatefulSet, pods: &[Arc<Pod>]) -> bool {
    let Some(revision) = revision(set) else { return false };
    pods.iter().any(|pod| !is_ending(pod) && pod.labels().get(REVISION_LABEL) != Some(revision))
}

/// The version of the template that pods are made of from now on, once Kubernetes has seen the newest one.
fn revision(set: &StatefulSet) -> Option<&String> {
    let strategy = set.spec.as_ref()?.update_strategy.as_ref()?.type_.as_deref();
    let status = set.status.as_ref().filter(|_| strategy == Some("OnDelete"))?;
    status.update_revision.as_ref().filter(|_| status.observed_generation == set.metadata.generation)
}

/// Whether its process lives: one that stands by is never ready.
fn has_started(pod: &Pod) -> bool {
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    containers.is_some_and(|containers| {
        containers.iter().any(|one| one.name == crate::pods::CONTAINER && one.started == Some(true))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(replicas: i32, observed: i64) -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"name": "a-head", "generation": 2},
            "spec": {
                "replicas": replicas, "serviceName": "a-heads", "selector": {}, "template": {},
                "updateStrategy": {"type": "OnDelete"},
            },
            "status": {"replicas": replicas, "updateRevision": "new", "observedGeneration": observed},
        }))
        .unwrap()
    }

    /// A head: `l` leads, `s` stands by, `p` has not started, `e` is ending; in capitals one of the newest template.
    fn pods(short: &str) -> Vec<Arc<Pod>> {
        let pod = |(index, letter): (usize, char)| {
            let kind = letter.to_ascii_lowercase();
            let mut pod = json!({
                "metadata": {
                    "name": format!("a-head-{index}"),
                    "labels": {(REVISION_LABEL): if letter.is_ascii_uppercase() { "new" } else { "old" }},
                },
                "status": {
                    "conditions": [{"type": "Ready", "status": if kind == 'l' { "True" } else { "False" }}],
                    "containerStatuses": [{
                        "name": "shoal", "image": "i", "imageID": "", "restartCount": 0,
                        "ready": kind == 'l', "started": kind != 'p',
                    }],
                },
            });
            if kind == 'e' {
                pod["metadata"]["deletionTimestamp"] = "2026-11-01T00:00:00Z".into();
            }
            Arc::new(serde_json::from_value(pod).unwrap())
        };
        short.chars().enumerate().map(pod).collect()
    }

    #[test]
    fn those_that_stand_by_go_first_and_the_one_that_leads_when_another_can() {
        let cases: [(&str, &[&str], bool); 9] = [
            ("LSS", &[], false),
            ("lss", &["a-head-1", "a-head-2"], true),
            ("lsp", &["a-head-1", "a-head-2"], true),
            ("lSP", &[], true),
            ("lSe", &[], true),
            ("lSS", &["a-head-0"], true),
            ("SlS", &["a-head-1"], true),
            ("eSL", &[], false),
            // Nobody leads: there is nothing to lose.
            ("sss", &["a-head-0", "a-head-1", "a-head-2"], true),
        ];
        for (short, expected, due) in cases {
            let pods = pods(short);
            let next: Vec<String> = next(&set(3, 2), &pods).iter().map(|pod| pod.name_any()).collect();
            assert_eq!(next, expected, "{short}");
            assert_eq!(is_due(&set(3, 2), &pods), due, "{short}");
        }
        assert_eq!(next(&set(1, 2), &pods("l")).len(), 1, "one alone has nobody to wait for");
        assert!(next(&set(3, 1), &pods("lss")).is_empty(), "Kubernetes has not seen the newest template yet");
    }
}
