//! A worker's pod. Pure.

use std::time::Duration;

use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::WorkerGroupSpec;

use crate::names::{self, HEAD_REST_PORT, WORKER_FLIGHT_PORT, WORKER_HTTP_PORT};
use crate::pods::{self, Process, Tls};

/// Time for a worker to end its tasks or hand them back, and to move its partitions to others.
pub(crate) const DRAIN: Duration = Duration::from_secs(110);

/// Time for the head, which starts at the same moment and may have an image to pull, to be there: less than the pod's start
/// may take, so that the worker's own message is the last line of its log.
const HEAD_WAIT: Duration = Duration::from_secs(240);

/// Time between the end of the drain and the kill.
///
/// The pod's grace period is both together, and there is no `preStop` hook beside it: SIGTERM itself has a worker drain,
/// whoever deletes its pod, while a hook would have to be a program, and the image has no other than Shoal's and no shell, or a
/// request, which the kubelet would make without a token. A user's template may set another
/// `terminationGracePeriodSeconds`.
const GRACE_AFTER_DRAIN: Duration = Duration::from_secs(10);

/// Share of the container's memory that tasks and partitions may use; the rest is for what is not counted.
const MEMORY_SHARE: (u64, u64) = (3, 4);

/// A pod of a group, of that name.
pub(super) fn worker(namespace: &str, entry: &str, name: &str, spec: &WorkerGroupSpec) -> Value {
    let cluster = spec.cluster_name.as_str();
    let tls_name = names::tls_name(cluster, namespace);
    let tls = spec.tls_secret_name.as_deref().map(|secret| Tls { secret, name: &tls_name });
    let mut labels = names::labels(cluster);
    labels.extend(names::group_selector(cluster, entry));
    let slots = slots(spec);
    let mut arguments = vec![
        "worker".to_owned(),
        format!("--head={}", heads(cluster, spec.heads, pods::scheme(tls.is_some())).join(",")),
        "--name=$(POD_NAME)".to_owned(),
        "--listen=0.0.0.0".to_owned(),
        "--advertise=$(POD_IP)".to_owned(),
        format!("--flight-port={WORKER_FLIGHT_PORT}"),
        format!("--http-port={WORKER_HTTP_PORT}"),
        format!("--slots={slots}"),
        format!("--scratch={}/worker", pods::SCRATCH_DIR),
        format!("--drain-timeout={}", DRAIN.as_secs()),
        format!("--head-wait={}", HEAD_WAIT.as_secs()),
    ];
    if let Some(bytes) = memory(spec) {
        arguments.push(format!("--memory={bytes}"));
    }
    let mut pod = pods::template(&Process {
        cluster,
        labels,
        image: &spec.image,
        python_image: spec.python_image.as_deref(),
        arguments,
        // Users' functions see it, and what they import writes there what it wants to keep; all else is read-only.
        env: vec![json!({"name": "HOME", "value": pods::SCRATCH_DIR})],
        volumes: Vec::new(),
        mounts: Vec::new(),
        resources: &spec.resources,
        storage: &spec.storage,
        service_account_name: spec.service_account_name.as_deref(),
        tls,
        http_port: WORKER_HTTP_PORT,
        ports: vec![("flight", WORKER_FLIGHT_PORT), ("http", WORKER_HTTP_PORT)],
        grace_seconds: (DRAIN + GRACE_AFTER_DRAIN).as_secs(),
        template: spec.template.as_ref(),
    });
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = name.into();
    pod["metadata"]["annotations"][names::HASH_ANNOTATION] = hash(spec).into();
    pod
}

/// Where a worker looks for the head that leads. The name that leads to it comes first; those of all of several heads follow,
/// so that a worker need not wait until that name has moved to another one.
fn heads(cluster: &str, count: u32, scheme: &str) -> Vec<String> {
    let mut urls = vec![format!("{scheme}://{}:{HEAD_REST_PORT}", names::head(cluster))];
    let each =
        |ordinal| format!("{scheme}://{}-{ordinal}.{}:{HEAD_REST_PORT}", names::head(cluster), names::heads(cluster));
    urls.extend((0..count).filter(|_| count > 1).map(each));
    urls
}

/// As many as `shoal worker --slots` takes.
const SLOTS_MAX: u32 = 256;

/// Tasks that a worker of a group runs at the same time.
pub(crate) fn slots(spec: &WorkerGroupSpec) -> u32 {
    let cores = spec.resources.millicores().unwrap_or(0).div_ceil(1000).clamp(1, u64::from(SLOTS_MAX));
    u32::try_from(cores).unwrap_or(SLOTS_MAX)
}

/// Memory that tasks and partitions of a worker may use.
pub(crate) fn memory(spec: &WorkerGroupSpec) -> Option<u64> {
    spec.resources.memory_bytes().map(|bytes| bytes / MEMORY_SHARE.1 * MEMORY_SHARE.0)
}

/// Hash of all that the user set of a pod.
pub(super) fn hash(spec: &WorkerGroupSpec) -> String {
    let mut settings = json!({
        "image": spec.image,
        "storage": spec.storage,
        "serviceAccountName": spec.service_account_name,
        "resources": spec.resources,
        "template": spec.template,
    });
    // Not a null: the pods of groups without it would have another hash than before there was this field.
    if let Some(image) = &spec.python_image {
        settings["pythonImage"] = image.as_str().into();
    }
    pods::settings_hash(&settings)
}
