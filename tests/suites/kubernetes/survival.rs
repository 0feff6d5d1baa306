//! Jobs whose pods go while they run.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::process::Process;

use crate::place::{LONG_PARTS, Place};
use crate::world::{WORLD, operator_pods};

/// Ends a pod at once, as a node that dies would.
fn kill(place: &Place, pod: &str) -> String {
    let uid = place.uid(&format!("pod/{pod}"));
    place.kubectl(&["delete", "pod", pod, "--grace-period=0", "--force"]);
    uid
}

/// The job was submitted once and its table was written once, with every group once.
fn assert_once(place: &Place, job: &Value) {
    let status = &job["status"];
    assert!(status["submissionId"].as_str().unwrap().ends_with("/1"), "{status:#}");
    assert_eq!(
        (&status["outputs"][0]["version"], &status["outputs"][0]["rows"]),
        (&json!(0), &json!(WORLD.many_shops.count)),
        "{status:#}"
    );
    let events = place.list("events");
    let submitted = events.iter().filter(|event| event["reason"] == "Submitted").count();
    assert!(submitted <= 1, "{events:#?}");
    WORLD.many_shops.assert_models(&place.models());
}

#[test]
fn a_job_outlives_its_workers_its_head_and_the_operator() {
    let place = Place::with_workers(2);
    place.train(&WORLD.many_shops, LONG_PARTS, &json!({}));
    place.until_in_the_middle();

    let worker = kill(&place, "shared-cpu-0");
    place.until_replaced(&worker, 2);
    place.eventually("its successor has joined", || {
        (place.kubectl(&["logs", "shared-head-0"]).matches("a worker joined").count() == 3).then_some(())
    });

    place.still_runs();
    let head = kill(&place, "shared-head-0");
    let operators = operators();
    place.still_runs();
    WORLD.cluster.kubectl(&["delete", "pod", &operators[0], "--grace-period=0", "--force"]).unwrap();
    place.until_replaced(&head, 2);
    eventually("another operator leads", || {
        let now = self::operators();
        let [one] = now.as_slice() else { return None };
        (*one != operators[0]).then_some(())?;
        WORLD.cluster.kubectl(&["logs", one]).ok()?.contains("this operator leads").then_some(())
    });

    let job = place.succeeded();
    assert_once(&place, &job);
    let log = place.kubectl(&["logs", "shared-head-0"]);
    assert!(log.contains("a worker joined"), "{log}");
}

fn operators() -> Vec<String> {
    operator_pods().iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_group_that_is_scaled_up_and_down_while_it_works_loses_nothing() {
    let place = Place::with_workers(1);
    let mut kubectl = Command::new(shoal_testkit::program("kubectl"));
    kubectl.env("KUBECONFIG", WORLD.cluster.kubeconfig()).env("NO_PROXY", "*");
    kubectl.args(["--namespace", place.name(), "get", "shoaljobs", "--watch", "--no-headers"]);
    let mut watcher = Process::start(&mut kubectl);
    place.train(&WORLD.many_shops, LONG_PARTS, &json!({}));
    place.until_in_the_middle();

    place.kubectl(&["scale", "shoalworkergroup", "shared-cpu", "--replicas=3"]);
    place.until_workers(3);
    place.still_runs();
    place.kubectl(&["scale", "shoalworkergroup", "shared-cpu", "--replicas=1"]);
    place.until_workers(1);
    let workers = || place.names("pods --selector=shoal.dev/worker-group=cpu").len();
    place.eventually("one pod is left", || (workers() == 1).then_some(()));

    let job = place.succeeded();
    assert_once(&place, &job);
    let log = place.kubectl(&["logs", "shared-head-0"]);
    for worker in 0..3 {
        assert!(log.contains(&format!("a worker joined worker=shared-cpu-{worker}")), "{log}");
    }
    assert!(log.contains("a worker leaves in order"), "{log}");
    let watched =
        watcher.wait_for_output("the watcher sees the end", |text| text.contains("Succeeded").then(|| text.to_owned()));
    let done: BTreeSet<&str> = watched.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert!(done.len() >= 3, "who watches sees the job advance: {watched}");
}
