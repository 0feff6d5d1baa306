//! Names and labels of what the operator makes. All of them follow from the names of what a user made, so that a second
//! operator, or the same one after a crash, makes the same object and no other.

use std::collections::BTreeMap;

/// Who says so in `managedFields`.
pub(crate) const FIELD_MANAGER: &str = "shoal-operator";

/// Label with the name of the cluster.
pub(crate) const CLUSTER_LABEL: &str = "shoal.dev/cluster";

/// Label with the name of the worker group within its cluster.
pub(crate) const GROUP_LABEL: &str = "shoal.dev/worker-group";

/// Label with what a pod is: `head` or `worker`.
pub(crate) const COMPONENT_LABEL: &str = "shoal.dev/component";

/// Annotation of a pod with the hash of what the user set.
pub(crate) const HASH_ANNOTATION: &str = "shoal.dev/spec-hash";

/// Annotation of a job that lets it go although its head cannot be asked to cancel it.
pub(crate) const FORCE_ANNOTATION: &str = "shoal.dev/force-delete";

/// Finalizer of jobs: the head is told to cancel before the job is gone.
pub(crate) const CANCEL_FINALIZER: &str = "shoal.dev/cancel";

/// Ports of the head: REST, and workers with jobs of the operator.
pub(crate) const HEAD_REST_PORT: u16 = 7370;
/// See [`HEAD_REST_PORT`].
pub(crate) const HEAD_WORKERS_PORT: u16 = 7371;

/// Ports of a worker: Flight, and probes with metrics.
pub(crate) const WORKER_FLIGHT_PORT: u16 = 7372;
/// See [`WORKER_FLIGHT_PORT`].
pub(crate) const WORKER_HTTP_PORT: u16 = 7373;

/// The head's StatefulSet and Service.
pub(crate) fn head(cluster: &str) -> String {
    format!("{cluster}-head")
}

/// The Service that gives each of several heads a name: `POD.SERVICE`.
pub(crate) fn heads(cluster: &str) -> String {
    format!("{cluster}-heads")
}

/// The Secret with the cluster's token.
pub(crate) fn token(cluster: &str) -> String {
    format!("{cluster}-token")
}

/// The Secret with the cluster's certificate, where the operator or cert-manager keeps it.
pub(crate) fn tls(cluster: &str) -> String {
    format!("{cluster}-tls")
}

/// What all processes of a cluster are known by to each other, wherever they run.
pub(crate) fn tls_name(cluster: &str, namespace: &str) -> String {
    format!("{cluster}.{namespace}.shoal")
}

/// The NetworkPolicy of a cluster's heads or workers.
pub(crate) fn policy(cluster: &str, component: &str) -> String {
    format!("{cluster}-{component}")
}

/// The ShoalWorkerGroup of an entry.
pub(crate) fn group(cluster: &str, entry: &str) -> String {
    format!("{cluster}-{entry}")
}

/// What the names of all objects begin with that belong to an object of that name; of others as well, as a rule.
pub(crate) fn beginning_of_children(name: &str) -> String {
    format!("{name}-")
}

/// A pod of a group.
pub(crate) fn worker(group: &str, ordinal: u32) -> String {
    format!("{group}-{ordinal}")
}

/// The ordinal in the name of a group's pod.
pub(crate) fn ordinal(group: &str, pod: &str) -> Option<u32> {
    pod.strip_prefix(group)?.strip_prefix('-')?.parse().ok()
}

/// Labels of everything that belongs to a cluster.
pub(crate) fn labels(cluster: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "shoal"),
        ("app.kubernetes.io/instance", cluster),
        ("app.kubernetes.io/managed-by", FIELD_MANAGER),
        (CLUSTER_LABEL, cluster),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Labels that select the head's pods.
pub(crate) fn head_selector(cluster: &str) -> BTreeMap<String, String> {
    component_selector(cluster, "head")
}

/// Labels that select all pods of a cluster that are such.
pub(crate) fn component_selector(cluster: &str, component: &str) -> BTreeMap<String, String> {
    selector(&[(CLUSTER_LABEL, cluster), (COMPONENT_LABEL, component)])
}

/// Labels that select a group's pods.
pub(crate) fn group_selector(cluster: &str, entry: &str) -> BTreeMap<String, String> {
    selector(&[(CLUSTER_LABEL, cluster), (COMPONENT_LABEL, "worker"), (GROUP_LABEL, entry)])
}

fn selector(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A selector as text, as autoscalers ask for it.
pub(crate) fn selector_text(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_ordinal_is_read_from_its_name() {
        assert_eq!(ordinal("shared-cpu", &worker("shared-cpu", 12)), Some(12));
        assert_eq!(ordinal("shared-cpu", "shared-cpu-gpu-1"), None);
        assert_eq!(ordinal("shared-cpu", "other-1"), None);
    }

    #[test]
    fn a_selector_is_written_as_kubectl_takes_it() {
        assert_eq!(
            selector_text(&group_selector("shared", "cpu")),
            "shoal.dev/cluster=shared,shoal.dev/component=worker,shoal.dev/worker-group=cpu"
        );
    }
}
