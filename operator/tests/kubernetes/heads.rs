//! Several heads on one etcd: the pods that the operator makes, and what they do. Their containers' arguments are run here.

use std::path::Path;

use serde_json::{Value, json};
use shoal_testkit::{Etcd, eventually};

use crate::api::Namespace;
use crate::clusters::cluster;
use crate::operator::Operator;
use crate::processes::Process;

/// A head's process on free ports of loopback, with the token in a file.
fn process(pod: &Value, token: &Path) -> Process {
    Process::of(pod, |option, _| match option {
        "--listen" | "--workers-listen" => Some("127.0.0.1:0".to_owned()),
        "--token-file" => Some(token.display().to_string()),
        _ => None,
    })
}

fn is_ready(head: &Process) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let get = async { reqwest::get(format!("{}/readyz", head.url())).await };
    runtime.block_on(get).is_ok_and(|answer| answer.status().is_success())
}

/// Says of a head's pod what the kubelet would of a process that lives, and is ready where it leads.
fn says(namespace: &Namespace, ordinal: usize, is_ready: bool) {
    let status = json!({
        "phase": "Running",
        "podIP": format!("10.1.1.{}", ordinal + 1), "podIPs": [{"ip": format!("10.1.1.{}", ordinal + 1)}],
        "conditions": [{"type": "Ready", "status": if is_ready { "True" } else { "False" }}],
        "containerStatuses": [{
            "name": "shoal", "image": "i", "imageID": "", "restartCount": 0, "ready": is_ready, "started": true,
            "state": {"running": {"startedAt": "2026-11-01T00:00:00Z"}},
        }],
    });
    namespace.pod_is(&format!("a-head-{ordinal}"), &status.to_string());
}

/// Addresses that a Service leads to which takes pods that are not ready. Another one would need the pods' nodes.
fn addresses(namespace: &Namespace, service: &str) -> Vec<String> {
    let slices = namespace.list(&format!("endpointslices --selector=kubernetes.io/service-name={service}"));
    let endpoints = slices.iter().flat_map(|slice| slice["endpoints"].as_array().cloned().unwrap_or_default());
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == true);
    let mut addresses: Vec<_> = ready.map(|endpoint| endpoint["addresses"][0].as_str().unwrap().to_owned()).collect();
    addresses.sort();
    addresses
}

#[test]
fn of_several_heads_one_leads_and_another_takes_over() {
    let etcd = Etcd::start(1);
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    let head = json!({"replicas": 2, "state": {"etcd": {"endpoints": etcd.endpoints()}}});
    namespace.apply(&cluster(&json!({"head": head, "tls": {"disabled": {}}})));
    namespace.until_names("pods", &["a-cpu-0", "a-cpu-1", "a-head-0", "a-head-1"]);
    let worker = namespace.get("pod/a-cpu-0")["spec"]["containers"][0]["args"].clone();
    let all = "--head=http://a-head:7370,http://a-head-0.a-heads:7370,http://a-head-1.a-heads:7370";
    assert!(worker.as_array().unwrap().contains(&json!(all)), "{worker}");
    assert!(namespace.names("persistentvolumeclaims").is_empty());

    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    let pods = ["pod/a-head-0", "pod/a-head-1"].map(|pod| namespace.get(pod));
    let mut heads: Vec<Option<Process>> = pods.iter().map(|pod| Some(process(pod, &token))).collect();
    let leader = eventually("one leads", || heads.iter().position(|head| is_ready(head.as_ref().unwrap())));
    let other = 1 - leader;
    assert!(!is_ready(heads[other].as_ref().unwrap()));
    let key = etcd.ctl(&["get", "--prefix", "--keys-only", &format!("/shoal/{}/a/", namespace.name())]);
    assert!(!key.trim().is_empty(), "the state is under the cluster's own prefix");

    // What the kubelet sees, Kubernetes and the operator act by.
    says(&namespace, leader, true);
    says(&namespace, other, false);
    namespace.until_condition("shoalcluster/a", "Ready", "True", "Ready");
    let publishes = |service: &str| namespace.get(service)["spec"]["publishNotReadyAddresses"].clone();
    assert_eq!(publishes("service/a-head"), json!(null), "the name leads to the one that is ready");
    let both = ["10.1.1.1", "10.1.1.2"];
    eventually("each has a name", || (addresses(&namespace, "a-heads") == both).then_some(()));

    heads[leader] = None;
    eventually("the other one leads", || is_ready(heads[other].as_ref().unwrap()).then_some(()));
    heads[leader] = Some(process(&pods[leader], &token));
    assert!(!is_ready(heads[leader].as_ref().unwrap()), "it is back, and waits for its turn");
}

#[test]
fn several_heads_get_a_new_image_one_after_the_other() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    let with = |image: &str| {
        let head = json!({"replicas": 2, "state": {"etcd": {"endpoints": ["http://etcd:2379"]}}});
        cluster(&json!({"head": head, "image": image, "workerGroups": []}))
    };
    namespace.apply(&with("shoal:1"));
    namespace.until_names("pods", &["a-head-0", "a-head-1"]);
    says(&namespace, 0, true);
    says(&namespace, 1, false);
    namespace.until_condition("shoalcluster/a", "Ready", "True", "Ready");

    namespace.apply(&with("shoal:2"));
    let image = |pod: &str| namespace.find(pod).map(|pod| pod["spec"]["containers"][0]["image"].clone());
    eventually("the one that stands by is exchanged", || {
        (image("pod/a-head-1") == Some(json!("shoal:2"))).then_some(())
    });
    assert_eq!(image("pod/a-head-0"), Some(json!("shoal:1")), "the one that leads waits until the other lives");
    says(&namespace, 1, false);
    eventually("the one that leads follows", || (image("pod/a-head-0") == Some(json!("shoal:2"))).then_some(()));

    // A third one is no reason to exchange anything.
    says(&namespace, 0, false);
    says(&namespace, 1, true);
    let uid = namespace.get("pod/a-head-1")["metadata"]["uid"].clone();
    namespace.kubectl(&[
        "patch",
        "shoalcluster",
        "a",
        "--type=merge",
        r#"--patch={"spec": {"head": {"replicas": 3}}}"#,
    ]);
    namespace.until_names("pods", &["a-head-0", "a-head-1", "a-head-2"]);
    assert_eq!(namespace.get("pod/a-head-1")["metadata"]["uid"], uid);
}
