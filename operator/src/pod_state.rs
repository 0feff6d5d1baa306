//! What a pod's status says. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use kube::ResourceExt;

use crate::pods::CONTAINER;
use crate::python_image::CHECKS;

/// Longest part of another's message that is repeated, in characters.
const MESSAGE_CHARS_MAX: usize = 1024;

/// Whether it was told to end.
pub(crate) fn is_ending(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether it has ended and will not start again, as one does that was evicted or that its node did not take.
pub(crate) fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

/// Whether its probes say that it works.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Why a pod does not work, in a form that does not change from one try of the kubelet to the next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Obstacle {
    /// A name that programs can rely on.
    pub(crate) reason: String,
    /// What it is, and what to look at.
    pub(crate) message: String,
}

/// Why a pod has ended, or does not start.
pub(crate) fn obstacle(pod: &Pod) -> Option<Obstacle> {
    let name = pod.name_any();
    let status = pod.status.as_ref()?;
    if has_ended(pod) {
        let why = status.message.as_deref().or(status.reason.as_deref()).unwrap_or("its node says no more");
        return Some(Obstacle { reason: "PodFailed".into(), message: format!("pod {name} has ended: {}", cut(why)) });
    }
    unscheduled(status).or_else(|| not_running(status, &name))
}

fn unscheduled(status: &PodStatus) -> Option<Obstacle> {
    let scheduled =
        status.conditions.iter().flatten().find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    Some(Obstacle {
        reason: "Unschedulable".into(),
        message: cut(scheduled.message.as_deref().unwrap_or("the scheduler says no more")),
    })
}

fn not_running(status: &PodStatus, pod: &str) -> Option<Obstacle> {
    // Those that come first are ready once they have done their part.
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let container = containers.into_iter().find(|container| !container.ready)?;
    if let Some(found) = found_by_check(container) {
        return Some(found);
    }
    let waiting =
        container.state.as_ref().and_then(|state| state.waiting.as_ref()).and_then(|waiting| waiting.reason.as_deref());
    // The kubelet alternates between two reasons for an image, and between three states for a process that ends.
    let (reason, message) = match waiting {
        Some(
            "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" | "RegistryUnavailable",
        ) => (
            "ImageNotPulled",
            format!("the image {} cannot be pulled: `kubectl describe pod {pod}` says why", container.image),
        ),
        Some("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => {
            ("ContainerNotCreated", format!("a container cannot be made: `kubectl describe pod {pod}` says why"))
        }
        _ if container.restart_count > 0 => ("ContainerEnds", ends(container, pod)),
        _ => return None,
    };
    Some(Obstacle { reason: reason.into(), message })
}

/// What is wrong with a group's `pythonImage`, in the words of the container that looked at it.
fn found_by_check(container: &ContainerStatus) -> Option<Obstacle> {
    let states = [&container.state, &container.last_state].into_iter().flatten();
    let ended = states.filter_map(|state| state.terminated.as_ref()).find(|ended| ended.exit_code != 0)?;
    if container.name != CHECKS {
        return None;
    }
    let said = ended.message.iter().flat_map(|message| message.split_whitespace()).collect::<Vec<_>>().join(" ");
    let said = if said.is_empty() { format!("the check ended with exit code {}", ended.exit_code) } else { said };
    Some(Obstacle {
        reason: "PythonImageUnusable".into(),
        message: cut(&format!("`pythonImage` {} cannot be used: {said}", container.image)),
    })
}

fn ends(container: &ContainerStatus, pod: &str) -> String {
    let ContainerStatus { name, .. } = container;
    let more = if name == CONTAINER { String::new() } else { format!(" --container {name}") };
    format!("the process of `{name}` ends again and again: `kubectl logs {pod} --previous{more}` says why")
}

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "a-cpu-0"}, "status": status})).unwrap()
    }

    fn container(state: &Value, restarts: u32) -> Value {
        json!({"containerStatuses": [{
            "name": "shoal", "image": "registry.invalid/x", "imageID": "", "ready": false, "restartCount": restarts, "state": state,
        }]})
    }

    #[test]
    fn what_keeps_a_pod_from_working_has_one_name_for_as_long_as_it_lasts() {
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "varies"}});
        for (status, expected) in [
            (json!({}), None),
            (json!({"phase": "Pending"}), None),
            (container(&waiting("ContainerCreating"), 0), None),
            (container(&json!({"running": {}}), 0), None),
            (container(&waiting("ErrImagePull"), 0), Some("ImageNotPulled")),
            (container(&waiting("ImagePullBackOff"), 0), Some("ImageNotPulled")),
            (container(&waiting("CreateContainerConfigError"), 0), Some("ContainerNotCreated")),
            (container(&waiting("CrashLoopBackOff"), 1), Some("ContainerEnds")),
            (container(&json!({"terminated": {"exitCode": 1}}), 1), Some("ContainerEnds")),
            (container(&json!({"running": {}}), 1), Some("ContainerEnds")),
            (
                json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]}),
                Some("Unschedulable"),
            ),
            (json!({"conditions": [{"type": "PodScheduled", "status": "True"}]}), None),
            (json!({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}), Some("PodFailed")),
        ] {
            let found = obstacle(&pod(&status)).map(|obstacle| obstacle.reason);
            assert_eq!(found.as_deref(), expected, "{status}");
        }
    }

    #[test]
    fn what_the_check_of_a_python_image_says_is_told_for_as_long_as_it_is_tried_again() {
        let done = json!({
            "name": "shoal-program", "image": "shoal:1", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0}},
        });
        let waits = json!({
            "name": "shoal", "image": "python:3.9", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "PodInitializing"}},
        });
        let check = |state: &Value, last: &Value| {
            json!({
                "name": "python-check", "image": "python:3.9", "imageID": "", "ready": false, "restartCount": 1,
                "state": state, "lastState": last,
            })
        };
        let of = |first: &Value, check: &Value| {
            obstacle(&pod(&json!({"initContainerStatuses": [first, check], "containerStatuses": [waits]})))
        };
        let failed = json!({"terminated": {"exitCode": 2, "message": "error: too old\n  help: another\n"}});
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        for (state, last) in [(&failed, &json!({})), (&waiting, &failed), (&json!({"running": {}}), &failed)] {
            let found = of(&done, &check(state, last)).unwrap();
            assert_eq!(found.reason, "PythonImageUnusable", "{state} {last}");
            assert_eq!(found.message, "`pythonImage` python:3.9 cannot be used: error: too old help: another");
        }
        let mute = of(&done, &check(&json!({"terminated": {"exitCode": 139}}), &json!({}))).unwrap();
        assert!(mute.message.ends_with("the check ended with exit code 139"), "{}", mute.message);
        assert_eq!(
            of(&done, &check(&json!({"waiting": {"reason": "PodInitializing"}}), &json!({}))),
            Some(Obstacle {
                reason: "ContainerEnds".into(),
                message: "the process of `python-check` ends again and again: \
                      `kubectl logs a-cpu-0 --previous --container python-check` says why"
                    .into(),
            }),
            "it was restarted, and nobody knows why"
        );
        // An image that is not there keeps the check from its start.
        let mut first = waits.clone();
        first["name"] = "shoal-program".into();
        first["state"] = json!({"waiting": {"reason": "ErrImagePull"}});
        assert_eq!(of(&first, &check(&json!({}), &json!({}))).unwrap().reason, "ImageNotPulled");
    }

    #[test]
    fn a_pod_is_ready_when_its_probes_say_so() {
        let ready = |status: &str| pod(&json!({"conditions": [{"type": "Ready", "status": status}]}));
        assert!(is_ready(&ready("True")));
        assert!(!is_ready(&ready("False")));
        assert!(!is_ready(&pod(&json!({}))));
    }

    #[test]
    fn what_to_look_at_is_named() {
        let image = obstacle(&pod(&container(&json!({"waiting": {"reason": "ErrImagePull"}}), 0))).unwrap();
        assert_eq!(
            image.message,
            "the image registry.invalid/x cannot be pulled: `kubectl describe pod a-cpu-0` says why"
        );
        let evicted = obstacle(&pod(&json!({"phase": "Failed", "reason": "Evicted"}))).unwrap();
        assert_eq!(evicted.message, "pod a-cpu-0 has ended: Evicted");
    }
}
