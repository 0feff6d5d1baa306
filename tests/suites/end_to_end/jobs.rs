//! Jobs on a running head, over REST: submitted, listed, shown, waited for, cancelled, and remembered.

use serde_json::json;
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker, head_command};
use shoal_tests::process::Process;
use shoal_tests::{http, job, slots};

use crate::place::Place;

#[test]
fn a_job_goes_through_its_life() {
    let _slots = slots::take(3);
    let place = Place::new();
    let head = Head::start(&place.join("state"), &[]);
    let worker = Worker::start(&head, "only", 2, &place.join("scratch"), &[]);
    let good = job::grunfeld("grunfeld", &place.join("models"));
    let file = place.job(&good);

    let submitted = head.submit(&file, &[]).succeeded();
    let uid = submitted["uid"].clone();
    assert!(uid.is_string(), "{submitted:#}");
    let done = head.ask(&["wait", "grunfeld"]).succeeded();
    assert_eq!((&done["phase"], &done["uid"]), (&json!("Succeeded"), &uid));
    assert_eq!(head.ask(&["show", "grunfeld"]).succeeded()["uid"], uid);
    let listed = head.ask(&["list"]).succeeded();
    assert!(listed.to_string().contains(uid.as_str().unwrap()), "{listed:#}");

    // The same job is the same submission; a rerun is another.
    assert_eq!(head.submit(&file, &["--wait"]).succeeded()["uid"], uid);
    let overwriting = job::with(good.clone(), "/groupedTraining/output/mode", json!("overwrite"));
    let file = place.job(&overwriting);
    let failure = head.submit(&file, &[]).failed(2);
    assert_eq!(failure["reason"], "JobConflict", "{failure:#}");
    let answer = http::post(&format!("{}/api/v1/jobs", head.url()), None, overwriting.to_string()).unwrap();
    assert_eq!(answer.status, 409, "{answer:?}");
    let again = head.submit(&file, &["--rerun", "--wait"]).succeeded();
    assert_eq!(again["phase"], "Succeeded");
    assert_ne!(again["uid"], uid);
    assert_eq!(head.jobs().len(), 1, "the latest submission stands for the job");

    assert_eq!(head.ask(&["show", "nobody"]).failed(2)["reason"], "JobNotFound");
    assert_eq!(http::get(&format!("{}/api/v1/jobs/nobody", head.url()), None).unwrap().status, 404);
    drop(worker);
}

#[test]
fn a_waiting_job_is_cancelled_and_publishes_nothing() {
    let _slots = slots::take(2);
    let place = Place::new();
    // Without a worker it waits, for as long as it takes to cancel it.
    let head = Head::start(&place.join("state"), &[]);
    let file = place.job(&job::grunfeld("waiting", &place.join("models")));
    head.submit(&file, &[]).succeeded();
    eventually("its input has been looked at", || (head.job("waiting")["phase"] == "Running").then_some(()));
    head.ask(&["cancel", "waiting"]).succeeded();
    let failure = head.ask(&["wait", "waiting"]).failed(1);
    assert_eq!(failure["reason"], "Cancelled", "{failure:#}");
    assert!(!place.join("models").exists());
    // Cancelled twice is cancelled.
    head.ask(&["cancel", "waiting"]).succeeded();
}

#[test]
fn a_head_remembers_its_jobs_and_goes_on_with_them() {
    let _slots = slots::take(3);
    let place = Place::new();
    let state = place.join("state");
    let mut head = Head::start(&state, &[]);
    let first = place.job(&job::grunfeld("first", &place.join("first")));
    let submitted = head.submit(&first, &[]).succeeded();
    head.kill();

    let head = Head::start(&state, &[]);
    assert_eq!(head.job("first")["uid"], submitted["uid"], "the job outlived its head");
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    let done = head.ask(&["wait", "first"]).succeeded();
    assert_eq!((&done["phase"], &done["uid"]), (&json!("Succeeded"), &submitted["uid"]));
    assert_eq!(done["outputs"][0]["rows"], 11);
}

#[test]
fn a_state_folder_has_one_head() {
    let _slots = slots::take(2);
    let place = Place::new();
    let state = place.join("state");
    let _head = Head::start(&state, &[]);
    let second = Process::start(&mut head_command(&state, &[])).finish();
    assert_eq!(second.code, 3, "{second:#?}");
    assert!(second.stderr.contains("StateLocked"), "{second:#?}");
    assert!(second.stderr.contains(state.to_str().unwrap()), "the folder is named: {second:#?}");
    // `shoal run` is a head, too.
    let failure = place.run(&job::grunfeld("locked-out", &place.join("models"))).failed(3);
    assert_eq!(failure["reason"], "StateLocked", "{failure:#}");
}
