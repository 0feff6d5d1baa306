//! What users ask of a cluster's head from their own machine, by its name on Kubernetes.

use serde_json::{Value, json};
use shoal_tests::process::{Finished, Process};
use shoal_tests::shoal;

use crate::place::Place;
use crate::world::{POD_LIMIT, WORLD, url};

/// What there is to ask about the example's job once it has succeeded.
pub(crate) fn ask_about_the_example(place: &Place) {
    // The head speaks TLS, and is known by the authority in its cluster's status.
    assert!(place.get("shoalcluster/shared")["status"]["authority"].is_string());
    let listed = ask_head(place, &["list"]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 2, "{listed}");
    assert_eq!(rows[1][..6], ["grunfeld", "groupedTraining", "Succeeded", "100", "11", "0"], "{listed}");
    let shown = ask_head(place, &["show", "grunfeld"]);
    let models = url("models");
    assert!(shown.contains(&format!("models: {models} (version 0, 11 rows)")), "{shown}");
    let shown: Value = serde_json::from_str(&ask_head(place, &["show", "grunfeld", "--output", "json"])).unwrap();
    let output = json!({"name": "models", "table": models, "version": 0, "rows": 11});
    assert_eq!(shown["status"]["outputs"][0], output, "{shown:#}");
    assert_eq!(shown["spec"]["spec"]["groupedTraining"]["input"]["table"], url("data/grunfeld.csv"), "{shown:#}");
    let attempts = ask_head(place, &["show", "grunfeld", "--attempts"]);
    assert!(attempts.contains("shared-cpu-"), "the workers' pods are named: {attempts}");
    let log = ask_head(place, &["logs", "grunfeld"]);
    assert!(log.contains(" head: accepted") && log.contains(" head: succeeded"), "{log}");
    assert!(log.lines().any(|line| line.contains(" shared-cpu-") && line.contains(" train/0 attempt 1: ")), "{log}");

    let drain = ["cluster", "drain", "nobody", "--cluster", "shared", "-n", place.name(), "--output", "json"];
    assert_eq!(with_kubeconfig(&drain).failed(2)["reason"], "WorkerNotFound");
    // As kubectl, it takes the namespace of the context where none is named.
    let elsewhere = ["job", "list", "--cluster", "shared", "--output", "json"];
    let failure = with_kubeconfig(&elsewhere).failed(2);
    assert_eq!(failure["reason"], "ClusterNotFound", "{failure}");
    assert_eq!(failure["message"], "there is no ShoalCluster default/shared", "{failure}");
}

/// What `shoal job` says of the cluster `shared`.
pub(crate) fn ask_head(place: &Place, arguments: &[&str]) -> String {
    let finished = with_kubeconfig(&of_shared(place, arguments));
    assert_eq!(finished.code, 0, "{finished:#?}");
    finished.stdout
}

fn of_shared<'a>(place: &'a Place, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["job"], arguments, &["--cluster", "shared", "-n", place.name()]].concat()
}

fn with_kubeconfig(arguments: &[&str]) -> Finished {
    start(arguments).finish_within(POD_LIMIT)
}

fn start(arguments: &[&str]) -> Process {
    Process::start(shoal::command(arguments).env("KUBECONFIG", WORLD.cluster.kubeconfig()))
}

#[test]
fn who_waits_for_a_job_goes_on_with_the_next_pod_of_the_head() {
    let place = Place::with_workers(1);
    place.train_shops(&json!({}));
    place.until_in_the_middle();
    let mut follower = start(&of_shared(&place, &["logs", "shops", "--follow"]));
    follower.wait_for_output("the log as far as it is", |text| text.contains(" head: accepted").then_some(()));
    place.kubectl(&["delete", "pod", "shared-head-0", "--grace-period=0", "--force"]);
    place.still_runs();
    let followed = follower.finish_within(POD_LIMIT);
    assert_eq!(followed.code, 0, "{followed:#?}");
    assert!(followed.stdout.contains(" head: succeeded"), "{followed:#?}");
    place.succeeded();
    WORLD.shops.assert_models(&place.models());

    place.patch("shoalcluster/shared", &json!({"suspend": true}));
    let failure = with_kubeconfig(&of_shared(&place, &["list", "--output", "json"])).failed(2);
    assert_eq!(failure["reason"], "NotPossible", "{failure}");
    let message = format!("ShoalCluster {}/shared is suspended: it has no pods", place.name());
    assert_eq!(failure["message"], message, "{failure}");
}
