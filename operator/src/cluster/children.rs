//! What a cluster consists of. Pure.

use std::collections::BTreeMap;

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

/// What the entry's `replicas` were when they were last written to the group: only a change of the entry is written
/// again, so that whoever else scales the group is not fought.
const REPLICAS_ANNOTATION: &str = "shoal.dev/entry-replicas";

/// The group of an entry, where there is that one now: as large as it is, unless the entry's `replicas` have changed.
///
/// Of a group that is there the version is named that was looked at: somebody who scales it at that moment would be
/// overwritten.
pub(super) fn group(
    cluster: &str,
    spec: &ClusterSpec,
    entry: &WorkerGroupEntry,
    image: &str,
    tls_secret: Option<&str>,
    found: Option<&ShoalWorkerGroup>,
) -> Value {
    let mut labels = names::labels(cluster);
    labels.insert(names::GROUP_LABEL.to_owned(), entry.name.clone());
    let entrys = entry.replicas.to_string();
    let is_written = |group: &&ShoalWorkerGroup| group.annotations().get(REPLICAS_ANNOTATION) == Some(&entrys);
    let replicas = found.filter(is_written).and_then(|group| Some(group.spec().ok()?.replicas));
    let mut group = json!({
        "apiVersion": API_VERSION,
        "kind": WORKER_GROUP_KIND,
        "metadata": {
            "name": names::group(cluster, &entry.name),
            "labels": labels,
            "annotations": {(REPLICAS_ANNOTATION): entrys},
        },
        "spec": {
            "replicas": replicas.unwrap_or(entry.replicas),
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
    if let Some(version) = found.and_then(ResourceExt::resource_version) {
        group["metadata"]["resourceVersion"] = version.into();
    }
    if let Some(account) = &spec.service_account_name {
        group["spec"]["serviceAccountName"] = account.as_str().into();
    }
    if let Some(secret) = tls_secret {
        group["spec"]["tlsSecretName"] = secret.into();
    }
    if let Some(image) = &entry.python_image {
        group["spec"]["pythonImage"] = image.as_str().into();
    }
    if let Some(template) = &entry.template {
        group["spec"]["template"] = Value::Object(template.0.clone());
    }
    group
}

/// Whether a group is what [`group`] makes of its entry.
pub(super) fn is_as(group: &ShoalWorkerGroup, wanted: &Value) -> bool {
    let spec = |value: &Value| serde_json::from_value::<WorkerGroupSpec>(value.clone());
    let has = |field: &str, found: &BTreeMap<String, String>| {
        let wanted = wanted["metadata"][field].as_object().into_iter().flatten();
        wanted
            .map(|(name, value)| (name, value.as_str()))
            .all(|(name, value)| found.get(name).map(String::as_str) == value)
    };
    has("labels", group.labels())
        && has("annotations", group.annotations())
        && matches!((spec(group.raw_spec()), spec(&wanted["spec"])), (Ok(found), Ok(wanted)) if found == wanted)
}
