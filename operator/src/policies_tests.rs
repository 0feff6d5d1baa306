#![allow(clippy::unwrap_used)]

use super::*;

/// A pod, or whatever else connects.
#[derive(Clone, Debug)]
struct Pod {
    namespace: &'static str,
    labels: BTreeMap<String, String>,
}

fn pod(namespace: &'static str, labels: &[(&str, &str)]) -> Pod {
    Pod { namespace, labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect() }
}

fn of_cluster_pod(cluster: &str, component: &str) -> Pod {
    Pod { namespace: "research", labels: names::component_selector(cluster, component) }
}

/// Labels of namespaces.
fn namespace_labels(namespace: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
    if namespace == "monitoring" {
        labels.insert(CLIENTS_LABEL.to_owned(), "true".to_owned());
    }
    labels
}

fn matches(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    // Whatever else a selector may say is not used here, and must not be passed over.
    assert!(selector.as_object().unwrap().keys().all(|key| key == "matchLabels"), "{selector}");
    let wanted = selector["matchLabels"].as_object().into_iter().flatten();
    wanted
        .map(|(name, value)| (name, value.as_str()))
        .all(|(name, value)| labels.get(name).map(String::as_str) == value)
}

/// What Kubernetes says of a connection, where all these policies are in the namespace `research`: a pod that no policy
/// selects takes every one, and another those that one of its policies has a rule for.
fn allows(policies: &[Value], from: &Pod, to: &Pod, port: u16) -> bool {
    let selecting: Vec<&Value> = policies
        .iter()
        .filter(|policy| to.namespace == "research" && matches(&policy["spec"]["podSelector"], &to.labels))
        .collect();
    if selecting.is_empty() {
        return true;
    }
    let is_peer = |peer: &Value| {
        let in_namespace = match peer.get("namespaceSelector") {
            Some(selector) => matches(selector, &namespace_labels(from.namespace)),
            None => from.namespace == "research",
        };
        in_namespace && peer.get("podSelector").is_none_or(|selector| matches(selector, &from.labels))
    };
    let applies = |rule: &Value| {
        rule["from"].as_array().unwrap().iter().any(is_peer)
            && rule["ports"].as_array().unwrap().iter().any(|one| one["port"] == port && one["protocol"] == "TCP")
    };
    selecting.iter().any(|policy| policy["spec"]["ingress"].as_array().unwrap().iter().any(applies))
}

#[test]
fn what_has_to_be_reached_is_and_nothing_else() {
    let policies = of_cluster("a", "shoal-system");
    let (head, worker) = (of_cluster_pod("a", "head"), of_cluster_pod("a", "worker"));
    let (other_head, other_worker) = (of_cluster_pod("b", "head"), of_cluster_pod("b", "worker"));
    let operator =
        pod("shoal-system", &[("app.kubernetes.io/name", "shoal-operator"), ("app.kubernetes.io/instance", "shoal")]);
    let impostor = pod("default", &[("app.kubernetes.io/name", "shoal-operator")]);
    let beside_operator = pod("shoal-system", &[("app", "x")]);
    let notebook = pod("research", &[("app", "notebook")]);
    let prometheus = pod("monitoring", &[("app", "prometheus")]);
    let stranger = pod("default", &[("app", "x")]);
    let (rest, workers_port, flight, http) = (HEAD_REST_PORT, HEAD_WORKERS_PORT, WORKER_FLIGHT_PORT, WORKER_HTTP_PORT);
    for (who, from, to, port, expected) in [
        ("a worker asks where the head is", &worker, &head, rest, true),
        ("a worker joins", &worker, &head, workers_port, true),
        ("a head asks another", &head, &head, rest, true),
        ("the operator submits", &operator, &head, workers_port, true),
        ("workers read from each other", &worker, &worker, flight, true),
        ("a notebook beside the cluster submits", &notebook, &head, rest, true),
        ("metrics of the head are scraped", &prometheus, &head, rest, true),
        ("metrics of a worker are scraped", &prometheus, &worker, http, true),
        ("a notebook joins as a worker", &notebook, &head, workers_port, false),
        ("a notebook reads partitions", &notebook, &worker, flight, false),
        ("another cluster's worker joins", &other_worker, &head, workers_port, false),
        ("another cluster's worker reads partitions", &other_worker, &worker, flight, false),
        ("a head reads partitions", &head, &worker, flight, false),
        ("the operator reads partitions", &operator, &worker, flight, false),
        ("monitoring submits as an operator", &prometheus, &head, workers_port, false),
        ("monitoring reads partitions", &prometheus, &worker, flight, false),
        ("somebody else asks the head", &stranger, &head, rest, false),
        ("somebody else joins", &stranger, &head, workers_port, false),
        ("somebody else asks a worker", &stranger, &worker, http, false),
        ("somebody with the operator's labels elsewhere", &impostor, &head, workers_port, false),
        ("somebody beside the operator", &beside_operator, &head, workers_port, false),
        ("a port that is none", &worker, &head, 22, false),
        // They are not this cluster's, and their policies are not here.
        ("another cluster is not touched", &stranger, &other_head, rest, true),
        ("a neighbour is not touched", &stranger, &notebook, 8888, true),
    ] {
        assert_eq!(allows(&policies, from, to, port), expected, "{who}: {from:?} -> {to:?}:{port}");
    }
}

#[test]
fn what_goes_out_is_free() {
    for policy in of_cluster("a", "shoal-system") {
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]));
        assert!(policy["spec"].get("egress").is_none());
    }
}
