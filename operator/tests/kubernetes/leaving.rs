//! Pods that go: which ones, in which order, and what holds them up.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use shoal_core::control::{WorkerLoad, WorkerPhase};
use shoal_core::report::Phase;
use shoal_testkit::eventually;

use crate::api::{Namespace, server};
use crate::clusters::{cluster, get_ready};
use crate::fake_head::FakeHead;
use crate::jobs::{job, operator, runs, with_cluster};
use crate::operator::{NO_HEAD, Operator, Settings};

fn of(replicas: u32, more: &Value) -> String {
    let mut group = json!({"name": "cpu", "replicas": replicas});
    group.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cluster(&json!({"workerGroups": [group]}))
}

#[test]
fn those_that_do_the_least_go_and_the_head_is_told_first() {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let _operator = operator(&namespace, &head);
    let load = |ordinal: u32, used| WorkerLoad {
        name: format!("a-cpu-{ordinal}"),
        state: WorkerPhase::Ready,
        used,
        held_bytes: 0,
    };
    head.with(|known| known.loads = vec![load(0, 0), load(1, 2), load(2, 1), load(3, 2)]);
    namespace.apply(&of(4, &json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1", "a-cpu-2", "a-cpu-3"]);
    eventually("the operator speaks to the head", || head.with(|known| known.token.clone()));

    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=2"]);
    namespace.until_names("pods", &["a-cpu-1", "a-cpu-3", "a-head-0"]);
    head.with(|known| assert_eq!(known.drained, ["a-cpu-0", "a-cpu-2"]));
    // Where a head cannot say what they do, the youngest goes: what is wrong with the head holds nothing up.
    head.with(|known| known.loads.clear());
    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=1"]);
    eventually("one is left", || (namespace.names("pods").len() == 2).then_some(()));
}

/// Asks that a pod may go for the sake of its node, as `kubectl drain` does; says why not.
fn evict(namespace: &Namespace, pod: &str) -> Result<(), String> {
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace.name()}});
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", namespace.name());
    let mut kubectl = Command::new(shoal_testkit::program("kubectl"));
    kubectl.env("KUBECONFIG", server().kubeconfig()).env("NO_PROXY", "*");
    let mut kubectl = kubectl
        .args(["create", "--raw", &path, "--filename", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    kubectl.stdin.take().unwrap().write_all(eviction.to_string().as_bytes()).unwrap();
    let done = kubectl.wait_with_output().unwrap();
    if done.status.success() { Ok(()) } else { Err(String::from_utf8(done.stderr).unwrap()) }
}

#[test]
fn nodes_are_drained_of_one_worker_after_the_other() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&of(3, &json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1", "a-cpu-2"]);
    // Kubernetes has asked the group's `scale` how many there should be.
    namespace.until("poddisruptionbudget/a-cpu", "one may go", |budget| {
        let status = &budget["status"];
        (&status["expectedPods"], &status["currentHealthy"], &status["disruptionsAllowed"])
            == (&json!(3), &json!(3), &json!(1))
    });
    let owner = namespace.get("poddisruptionbudget/a-cpu")["metadata"]["ownerReferences"][0].clone();
    assert_eq!((&owner["kind"], &owner["name"]), (&json!("ShoalWorkerGroup"), &json!("a-cpu")));

    evict(&namespace, "a-cpu-0").unwrap();
    let refused = evict(&namespace, "a-cpu-1").unwrap_err();
    assert!(refused.contains("disruption budget"), "{refused}");
    // Once another works in its place the next one may go.
    eventually("the next one may go", || {
        namespace.all_pods_are_ready();
        evict(&namespace, "a-cpu-1").ok()
    });

    // A budget that somebody deletes comes back, and follows the group.
    namespace.kubectl(&["delete", "poddisruptionbudget", "a-cpu"]);
    namespace.until("poddisruptionbudget/a-cpu", "it is there again", |budget| budget["spec"].is_object());
    namespace.apply(&of(3, &json!({"maxUnavailable": 2})));
    namespace.until("poddisruptionbudget/a-cpu", "two may go", |budget| budget["spec"]["maxUnavailable"] == 2);
    // The head has none: it would hold its node for ever.
    assert_eq!(namespace.names("poddisruptionbudgets"), ["a-cpu"]);
    namespace.kubectl(&["delete", "shoalcluster", "a"]);
    namespace.until_names("poddisruptionbudgets", &[]);
}

#[test]
fn a_job_waits_for_workers_that_are_all_away_and_says_so() {
    let (namespace, head, _operator) = with_cluster();
    namespace.apply(&job(&json!({})));
    runs(&namespace, &head);
    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=0"]);
    let waits = namespace.until_condition("shoaljob/grunfeld", "ClusterReady", "False", "NoWorkers");
    assert!(waits["message"].as_str().unwrap().contains("kubectl scale shoalworkergroup"), "{waits}");
    assert_eq!(namespace.get("shoaljob/grunfeld")["status"]["phase"], "Running");
    // The head is told to wait as well.
    let arguments = namespace.get("pod/a-head-0")["spec"]["containers"][0]["args"].clone();
    assert!(arguments.as_array().unwrap().contains(&json!("--no-worker-timeout=604800")), "{arguments}");
    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=2"]);
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    namespace.until_condition("shoaljob/grunfeld", "ClusterReady", "True", "Ready");
}

#[test]
fn a_job_that_goes_while_its_cluster_is_suspended_is_cancelled_when_that_comes_back() {
    let (namespace, head, first) = with_cluster();
    namespace.apply(&job(&json!({})));
    runs(&namespace, &head);
    first.stop();
    let away = Operator::start_with(&namespace, Settings { head_url: NO_HEAD.into(), ..Settings::default() });
    namespace.apply(&cluster(&json!({"suspend": true})));
    namespace.until_names("pods", &[]);
    // It is gone at once: nobody waits for a head that is not there.
    namespace.kubectl(&["delete", "shoaljob", "grunfeld", "--timeout=60s"]);
    let uid = head.with(|known| *known.jobs.keys().next().unwrap());
    let annotation = format!("cancel.shoal.dev/{uid}");
    let kept = |namespace: &Namespace| namespace.get("shoalcluster/a")["metadata"]["annotations"][&annotation].clone();
    assert!(kept(&namespace).as_str().unwrap().starts_with(&format!("{}/grunfeld/", namespace.name())));
    head.with(|known| assert!(known.cancelled.is_empty()));
    away.stop();

    // The head's state still has the job running.
    let _operator = operator(&namespace, &head);
    namespace.apply(&cluster(&json!({"suspend": false})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    eventually("the job is cancelled", || head.with(|known| known.cancelled.contains(&uid).then_some(())));
    head.with(|known| assert_eq!(known.jobs[&uid].phase, Phase::Failed));
    namespace.until("shoalcluster/a", "nothing is kept any more", |cluster| {
        cluster["metadata"]["annotations"][&annotation].is_null()
    });
}
