//! What a cluster consists of. Pure.

use kube::ResourceExt;
use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::{
    API_VERSION, ClusterSpec, HeadSpec, WORKER_GROUP_KIND, WorkerGroupEntry, WorkerGroupSpec,
};

use crate::names::{self, HEAD_REST_PORT, HEAD_WORKERS_PORT};
use crate::pods::{self, Process};
use crate::resources::{Kind, ShoalWorkerGroup};

/// Where the head's volume is mounted.
const STATE_DIR: &str = "/var/lib/shoal";

/// Time for a head to give the lead up and to end.
const HEAD_GRACE_SECONDS: u64 = 30;

/// The Service that clients, workers and the operator find the head by. Headless: there is one head, and a name that
/// leads to its pod at once costs no hop.
pub(super) fn service(cluster: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": names::head(cluster), "labels": names::labels(cluster)},
        "spec": {
            "clusterIP": "None",
            "selector": names::head_selector(cluster),
            // A head that does not lead yet answers that itself.
            "publishNotReadyAddresses": true,
            "ports": [
                {"name": "rest", "port": HEAD_REST_PORT, "targetPort": HEAD_REST_PORT},
                {"name": "workers", "port": HEAD_WORKERS_PORT, "targetPort": HEAD_WORKERS_PORT},
            ],
        },
    })
}

/// The token that everyone shows who speaks to the cluster. Made once, and never changed by the operator.
pub(super) fn token(cluster: &str, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": names::token(cluster), "labels": names::labels(cluster)},
        "type": "Opaque",
        "stringData": {"token": token},
    })
}

/// The head. A StatefulSet never runs two pods of one name, which the volume could not bear.
pub(super) fn head(cluster: &str, spec: &ClusterSpec, image: &str) -> Value {
    let HeadSpec { resources, state, template } = &spec.head;
    let mut labels = names::labels(cluster);
    labels.extend(names::head_selector(cluster));
    let state_dir = if state.ephemeral.is_some() { pods::SCRATCH_DIR } else { STATE_DIR };
    let mut arguments = vec![
        "head".to_owned(),
        format!("--listen=0.0.0.0:{HEAD_REST_PORT}"),
        format!("--workers-listen=0.0.0.0:{HEAD_WORKERS_PORT}"),
        format!("--state-dir={state_dir}/state"),
    ];
    arguments.extend(spec.storage.shared_volumes.iter().map(|volume| format!("--allow-local={}", volume.mount_path)));
    let mut pod = pods::template(&Process {
        cluster,
        labels: labels.clone(),
        image,
        arguments,
        resources,
        storage: &spec.storage,
        service_account_name: spec.service_account_name.as_deref(),
        http_port: HEAD_REST_PORT,
        ports: vec![("rest", HEAD_REST_PORT), ("workers", HEAD_WORKERS_PORT)],
        grace_seconds: HEAD_GRACE_SECONDS,
        template: template.as_ref(),
    });
    let mut claims = Vec::new();
    if state.ephemeral.is_none() {
        let volume = state.volume.clone().unwrap_or_default();
        let mut claim = json!({
            "metadata": {"name": "state"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": volume.size}}},
        });
        if let Some(class) = volume.storage_class_name {
            claim["spec"]["storageClassName"] = class.into();
        }
        claims.push(claim);
        if let Some(mounts) = pod.pointer_mut("/spec/containers/0/volumeMounts").and_then(Value::as_array_mut) {
            mounts.push(json!({"name": "state", "mountPath": STATE_DIR}));
        }
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": names::head(cluster), "labels": labels, "annotations": {(names::HASH_ANNOTATION): head_hash(spec, image)},
        },
        "spec": {
            "replicas": u32::from(!spec.suspend),
            "serviceName": names::head(cluster),
            // With the other policy a pod that never gets ready would keep the one from its place that mends it.
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": names::head_selector(cluster)},
            "template": pod,
            "volumeClaimTemplates": claims,
            // The state of a cluster that is gone is of no use to another of its name.
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
        },
    })
}

/// Hash of all that the user set of the head.
pub(super) fn head_hash(spec: &ClusterSpec, image: &str) -> String {
    pods::settings_hash(&json!({
        "image": image,
        "storage": spec.storage,
        "serviceAccountName": spec.service_account_name,
        "head": spec.head,
    }))
}

/// The group of an entry, but for its `replicas`: see [`replicas`].
pub(super) fn group(cluster: &str, spec: &ClusterSpec, entry: &WorkerGroupEntry, image: &str) -> Value {
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
            "storage": spec.storage,
            "resources": entry.resources,
        },
    });
    if let Some(account) = &spec.service_account_name {
        group["spec"]["serviceAccountName"] = account.as_str().into();
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
