//! A worker that is killed with partitions that nobody has pulled yet.

use serde_json::Value;
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::oracle::{Fit, read_delta, statsmodels};
use shoal_tests::signals::{Signal, Throttle, signal};
use shoal_tests::table::{assert_agrees, by_key};
use shoal_tests::{data, job, slots};

use crate::place::Place;

/// Each larger than the smallest split, and two of them larger than a third of all, which is a slot's share: one split
/// per file.
pub(crate) const FILE_BYTES: [usize; 5] = [4_400_000; 5];

pub(crate) const GROUPS: u64 = 40;

pub(crate) fn stage<'a>(status: &'a Value, name: &str) -> &'a Value {
    let stages = status["report"]["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["name"] == name).unwrap_or(&Value::Null)
}

/// Attempts of a stage but those that were only to overtake a slow one.
pub(crate) fn attempts_without_duplicates(stage: &Value) -> u64 {
    stage["attempts"].as_u64().unwrap() - stage["speculativeAttempts"].as_u64().unwrap_or(0)
}

fn survives_with(strategy: &str) {
    let _slots = slots::take(slots::PROCESSES);
    let place = Place::new();
    data::padded_csv(&place.join("data"), &FILE_BYTES, GROUPS);
    let head = Head::start(&place.join("state"), &[]);
    let mut workers = ["one", "two", "three"].map(|name| Worker::start(&head, name, 1, &place.join(name), &[]));
    head.wait_for_workers(3);

    // The first is so slow that the map stage cannot end while the others do all the rest of it.
    let slow = Throttle::new(workers[0].pid());
    let job = job::training("lost", &place.join("data"), "shop", &["a", "b"], "y", &place.join("models"));
    let file = place.job(&job::with_strategy(job, strategy));
    head.submit(&file, &[]).succeeded();
    let tasks = eventually("all of the map stage is done but what the slow worker runs", || {
        let status = head.job("lost");
        let map = stage(&status, "map");
        let (tasks, done) = (map["tasks"].as_u64()?, map["done"].as_u64()?);
        assert!(tasks >= 4, "the planner makes too few splits for this test: {status:#}");
        assert!(done < tasks, "the slow worker was too fast: {status:#}");
        (done == tasks - 1).then_some(tasks)
    });
    let [_, victim, _] = &mut workers;
    let held = victim.succeeded("map") as u64;
    assert!(held > 0 && victim.running("map") == 0, "the victim holds {held} partitions and runs nothing");
    victim.process().kill();
    drop(slow);

    let status = head.ask(&["wait", "lost"]).succeeded();
    let attempts = attempts_without_duplicates(stage(&status, "map"));
    assert_eq!(attempts, tasks + held, "exactly its splits ran again: {status:#}");
    assert_eq!(stage(&status, "map")["done"], tasks, "{status:#}");
    assert_eq!(head.workers().len(), 2);
    assert_right(&place);
}

/// The table has the right numbers for every group, each group once.
pub(crate) fn assert_right(place: &Place) {
    let models = by_key(&read_delta(&place.join("models")), &["shop"]);
    let fit = Fit { table: &place.join("data"), keys: &["shop"], features: &["a", "b"], target: "y", every: 1 };
    let fits = statsmodels(&fit);
    assert_eq!((models.len() as u64, fits.len() as u64), (GROUPS, GROUPS));
    assert_agrees(&models, &by_key(&fits, &["shop"]));
}

#[test]
fn states_of_a_killed_worker_are_computed_again() {
    survives_with("aggregate");
}

#[test]
fn rows_of_a_killed_worker_are_read_again() {
    survives_with("bucket");
}

#[test]
fn a_worker_that_hangs_is_taken_out_and_its_task_runs_elsewhere() {
    let _slots = slots::take(3);
    let place = Place::new();
    data::padded_csv(&place.join("data"), &FILE_BYTES[..2], GROUPS);
    let head = Head::start(&place.join("state"), &[]);
    let _good = Worker::start(&head, "good", 1, &place.join("good"), &[]);
    let hung = Worker::start(&head, "hung", 1, &place.join("hung"), &[]);
    head.wait_for_workers(2);
    signal(hung.pid(), Signal::Stop);
    let job = job::training("hung", &place.join("data"), "shop", &["a", "b"], "y", &place.join("models"));
    let file = place.job(&job::with_strategy(job, "aggregate"));
    let status = head.submit(&file, &["--wait"]).succeeded();
    let map = stage(&status, "map");
    assert_eq!((&map["tasks"], &map["attempts"]), (&2.into(), &3.into()), "{status:#}");
    let failed = &status["report"]["failedAttempts"][0];
    assert_eq!((&failed["worker"], &failed["failure"]["reason"]), (&"hung".into(), &"WorkerLost".into()), "{status:#}");
    assert_right(&place);
}
