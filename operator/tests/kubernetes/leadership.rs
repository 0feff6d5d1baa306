//! Of several operators, one works.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use shoal_core::report::Phase;
use shoal_testkit::eventually;
use tokio::sync::watch;

use crate::api::Namespace;
use crate::clusters::{cluster, get_ready};
use crate::fake_head::FakeHead;
use crate::fault_proxy::{Fate, FaultProxy, Request};
use crate::jobs::{job, runs};
use crate::operator::{Operator, Settings};
use crate::operator_process::OperatorProcess;

/// Longer than a status waits that may be written with another.
const QUIET: Duration = Duration::from_secs(6);

/// What the lease says.
fn lease(namespace: &Namespace) -> Value {
    namespace.find("lease/shoal-operator").unwrap_or_default()["spec"].clone()
}

fn time(lease: &Value, field: &str) -> Timestamp {
    lease[field].as_str().unwrap().parse().unwrap()
}

fn pods(namespace: &Namespace) -> BTreeSet<String> {
    namespace.list("pods").iter().map(|pod| pod["metadata"]["uid"].to_string()).collect()
}

fn writes(proxy: &FaultProxy) -> Vec<String> {
    proxy.seen().iter().filter(|request| request.is_write()).map(Request::kind).collect()
}

#[test]
fn one_of_two_operators_leads_and_the_other_takes_over() {
    let namespace = Namespace::new();
    let start = |identity| Operator::start_with(&namespace, Settings { identity, ..Settings::default() });
    let first = start("first");
    let lease = || lease(&namespace);
    eventually("the first leads", || first.leads().then_some(()));
    assert_eq!((&lease()["holderIdentity"], &lease()["leaseTransitions"]), (&json!("first"), &json!(0)));
    let second = start("second");
    namespace.apply(&cluster(&json!({})));
    namespace.until_names("pods", &["a-cpu-0", "a-cpu-1", "a-head-0"]);
    assert!(!second.leads());
    assert_eq!(second.reconciles("ShoalCluster"), 0);

    first.stop();
    eventually("the second leads", || second.leads().then_some(()));
    assert_eq!((&lease()["holderIdentity"], &lease()["leaseTransitions"]), (&json!("second"), &json!(1)));
    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=1"]);
    namespace.until_names("pods", &["a-cpu-0", "a-head-0"]);
}

#[test]
fn a_leader_whose_lease_is_taken_ends() {
    let namespace = Namespace::new();
    let operator = Operator::start(&namespace);
    eventually("it leads", || operator.leads().then_some(()));
    let thief = r#"--patch={"spec": {"holderIdentity": "thief", "leaseTransitions": 7}}"#;
    namespace.kubectl(&["patch", "lease", "shoal-operator", "--type=merge", thief]);

    let failure = operator.ended().unwrap_err();
    assert_eq!(failure.reason, shoal_core::Reason::NotLeading);
    assert_eq!(namespace.get("lease/shoal-operator")["spec"]["holderIdentity"], "thief");
}

#[test]
fn a_leader_that_is_killed_is_followed_once_its_lease_is_over() {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let start = |identity| {
        OperatorProcess::start(&namespace, Settings { identity, head_url: head.url(), ..Settings::default() })
    };
    let first = start("first");
    eventually("the first leads", || first.leads().then_some(()));
    let second = start("second");
    namespace.apply(&cluster(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    namespace.apply(&job(&json!({})));
    runs(&namespace, &head);
    let before = pods(&namespace);

    first.kill();
    let last = lease(&namespace);
    assert_eq!((&last["holderIdentity"], &last["leaseTransitions"]), (&json!("first"), &json!(0)));
    // What is asked for while nobody leads.
    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=3"]);
    head.job_is(Phase::Running, 7);
    eventually("the second leads", || second.leads().then_some(()));
    let now = lease(&namespace);
    assert_eq!((&now["holderIdentity"], &now["leaseTransitions"]), (&json!("second"), &json!(1)));
    let silent = time(&now, "acquireTime").duration_since(time(&last, "renewTime"));
    assert!(silent.as_secs() >= last["leaseDurationSeconds"].as_i64().unwrap(), "{last:#} {now:#}");

    get_ready(&namespace, &["a-cpu-0", "a-cpu-1", "a-cpu-2"]);
    namespace.until("shoaljob/grunfeld", "it goes on", |job| job["status"]["progress"]["done"] == 7);
    head.job_is(Phase::Succeeded, 11);
    namespace.until_condition("shoaljob/grunfeld", "Complete", "True", "Published");
    let after = pods(&namespace);
    assert!(before.is_subset(&after) && after.len() == before.len() + 1, "{before:?} {after:?}");
    head.with(|known| {
        assert_eq!((known.submissions.len(), known.jobs.len(), known.cancelled.len()), (1, 1, 0));
        assert_eq!(known.transitions, 1, "the second shows that it is newer");
    });
}

#[test]
fn a_leader_that_was_paused_writes_nothing_once_another_leads() {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let settings = |identity, proxy: &FaultProxy| {
        let (head_url, api_url) = (head.url(), Some(proxy.url()));
        Settings { identity, head_url, api_url, ..Settings::default() }
    };
    let of_first = FaultProxy::start(|_| Fate::Passes);
    let first = OperatorProcess::start(&namespace, settings("first", &of_first));
    eventually("the first leads", || first.leads().then_some(()));
    namespace.apply(&cluster(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    // What was on its way when it was paused would arrive later.
    let mut last = (0, Instant::now());
    eventually("it has nothing left to write", || {
        let count = writes(&of_first).iter().filter(|kind| *kind != "PUT leases").count();
        if count != last.0 {
            last = (count, Instant::now());
        }
        (last.1.elapsed() >= QUIET).then_some(())
    });
    first.pause();

    // The pods that the second one makes are on their way for as long as the test wants, so that they are missing for all.
    let (release, held) = watch::channel(false);
    let of_second = FaultProxy::start(move |request| match request.kind().as_str() {
        "POST pods" => Fate::Held(held.clone()),
        _ => Fate::Passes,
    });
    let second = Operator::start_with(&namespace, settings("second", &of_second));
    eventually("the second leads", || second.leads().then_some(()));
    namespace.kubectl(&["delete", "pod", "a-cpu-1"]);
    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=3"]);
    eventually("pods are on their way", || writes(&of_second).iter().any(|kind| kind == "POST pods").then_some(()));

    let before = writes(&of_first).len();
    first.go_on();
    let said = first.failed();
    assert!(said.contains("the lease is lost"), "{said}");
    let woken = writes(&of_first).split_off(before);
    assert!(woken.iter().all(|kind| kind == "PUT leases"), "it has written: {woken:?}");
    assert_eq!(namespace.names("pods"), ["a-cpu-0", "a-head-0"]);
    release.send_replace(true);
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1", "a-cpu-2"]);
    let lease = lease(&namespace);
    assert_eq!((&lease["holderIdentity"], &lease["leaseTransitions"]), (&json!("second"), &json!(1)));
}
