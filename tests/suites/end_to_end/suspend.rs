//! Jobs that are suspended, resumed and given another priority while they run.

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::process::Process;
use shoal_tests::{data, job, shoal, slots};

use crate::place::Place;

/// A split each, large enough to be in the middle of for a moment.
const FILE_BYTES: [usize; 6] = [4_400_000; 6];

fn done(status: &Value) -> u64 {
    let stages = status["report"]["stages"].as_array().unwrap();
    stages.iter().map(|stage| stage["done"].as_u64().unwrap()).sum()
}

#[test]
fn a_suspended_job_hands_its_tasks_back_keeps_what_is_done_and_goes_on() {
    let _slots = slots::take(4);
    let place = Place::new();
    data::padded_csv(&place.join("data"), &FILE_BYTES, 40);
    let head = Head::start(&place.join("state"), &[]);
    let worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    let large = job::training("large", &place.join("data"), "shop", &["a", "b"], "y", &place.join("models"));
    let file = place.job(&job::with_strategy(large, "bucket"));
    head.submit(&file, &[]).succeeded();
    eventually("its first task is done", || (done(&head.job("large")) > 0).then_some(()));

    let suspended = head.ask(&["suspend", "large"]).succeeded();
    assert_eq!(suspended["phase"], "Suspended", "{suspended:#}");
    eventually("its worker is idle", || (head.job("large")["progress"]["running"] == 0).then_some(()));
    let kept = done(&head.job("large"));
    assert!(kept > 0);
    // Whoever waits is told why nothing happens.
    let mut waiting =
        Process::start(shoal::command(["job", "wait", "large", "--head", head.url()]).args(["--output", "json"]));
    waiting.wait_for_output("the wait says so", |text| {
        text.contains("suspended, until `shoal job resume large`").then_some(())
    });
    assert!(waiting.is_running(), "and goes on waiting");
    // Another job has the slot to itself.
    let small = place.job(&job::grunfeld("small", &place.join("small")));
    assert_eq!(head.submit(&small, &["--wait"]).succeeded()["phase"], "Succeeded");
    assert_eq!((head.job("large")["phase"].clone(), done(&head.job("large"))), (json!("Suspended"), kept));

    head.ask(&["priority", "large", "-7"]).succeeded();
    let resumed = head.ask(&["resume", "large"]).succeeded();
    assert_eq!(resumed["phase"], "Running", "{resumed:#}");
    let ended = waiting.finish().succeeded();
    assert_eq!((&ended["phase"], &ended["outputs"][0]["rows"]), (&json!("Succeeded"), &json!(40)), "{ended:#}");
    // What was finished was not done again; only what was handed back ran a second time.
    let (tasks, attempts) =
        ended["report"]["stages"].as_array().unwrap().iter().fold((0, 0), |(tasks, attempts), stage| {
            (tasks + stage["tasks"].as_u64().unwrap(), attempts + stage["attempts"].as_u64().unwrap())
        });
    assert!(attempts <= tasks + 1, "{attempts} attempts of {tasks} tasks: {ended:#}");
    let log = head.ask(&["logs", "large"]).succeeded();
    let texts: Vec<&str> = log["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    for expected in ["suspended", "priority -7", "resumed"] {
        assert!(texts.contains(&expected), "{texts:?}");
    }

    for command in ["suspend", "resume"] {
        let failure = head.ask(&[command, "large"]).failed(2);
        assert_eq!(failure["reason"], "NotPossible", "{failure:#}");
        assert!(failure["next"].as_str().unwrap().contains("shoal job rerun large"), "{failure:#}");
        assert_eq!(head.ask(&[command, "nobody"]).failed(2)["reason"], "JobNotFound");
    }
    drop(worker);
}

#[test]
fn a_job_can_be_submitted_suspended_and_stays_so_over_a_restart() {
    let _slots = slots::take(2);
    let place = Place::new();
    let state = place.join("state");
    let mut head = Head::start(&state, &[]);
    let file = place.job(&job::with(job::grunfeld("later", &place.join("models")), "/suspend", json!(true)));
    assert_eq!(head.submit(&file, &[]).succeeded()["phase"], "Suspended");
    head.kill();
    let head = Head::start(&state, &[]);
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    assert_eq!(head.job("later")["phase"], "Suspended");
    head.ask(&["resume", "later"]).succeeded();
    assert_eq!(head.ask(&["wait", "later"]).succeeded()["phase"], "Succeeded");
}

#[test]
fn a_deadline_ends_a_job_and_what_it_did_counts_when_it_is_run_again() {
    let _slots = slots::take(2);
    let place = Place::new();
    // Without a worker it waits until its deadline, which is time enough for all of it with one.
    let head = Head::start(&place.join("state"), &[]);
    let late = job::with(job::grunfeld("late", &place.join("models")), "/activeDeadlineSeconds", json!(8));
    head.submit(&place.job(&late), &[]).succeeded();
    let failure = head.ask(&["wait", "late"]).failed(2);
    assert_eq!(failure["reason"], "DeadlineExceeded", "{failure:#}");
    let uid = head.job("late")["uid"].clone();
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    // The same submission goes on; a fresh one is another.
    let again = head.ask(&["rerun", "late", "--wait"]).succeeded();
    assert_eq!((&again["phase"], &again["uid"]), (&json!("Succeeded"), &uid), "{again:#}");
    let notes = again["report"]["notes"].to_string();
    assert!(notes.contains("it goes on"), "{notes}");
}
