//! Workers that leave in order: what they ran and held goes on elsewhere, and no task failed.

use std::time::Duration;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::signals::{Signal, Throttle, signal};
use shoal_tests::{data, job, slots};

use crate::lost_worker::{FILE_BYTES, GROUPS, assert_right, attempts_without_duplicates, stage};
use crate::place::Place;

/// What `shoal worker` takes where it is not told otherwise, and a little for the machine.
const DRAIN_DEFAULT: Duration = Duration::from_secs(35);

fn assert_no_task_failed(status: &Value) {
    assert_eq!(status["report"]["failedAttempts"], json!([]), "{status:#}");
}

fn map_attempts(status: &Value) -> (u64, u64) {
    let map = stage(status, "map");
    (map["tasks"].as_u64().unwrap(), attempts_without_duplicates(map))
}

/// Three workers with one slot each and a job whose map stage cannot end while the first of them is slow.
fn cluster(place: &Place, strategy: &str, first: &[&str]) -> (Head, [Worker; 3], Throttle) {
    cluster_with(place, strategy, first, Throttle::new)
}

fn cluster_with(
    place: &Place,
    strategy: &str,
    first: &[&str],
    slow: impl FnOnce(u32) -> Throttle,
) -> (Head, [Worker; 3], Throttle) {
    data::padded_csv(&place.join("data"), &FILE_BYTES, GROUPS);
    let head = Head::start(&place.join("state"), &[]);
    let workers = ["one", "two", "three"].map(|name| {
        let more = if name == "one" { first } else { &[] };
        Worker::start(&head, name, 1, &place.join(name), more)
    });
    head.wait_for_workers(3);
    let slow = slow(workers[0].pid());
    let job = job::training("drained", &place.join("data"), "shop", &["a", "b"], "y", &place.join("models"));
    head.submit(&place.job(&job::with_strategy(job, strategy)), &[]).succeeded();
    (head, workers, slow)
}

fn hands_over_with(strategy: &str) {
    let _slots = slots::take(slots::PROCESSES);
    let place = Place::new();
    let (head, [_one, two, _three], slow) = cluster(&place, strategy, &[]);
    eventually("all of the map stage is done but what the slow worker runs", || {
        let status = head.job("drained");
        let map = stage(&status, "map");
        let (tasks, done) = (map["tasks"].as_u64()?, map["done"].as_u64()?);
        assert!(done < tasks, "the slow worker was too fast: {status:#}");
        (done == tasks - 1).then_some(())
    });
    assert!(two.succeeded("map") > 0, "it holds nothing that somebody has to read");
    signal(two.pid(), Signal::Terminate);
    let ended = two.into_process().finish_within(DRAIN_DEFAULT);
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert_eq!(head.workers().len(), 2, "the head knows that it left");
    drop(slow);

    let status = head.ask(&["wait", "drained"]).succeeded();
    let (tasks, attempts) = map_attempts(&status);
    assert_eq!(attempts, tasks, "no split ran twice: {status:#}");
    assert_no_task_failed(&status);
    assert_right(&place);
}

#[test]
fn states_of_a_drained_worker_move_to_others() {
    hands_over_with("aggregate");
}

#[test]
fn rows_of_a_drained_worker_move_to_others() {
    hands_over_with("bucket");
}

#[test]
fn a_task_that_takes_longer_than_the_drain_is_handed_back() {
    let _slots = slots::take(slots::PROCESSES);
    let place = Place::new();
    // At a tenth of its speed a fast machine ends the task within the shortest drain that a user would ask for.
    let (head, [one, _two, _three], slow) = cluster_with(&place, "aggregate", &[], Throttle::to_a_crawl);
    eventually("the slow worker runs a task", || (one.running("map") == 1).then_some(()));
    let drained = head.cluster(&["drain", "one", "--within", "1"]).succeeded();
    assert_eq!((&drained["name"], &drained["state"]), (&json!("one"), &json!("Draining")), "{drained:#}");
    let ended = one.into_process().finish_within(DRAIN_DEFAULT);
    assert_eq!(ended.code, 0, "{ended:#?}");
    drop(slow);
    let status = head.ask(&["wait", "drained"]).succeeded();
    let shown = head.ask(&["show", "drained", "--attempts"]).json();
    let attempts = shown["attempts"].as_array().unwrap_or_else(|| panic!("{shown:#}"));
    let of_one: Vec<&Value> = attempts.iter().filter(|attempt| attempt["worker"] == "one").collect();
    // Whoever is first runs its task: another attempt once it is handed back, or a duplicate of what takes so long.
    assert!(!of_one.is_empty() && of_one.iter().all(|it| it["outcome"] != "Succeeded"), "{of_one:#?}");
    assert_no_task_failed(&status);
    assert_right(&place);
    assert_eq!(head.cluster(&["drain", "one"]).failed(2)["reason"], "WorkerNotFound");
}

#[test]
fn a_second_signal_ends_a_draining_worker_at_once() {
    let _slots = slots::take(slots::PROCESSES);
    let place = Place::new();
    let (head, [one, _two, _three], slow) = cluster(&place, "aggregate", &["--drain-timeout", "3600"]);
    eventually("the slow worker runs a task", || (one.running("map") == 1).then_some(()));
    signal(one.pid(), Signal::Terminate);
    eventually("the head hears of it", || head.workers().iter().find(|worker| worker["state"] == "Draining").cloned());
    signal(one.pid(), Signal::Terminate);
    let ended = one.into_process().finish();
    assert_eq!(ended.code, 0, "{ended:#?}");
    drop(slow);
    assert_no_task_failed(&head.ask(&["wait", "drained"]).succeeded());
    assert_right(&place);
}
