//! NetworkPolicies of a cluster: who may connect to its pods. Pure.
//!
//! Only what comes in is restricted. What goes out is free: object stores, DNS and etcd are wherever their users say.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::names::{self, HEAD_REST_PORT, HEAD_WORKERS_PORT, WORKER_FLIGHT_PORT, WORKER_HTTP_PORT};

/// Label of a namespace whose pods may ask heads over REST, and scrape metrics: a user's or a monitoring system's.
pub(crate) const CLIENTS_LABEL: &str = "shoal.dev/clients";

/// Labels of the operator's own pods, as the chart has them.
const OPERATOR_LABELS: [(&str, &str); 1] = [("app.kubernetes.io/name", "shoal-operator")];

/// The policies of a cluster, its heads' first. The operator runs in `operator_namespace`.
pub(crate) fn of_cluster(cluster: &str, operator_namespace: &str) -> [Value; 2] {
    let of_component =
        |component: &str| json!({"podSelector": {"matchLabels": names::component_selector(cluster, component)}});
    let (heads, workers) = (of_component("head"), of_component("worker"));
    let operator = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": operator_namespace}},
        "podSelector": {"matchLabels": BTreeMap::from(OPERATOR_LABELS)},
    });
    // Whoever is in the cluster's own namespace may read its Secrets' mounts anyway, and shows a token all the same.
    let neighbours = json!({"podSelector": {}});
    let clients = json!({"namespaceSelector": {"matchLabels": {(CLIENTS_LABEL): "true"}}});
    let rule = |from: Vec<&Value>, ports: &[u16]| {
        let ports: Vec<Value> = ports.iter().map(|port| json!({"protocol": "TCP", "port": port})).collect();
        json!({"from": from, "ports": ports})
    };
    [
        policy(
            cluster,
            "head",
            vec![
                rule(vec![&heads, &workers, &operator], &[HEAD_REST_PORT, HEAD_WORKERS_PORT]),
                rule(vec![&neighbours, &clients], &[HEAD_REST_PORT]),
            ],
        ),
        policy(
            cluster,
            "worker",
            vec![rule(vec![&workers], &[WORKER_FLIGHT_PORT]), rule(vec![&neighbours, &clients], &[WORKER_HTTP_PORT])],
        ),
    ]
}

fn policy(cluster: &str, component: &str, ingress: Vec<Value>) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": names::policy(cluster, component), "labels": names::labels(cluster)},
        "spec": {
            "podSelector": {"matchLabels": names::component_selector(cluster, component)},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    })
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
