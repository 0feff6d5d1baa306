//! What a cluster consists of. Pure.

use kube::ResourceExt;
use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::{
    API_VERSION, ClusterSpec, Storage, WORKER_GROUP_KIND, WorkerGroupEntry, WorkerGroupSpec,
};

use super::head;
use crate::names;
use crate::resources::{Kind, ShoalWorkerGroup};
use crate::token::TOKEN_KEY;

/// The token that everyone shows who speaks to the cluster. Made once, and never changed by the operator.
pub(super) fn token(cluster: &str, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": names::token(cluster), "labels": names::labels(cluster)},
        "type": "Opaque",
        "stringData": {(TOKEN_KEY): token},
    })
}

/// The group of an entry, but for its `replicas`: see [`replicas`].
pub(super) fn group(
    cluster: &str,
    spec: &ClusterSpec,
    entry: &WorkerGroupEntry,
    image: &str,
    tls_secret: Option<&str>,
) -> Value {
    let mut labels = names::labels(cluster);
    labels.insert(names::GROUP_LABEL.to_owned(), entry.name.clone());
    let mut group = json!({
        "apiVersion": API_VERSION,
        "kind": WORKER_GROUP_KIND,
        "metadata": {"name": names::group(cluster, &entry.name), "labels": labels},
        "spec": {
            "clusterName": cluster,
            "suspend": spec.suspend,
            "image": image,
            // Where copies of jobs go concerns the head alone: a change of it restarts no worker.
            "storage": Storage { uri: None, ..spec.storage.clone() },
            "heads": head::count(&spec.head),
            "maxUnavailable": entry.max_unavailable,
            "resources": entry.resources,
        },
    });
    if let Some(account) = &spec.service_account_name {
        group["spec"]["serviceAccountName"] = account.as_str().into();
    }
    if let Some(secret) = tls_secret {
        group["spec"]["tlsSecretName"] = secret.into();
    }
    if let Some(template) = &entry.template {
        group["spec"]["template"] = Value::Object(template.0.clone());
    }
    group
}

/// Whether a group is what [`group`] makes of its entry.
pub(super) fn is_as(group: &ShoalWorkerGroup, wanted: &Value) -> bool {
    let spec = |value: &Value| {
        serde_json::from_value::<WorkerGroupSpec>(value.clone()).map(|spec| WorkerGroupSpec { replicas: 0, ..spec })
    };
    let labels = wanted["metadata"]["labels"].as_object().into_iter().flatten();
    let has_labels = labels
        .map(|(name, value)| (name, value.as_str()))
        .all(|(name, value)| group.labels().get(name).map(String::as_str) == value);
    has_labels && matches!((spec(group.raw_spec()), spec(&wanted["spec"])), (Ok(found), Ok(wanted)) if found == wanted)
}

/// What the entry's `replicas` were when they were last written to the group: only a change of the entry is written
/// again, so that whoever else scales the group is not fought.
const REPLICAS_ANNOTATION: &str = "shoal.dev/entry-replicas";

/// The patch that gives a group the `replicas` of its entry, where the entry has changed since that was done. Not a part
/// of what is applied: what an apply leaves out, it takes away.
pub(super) fn replicas(entry: &WorkerGroupEntry, group: Option<&ShoalWorkerGroup>) -> Option<Value> {
    let written = group.and_then(|group| group.annotations().get(REPLICAS_ANNOTATION));
    let wanted = entry.replicas.to_string();
    (written != Some(&wanted)).then(
        || json!({"metadata": {"annotations": {(REPLICAS_ANNOTATION): wanted}}, "spec": {"replicas": entry.replicas}}),
    )
}
