//! Several heads on one etcd: the pods that the operator makes, and what they do. Their containers' arguments are run here.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use shoal_testkit::{Etcd, eventually};

use crate::api::Namespace;
use crate::clusters::cluster;
use crate::operator::Operator;

/// The process of a head's pod, on this machine.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    /// Runs what the pod's container would, but on free ports of loopback and with the token in a file.
    fn of(pod: &Value, token: &Path) -> Self {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap().iter().map(|argument| {
            let argument = argument.as_str().unwrap().replace("$(POD_NAME)", name);
            match argument.split_once('=') {
                Some((option @ ("--listen" | "--workers-listen"), _)) => format!("{option}=127.0.0.1:0"),
                Some(("--token-file", _)) => format!("--token-file={}", token.display()),
                _ => argument,
            }
        });
        // target/debug/deps/kubernetes-0123456789abcdef
        let test = std::env::current_exe().unwrap();
        let program = test.parent().and_then(Path::parent).unwrap().join("shoal");
        let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.trim().strip_prefix("head: ").unwrap_or_else(|| panic!("{first}")).to_owned();
        Self { child, url }
    }

    fn is_ready(&self) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let get = async { reqwest::get(format!("{}/readyz", self.url)).await };
        runtime.block_on(get).is_ok_and(|answer| answer.status().is_success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

/// Addresses that a Service leads to.
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
    namespace.apply(&cluster(&json!({"head": head})));
    namespace.until_names("pods", &["a-cpu-0", "a-cpu-1", "a-head-0", "a-head-1"]);
    let worker = namespace.get("pod/a-cpu-0")["spec"]["containers"][0]["args"].clone();
    let all = "--head=http://a-head:7370,http://a-head-0.a-heads:7370,http://a-head-1.a-heads:7370";
    assert!(worker.as_array().unwrap().contains(&json!(all)), "{worker}");
    assert!(namespace.names("persistentvolumeclaims").is_empty());

    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    let pods = ["pod/a-head-0", "pod/a-head-1"].map(|pod| namespace.get(pod));
    let mut heads: Vec<Option<Process>> = pods.iter().map(|pod| Some(Process::of(pod, &token))).collect();
    let leader = eventually("one leads", || heads.iter().position(|head| head.as_ref().unwrap().is_ready()));
    let other = 1 - leader;
    assert!(!heads[other].as_ref().unwrap().is_ready());
    let key = etcd.ctl(&["get", "--prefix", "--keys-only", &format!("/shoal/{}/a/", namespace.name)]);
    assert!(!key.trim().is_empty(), "the state is under the cluster's own prefix");

    // What the kubelet sees, Kubernetes and the operator act by.
    says(&namespace, leader, true);
    says(&namespace, other, false);
    namespace.until_condition("shoalcluster/a", "Ready", "True", "Ready");
    let address = |ordinal: usize| format!("10.1.1.{}", ordinal + 1);
    eventually("the name leads to the one that leads", || {
        (addresses(&namespace, "a-head") == [address(leader)]).then_some(())
    });
    eventually("each has a name", || (addresses(&namespace, "a-heads") == [address(0), address(1)]).then_some(()));

    heads[leader] = None;
    eventually("the other one leads", || heads[other].as_ref().unwrap().is_ready().then_some(()));
    heads[leader] = Some(Process::of(&pods[leader], &token));
    assert!(!heads[leader].as_ref().unwrap().is_ready(), "it is back, and waits for its turn");
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
