//! Pods of head and workers: what the operator makes of a spec. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::{PodTemplate, Resources, Storage};
use xxhash_rust::xxh3::xxh3_64;

use crate::merge;
use crate::names;
use crate::python_image;

/// The container that Shoal's own process runs in.
pub(crate) const CONTAINER: &str = "shoal";

/// The user that it runs as: nobody in particular, as `restricted` asks.
const USER: u32 = 65_532;

/// Where the Secret with the certificate is mounted.
const TLS_DIR: &str = "/etc/shoal/tls";

/// Where the token's Secret is mounted.
const TOKEN_DIR: &str = "/etc/shoal/token";

/// Where a process may write.
pub(crate) const SCRATCH_DIR: &str = "/scratch";

/// What head and workers differ in.
pub(crate) struct Process<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) image: &'a str,
    /// What it runs in, where that is another image.
    pub(crate) python_image: Option<&'a str>,
    pub(crate) arguments: Vec<String>,
    /// More of each than all processes have.
    pub(crate) env: Vec<Value>,
    pub(crate) volumes: Vec<Value>,
    pub(crate) mounts: Vec<Value>,
    pub(crate) resources: &'a Resources,
    pub(crate) storage: &'a Storage,
    pub(crate) service_account_name: Option<&'a str>,
    /// How it knows the others, where that is by TLS.
    pub(crate) tls: Option<Tls<'a>>,
    /// Port of probes and metrics.
    pub(crate) http_port: u16,
    pub(crate) ports: Vec<(&'static str, u16)>,
    pub(crate) grace_seconds: u64,
    pub(crate) template: Option<&'a PodTemplate>,
}

/// How the processes of a cluster know each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tls<'a> {
    /// The Secret with `tls.crt`, `tls.key` and `ca.crt`.
    pub(crate) secret: &'a str,
    /// What all of them are known by.
    pub(crate) name: &'a str,
}

/// The scheme of a URL of such a process.
pub(crate) fn scheme(has_tls: bool) -> &'static str {
    if has_tls { "https" } else { "http" }
}

/// The pod template of a process: `{metadata, spec}`.
pub(crate) fn template(process: &Process<'_>) -> Value {
    let Process { resources, storage, .. } = process;
    let mut volumes = vec![
        json!({"name": "token", "secret": {"secretName": names::token(process.cluster)}}),
        json!({"name": "scratch", "emptyDir": {}}),
    ];
    let mut mounts = vec![
        json!({"name": "token", "mountPath": TOKEN_DIR, "readOnly": true}),
        json!({"name": "scratch", "mountPath": SCRATCH_DIR}),
    ];
    for (index, shared) in storage.shared_volumes.iter().enumerate() {
        let name = format!("shared-{index}");
        volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": shared.claim_name}}));
        mounts.push(json!({"name": name, "mountPath": shared.mount_path}));
    }
    volumes.extend(process.volumes.iter().cloned());
    mounts.extend(process.mounts.iter().cloned());
    let mut env = vec![
        json!({"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}),
        json!({"name": "TMPDIR", "value": SCRATCH_DIR}),
        // Who joins, leaves and what becomes of jobs: the log is all that there is to look at in a pod.
        json!({"name": "RUST_LOG", "value": "info"}),
    ];
    env.extend(process.env.iter().cloned());
    let credentials = storage.credentials_secret_ref.iter().map(|secret| json!({"secretRef": {"name": secret.name}}));
    let mut arguments = process.arguments.clone();
    arguments.push(format!("--token-file={TOKEN_DIR}/token"));
    if let Some(tls) = process.tls {
        // Not all that may be in there: the certificate that is shown next is nobody's yet.
        let items = ["tls.crt", "tls.key", "ca.crt"].map(|key| json!({"key": key, "path": key}));
        volumes.push(json!({"name": "tls", "secret": {"secretName": tls.secret, "items": items}}));
        mounts.push(json!({"name": "tls", "mountPath": TLS_DIR, "readOnly": true}));
        let file = |option: &str, name: &str| format!("--tls-{option}={TLS_DIR}/{name}");
        arguments.extend([file("cert", "tls.crt"), file("key", "tls.key"), file("ca", "ca.crt")]);
        arguments.push(format!("--tls-name={}", tls.name));
    }
    // The kubelet checks no certificate, and probes are the one thing that takes no token.
    let get = |path: &str| match process.tls {
        Some(_) => json!({"path": path, "port": process.http_port, "scheme": "HTTPS"}),
        None => json!({"path": path, "port": process.http_port}),
    };
    let mut pod = json!({
        "metadata": {"labels": process.labels},
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": process.grace_seconds,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": CONTAINER,
                "image": process.image,
                "imagePullPolicy": "IfNotPresent",
                "args": arguments,
                "env": env,
                "envFrom": credentials.collect::<Vec<_>>(),
                "ports": process.ports.iter().map(|(name, port)| json!({"name": name, "containerPort": port})).collect::<Vec<_>>(),
                "resources": asked(resources),
                // A start that loads much state is not killed for it: five minutes.
                "startupProbe": {"httpGet": get("/healthz"), "periodSeconds": 1, "failureThreshold": 300},
                "livenessProbe": {"httpGet": get("/healthz"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
                "readinessProbe": {"httpGet": get("/readyz"), "periodSeconds": 2, "timeoutSeconds": 2},
                "securityContext": confined(),
                "volumeMounts": mounts,
            }],
            "volumes": volumes,
        },
    });
    if let Some(name) = process.service_account_name {
        pod["spec"]["serviceAccountName"] = name.into();
    }
    if let Some(image) = process.python_image {
        python_image::put_in(&mut pod, image, process.image, resources);
    }
    if let Some(template) = process.template {
        merge::strategic(&mut pod, &Value::Object(template.0.clone()));
    }
    // What finds the pods again is not the user's to change.
    if let Some(labels) = pod["metadata"]["labels"].as_object_mut() {
        labels.extend(process.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    }
    pod
}

/// What a container may do, as `restricted` asks.
pub(crate) fn confined() -> Value {
    json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
}

/// What a container asks for, and its limit of memory.
pub(crate) fn asked(resources: &Resources) -> Value {
    json!({
        "requests": {"cpu": resources.cpu, "memory": resources.memory},
        "limits": {"memory": resources.memory},
    })
}

/// Version of the hash: raised when the same settings are to restart pods, which an upgrade of the operator must not.
const HASH_VERSION: u32 = 1;

/// Hash of what the user set of a pod, and of nothing that the operator decides: so another build of the operator, which
/// may make other pods of the same settings, finds the old ones good.
pub(crate) fn settings_hash(settings: &Value) -> String {
    format!("{HASH_VERSION}-{:016x}", xxh3_64(sorted(settings).as_bytes()))
}

/// JSON with the members of objects in order.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().map(|(name, value)| (name, sorted(value))).collect();
            let members: Vec<_> = members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn process<'a>(resources: &'a Resources, storage: &'a Storage, template: Option<&'a PodTemplate>) -> Process<'a> {
        Process {
            cluster: "shared",
            labels: names::head_selector("shared"),
            image: "shoal:1",
            python_image: None,
            arguments: vec!["head".into()],
            env: Vec::new(),
            volumes: Vec::new(),
            mounts: Vec::new(),
            resources,
            storage,
            service_account_name: None,
            tls: None,
            http_port: 7370,
            ports: vec![("rest", 7370)],
            grace_seconds: 30,
            template,
        }
    }

    #[test]
    fn a_users_template_is_merged_and_cannot_take_the_selectors_labels() {
        let resources = Resources { cpu: "1".into(), memory: "1Gi".into() };
        let storage = Storage::default();
        let users: PodTemplate = serde_json::from_value(json!({
            "metadata": {"labels": {"team": "a", (names::CLUSTER_LABEL): "stolen"}},
            "spec": {"nodeSelector": {"disk": "fast"}, "containers": [{"name": "shoal", "env": [{"name": "X", "value": "1"}]}, {"name": "sidecar"}]},
        }))
        .unwrap();
        let pod = template(&process(&resources, &storage, Some(&users)));
        assert_eq!(pod["metadata"]["labels"]["team"], "a");
        assert_eq!(pod["metadata"]["labels"][names::CLUSTER_LABEL], "shared");
        assert_eq!(pod["spec"]["nodeSelector"]["disk"], "fast");
        assert_eq!(pod["spec"]["containers"].as_array().unwrap().len(), 2);
        let names: Vec<_> =
            pod["spec"]["containers"][0]["env"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["POD_NAME", "POD_IP", "TMPDIR", "RUST_LOG", "X"]);
    }

    #[test]
    fn credentials_and_shared_volumes_reach_the_container() {
        let resources = Resources { cpu: "1".into(), memory: "1Gi".into() };
        let storage: Storage = serde_json::from_value(json!({
            "credentialsSecretRef": {"name": "s3"}, "sharedVolumes": [{"claimName": "data", "mountPath": "/data"}],
        }))
        .unwrap();
        let pod = template(&process(&resources, &storage, None));
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["envFrom"], json!([{"secretRef": {"name": "s3"}}]));
        assert_eq!(container["volumeMounts"][2], json!({"name": "shared-0", "mountPath": "/data"}));
        assert_eq!(pod["spec"]["volumes"][2]["persistentVolumeClaim"]["claimName"], "data");
    }

    #[test]
    fn certificates_reach_the_container_and_the_authoritys_key_does_not() {
        let resources = Resources { cpu: "1".into(), memory: "1Gi".into() };
        let storage = Storage::default();
        let tls = Some(Tls { secret: "shared-tls", name: "shared.n.shoal" });
        let pod = template(&Process { tls, ..process(&resources, &storage, None) });
        let container = &pod["spec"]["containers"][0];
        let arguments = container["args"].as_array().unwrap();
        for expected in
            ["--tls-cert=/etc/shoal/tls/tls.crt", "--tls-ca=/etc/shoal/tls/ca.crt", "--tls-name=shared.n.shoal"]
        {
            assert!(arguments.contains(&expected.into()), "{expected}: {arguments:?}");
        }
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
        }
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let secret = &volumes.iter().find(|volume| volume["name"] == "tls").unwrap()["secret"];
        let keys: Vec<_> = secret["items"].as_array().unwrap().iter().map(|item| &item["key"]).collect();
        assert_eq!(
            (&secret["secretName"], keys.as_slice()),
            (&json!("shared-tls"), &[&json!("tls.crt"), &json!("tls.key"), &json!("ca.crt")][..])
        );
        let without = template(&process(&resources, &storage, None));
        assert!(without["spec"]["containers"][0]["readinessProbe"]["httpGet"].get("scheme").is_none());
    }

    #[test]
    fn the_hash_does_not_depend_on_the_order_of_members() {
        let one: Value = serde_json::from_str(r#"{"a": 1, "b": {"c": [1, 2], "d": null}}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b": {"d": null, "c": [1, 2]}, "a": 1}"#).unwrap();
        assert_eq!(settings_hash(&one), settings_hash(&other));
        assert_ne!(settings_hash(&one), settings_hash(&json!({"a": 1})));
        // Frozen: another value would restart every pod of every cluster.
        assert!(settings_hash(&json!({})).starts_with("1-"));
    }
}
