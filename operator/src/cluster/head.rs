//! A cluster's heads: their pods, and the Services that find them. Pure.

use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::{ClusterSpec, EtcdState, HeadSpec, HeadState};

use crate::names::{self, HEAD_REST_PORT, HEAD_WORKERS_PORT};
use crate::pods::{self, Process, Tls};

/// Where the head's volume is mounted.
const STATE_DIR: &str = "/var/lib/shoal";

/// Where the Secret with etcd's certificates is mounted.
const ETCD_TLS_DIR: &str = "/etc/shoal/etcd";

/// Where the certificate of the API server's authority is mounted.
const KUBERNETES_DIR: &str = "/etc/shoal/kubernetes";

/// The ConfigMap that Kubernetes keeps in every namespace, with that certificate.
const KUBERNETES_AUTHORITY: &str = "kube-root-ca.crt";

/// Time for a head to give the lead up and to end.
const HEAD_GRACE_SECONDS: u64 = 30;

/// How long a job does without any worker. Nodes may have to be bought and images to be pulled, and a group may stand at zero
/// over a weekend: the job says so in a condition, and `activeDeadlineSeconds` ends it sooner where its user wants that.
const NO_WORKER_SECONDS: u64 = 7 * 24 * 3_600;

/// Which cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
}

/// Heads that a spec asks for, whether or not it is suspended.
pub(super) fn count(spec: &HeadSpec) -> u32 {
    if spec.state.etcd.is_some() { spec.replicas } else { 1 }
}

/// The Service that clients, workers and the operator find the head by that leads. Headless: a name that leads to its pod at
/// once costs no hop.
pub(super) fn service(cluster: &str, state: &HeadState) -> Value {
    // A single head that does not lead yet answers that itself. Of several only the one that leads is ready.
    headless(cluster, &names::head(cluster), state.etcd.is_none())
}

/// The Service that gives each of several heads a name of its own, ready or not.
pub(super) fn heads_service(cluster: &str) -> Value {
    headless(cluster, &names::heads(cluster), true)
}

fn headless(cluster: &str, name: &str, not_ready_too: bool) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": names::labels(cluster)},
        "spec": {
            "clusterIP": "None",
            "selector": names::head_selector(cluster),
            "publishNotReadyAddresses": not_ready_too,
            "ports": [
                {"name": "rest", "port": HEAD_REST_PORT, "targetPort": HEAD_REST_PORT},
                {"name": "workers", "port": HEAD_WORKERS_PORT, "targetPort": HEAD_WORKERS_PORT},
            ],
        },
    })
}

/// The heads. A StatefulSet never runs two pods of one name, which a volume could not bear, and gives each of several heads
/// a name that workers can know.
pub(super) fn stateful_set(cluster: Named<'_>, spec: &ClusterSpec, image: &str, tls_secret: Option<&str>) -> Value {
    let HeadSpec { resources, state, template, .. } = &spec.head;
    let name = cluster.name;
    let mut labels = names::labels(name);
    labels.extend(names::head_selector(name));
    let tls_name = names::tls_name(name, cluster.namespace);
    let tls = tls_secret.map(|secret| Tls { secret, name: &tls_name });
    let mut kept = keep(cluster, state, pods::scheme(tls.is_some()));
    let mut arguments = vec![
        "head".to_owned(),
        format!("--listen=0.0.0.0:{HEAD_REST_PORT}"),
        format!("--workers-listen=0.0.0.0:{HEAD_WORKERS_PORT}"),
        format!("--no-worker-timeout={NO_WORKER_SECONDS}"),
    ];
    arguments.extend(kept.arguments);
    if tls.is_some() {
        // A caller's own token is not asked for where it would go in the clear.
        arguments.push(format!("--kubernetes-callers={}/{name}", cluster.namespace));
        arguments.push(format!("--kubernetes-ca={KUBERNETES_DIR}/ca.crt"));
        let items = [json!({"key": "ca.crt", "path": "ca.crt"})];
        // Where Kubernetes keeps none the head works, and takes the cluster's own token alone.
        let authority = json!({"name": KUBERNETES_AUTHORITY, "items": items, "optional": true});
        kept.volumes.push(json!({"name": "kubernetes", "configMap": authority}));
        kept.mounts.push(json!({"name": "kubernetes", "mountPath": KUBERNETES_DIR, "readOnly": true}));
    }
    arguments.extend(spec.storage.shared_volumes.iter().map(|volume| format!("--allow-local={}", volume.mount_path)));
    if let Some(uri) = &spec.storage.uri {
        arguments.extend([format!("--storage={uri}"), format!("--storage-namespace={}", cluster.namespace)]);
    }
    let pod = pods::template(&Process {
        cluster: name,
        labels: labels.clone(),
        image,
        python_image: None,
        arguments,
        env: kept.env,
        volumes: kept.volumes,
        mounts: kept.mounts,
        resources,
        storage: &spec.storage,
        service_account_name: spec.service_account_name.as_deref(),
        tls,
        http_port: HEAD_REST_PORT,
        ports: vec![("rest", HEAD_REST_PORT), ("workers", HEAD_WORKERS_PORT)],
        grace_seconds: HEAD_GRACE_SECONDS,
        template: template.as_ref(),
    });
    let mut set = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": names::head(name), "labels": labels, "annotations": {(names::HASH_ANNOTATION): hash(spec, image)},
        },
        "spec": {
            "replicas": if spec.suspend { 0 } else { count(&spec.head) },
            "serviceName": names::head(name),
            // With the other policy a pod that never gets ready would keep the one from its place that mends it, and of
            // several heads only the one that leads gets ready.
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": names::head_selector(name)},
            "template": pod,
            "volumeClaimTemplates": kept.claims,
            // The state of a cluster that is gone is of no use to another of its name.
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
        },
    });
    if state.etcd.is_some() {
        set["spec"]["serviceName"] = names::heads(name).into();
        // Kubernetes would wait for the first one that it exchanges to get ready, which it does not as long as another
        // leads: see `exchange`.
        set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    }
    set
}

/// What a way to keep the state adds to the pods.
#[derive(Default)]
struct Kept {
    arguments: Vec<String>,
    env: Vec<Value>,
    volumes: Vec<Value>,
    mounts: Vec<Value>,
    claims: Vec<Value>,
}

fn keep(cluster: Named<'_>, state: &HeadState, scheme: &str) -> Kept {
    if let Some(etcd) = &state.etcd {
        return in_etcd(cluster, etcd, scheme);
    }
    if state.ephemeral.is_some() {
        return Kept { arguments: vec![format!("--state-dir={}/state", pods::SCRATCH_DIR)], ..Kept::default() };
    }
    let volume = state.volume.clone().unwrap_or_default();
    let mut claim = json!({
        "metadata": {"name": "state"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": volume.size}}},
    });
    if let Some(class) = volume.storage_class_name {
        claim["spec"]["storageClassName"] = class.into();
    }
    Kept {
        arguments: vec![format!("--state-dir={STATE_DIR}/state")],
        mounts: vec![json!({"name": "state", "mountPath": STATE_DIR})],
        claims: vec![claim],
        ..Kept::default()
    }
}

fn in_etcd(Named { namespace, name, uid }: Named<'_>, etcd: &EtcdState, scheme: &str) -> Kept {
    let prefix = etcd.prefix.clone().unwrap_or_else(|| format!("/shoal/{namespace}/{name}/{uid}/"));
    let mut kept = Kept {
        arguments: vec![
            format!("--etcd={}", etcd.endpoints.join(",")),
            format!("--etcd-prefix={prefix}"),
            format!("--advertise-url={scheme}://$(POD_NAME).{}:{HEAD_REST_PORT}", names::heads(name)),
        ],
        ..Kept::default()
    };
    if let Some(secret) = &etcd.tls_secret_ref {
        let file = |option: &str, name: &str| format!("--etcd-{option}={ETCD_TLS_DIR}/{name}");
        kept.arguments.extend([file("ca", "ca.crt"), file("cert", "tls.crt"), file("key", "tls.key")]);
        kept.volumes.push(json!({"name": "etcd-tls", "secret": {"secretName": secret.name}}));
        kept.mounts.push(json!({"name": "etcd-tls", "mountPath": ETCD_TLS_DIR, "readOnly": true}));
    }
    if let Some(secret) = &etcd.credentials_secret_ref {
        let entry = |variable: &str, key: &str| json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": secret.name, "key": key}}});
        kept.arguments.push("--etcd-user=$(SHOAL_ETCD_USER)".to_owned());
        kept.env.extend([entry("SHOAL_ETCD_USER", "username"), entry("SHOAL_ETCD_PASSWORD", "password")]);
    }
    kept
}

/// Hash of all that the user set of the head's pods: their number is not.
pub(super) fn hash(spec: &ClusterSpec, image: &str) -> String {
    let mut head = serde_json::to_value(&spec.head).unwrap_or_default();
    if let Some(members) = head.as_object_mut() {
        members.remove("replicas");
    }
    pods::settings_hash(&json!({
        "image": image,
        "storage": spec.storage,
        "serviceAccountName": spec.service_account_name,
        "head": head,
    }))
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
