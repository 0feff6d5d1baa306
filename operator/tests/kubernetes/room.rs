//! A node for the pods of one test: nothing runs on it, but the scheduler finds it. All other tests have none.

use serde_json::{Value, json};

use crate::api::Namespace;

/// Takes pods that tolerate everything, and goes with the value.
pub(crate) struct Room<'a> {
    namespace: &'a Namespace,
    node: String,
}

impl<'a> Room<'a> {
    pub(crate) fn new(namespace: &'a Namespace) -> Self {
        let node = format!("room-of-{}", namespace.name());
        let taint = json!({"key": "shoal.dev/of-one-test", "effect": "NoSchedule"});
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "spec": {"taints": [taint]}});
        namespace.cluster().apply(&node.to_string()).unwrap();
        let node = node["metadata"]["name"].as_str().unwrap().to_owned();
        let size = json!({"cpu": "64", "memory": "256Gi", "pods": "110"});
        let patch = json!({"status": {
            "capacity": size, "allocatable": size, "conditions": [{"type": "Ready", "status": "True", "reason": "x"}],
        }});
        let patch = format!("--patch={patch}");
        namespace.cluster().kubectl(&["patch", "node", &node, "--subresource=status", &patch]).unwrap();
        Self { namespace, node }
    }

    /// What has a pod be placed there.
    pub(crate) fn template(&self) -> Value {
        json!({"spec": {"tolerations": [{"operator": "Exists"}]}})
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let _ = self.namespace.cluster().kubectl(&["delete", "node", &self.node, "--wait=false"]);
    }
}
