//! S3 that fails, and what is left in it where a job does not end well.

use std::time::Duration;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker, head_command};
use shoal_tests::fault_proxy::{Fault, FaultProxy, Gate};
use shoal_tests::object_stores::s3::{S3, environment};
use shoal_tests::object_stores::{Environment, Service};
use shoal_tests::oracle::read_delta_at;
use shoal_tests::{data, job, slots};

use crate::object_stores::{self, between, grunfeld, grunfeld_bytes, query, run};
use crate::place::Place;

/// A line that nobody looks at before all lines are read.
const LATE_LINE: usize = 12_002;

/// The table is whole also where another reader reads it right from the bucket, and no upload is left unfinished.
fn assert_whole(place: &Place, s3: &S3, prefix: &str, status: &Value) {
    object_stores::assert_whole(place, s3, prefix, status);
    assert_eq!(read_delta_at(&s3.url(prefix), s3.environment()).len(), 11);
    assert_eq!(s3.unfinished_uploads(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_line_that_breaks_its_column_is_found_in_a_bucket() {
    let _slots = slots::take(1);
    let s3 = S3::start();
    // Types are guessed from the first lines.
    let late = format!("id,x\n{}1,oops\n", "1,2\n".repeat(LATE_LINE - 2));
    s3.put("in/late.csv", late.into_bytes());
    let sum = format!("SELECT sum(x) AS s FROM '{}'", s3.url("in/late.csv"));
    let failure = query(&sum, s3.environment()).failed(2);
    assert_eq!((&failure["reason"], &failure["location"]["line"]), (&json!("MalformedRow"), &json!(LATE_LINE)));
    assert_eq!(failure["location"]["file"], s3.url("in/late.csv"));
}

#[test]
fn a_store_that_refuses_loses_answers_and_is_slow_gets_the_table_once() {
    let _slots = slots::take(3);
    let (place, s3) = (Place::new(), S3::start());
    s3.put("in/grunfeld.csv", grunfeld_bytes());
    let proxy = FaultProxy::start(s3.address(), |request| {
        let is_commit = request.method == "PUT" && request.target.contains("_delta_log");
        match request.number % 4 {
            // The commit is made, and its writer does not know.
            _ if is_commit => Fault::AnswerLost,
            1 => Fault::Refused,
            2 if request.method == "PUT" => Fault::AnswerLost,
            3 => Fault::Delayed(Duration::from_millis(50)),
            _ => Fault::None,
        }
    });
    let job = grunfeld("faults", &s3.url("in/grunfeld.csv"), &s3.url("out/models"));
    let job = job::with_strategy(job, "bucket");
    let status = run(&place, &job, environment(proxy.address())).succeeded();
    assert!(proxy.faults() >= 5, "{proxy:?}");
    assert_whole(&place, &s3, "out/models", &status);
}

#[test]
fn a_task_whose_store_refuses_for_too_long_runs_again() {
    let _slots = slots::take(3);
    let (place, s3) = (Place::new(), S3::start());
    s3.put("in/grunfeld.csv", grunfeld_bytes());
    // Whatever a first attempt writes is refused, however often it asks.
    let proxy = FaultProxy::start(s3.address(), |request| {
        let is_first = request.method == "PUT" && request.target.ends_with("-1.parquet");
        if is_first { Fault::Refused } else { Fault::None }
    });
    let job = grunfeld("again", &s3.url("in/grunfeld.csv"), &s3.url("out/models"));
    let job = job::with(job, "/groupedTraining/strategy", json!({"bucket": {"buckets": 1}}));
    let status = run(&place, &job, environment(proxy.address())).succeeded();
    let failed = &status["report"]["failedAttempts"][0]["failure"];
    assert_eq!(failed["reason"], "Io", "{status:#}");
    assert!(failed["location"]["file"].as_str().unwrap().starts_with(&s3.url("out/models/part-")), "{failed:#}");
    assert_whole(&place, &s3, "out/models", &status);
}

/// A head, and a worker with one slot, which reach the store as the environment says.
fn cluster(place: &Place, environment: &Environment) -> (Head, Worker) {
    let mut command = head_command(&place.join("state"), &[]);
    let head = Head::start_command(command.envs(environment.clone()));
    let worker = Worker::start_in(&head, "only", 1, &place.join("scratch"), environment.clone());
    (head, worker)
}

#[test]
fn a_job_that_is_cancelled_in_the_middle_of_an_upload_leaves_nothing() {
    /// Groups, and the length of their keys, which hardly compress: more than one part of an upload.
    const GROUPS: usize = 400;
    const KEY_BYTES: usize = 50_000;
    let _slots = slots::take(2);
    let (place, s3) = (Place::new(), S3::start());
    s3.put("in/wide.csv", data::wide_keys(GROUPS, KEY_BYTES));
    let gate = Gate::default();
    let held = gate.clone();
    let proxy = FaultProxy::start(s3.address(), move |request| {
        let is_part = request.method == "PUT" && request.target.contains("partNumber=2");
        if is_part { Fault::Held(held.clone()) } else { Fault::None }
    });
    let (head, _worker) = cluster(&place, &environment(proxy.address()));
    let job = job::training("wide", "".as_ref(), "name", &["x"], "y", "".as_ref());
    let job = between(job, &s3.url("in/wide.csv"), &s3.url("out/models"));
    let job = job::with(job, "/groupedTraining/strategy", json!({"bucket": {"buckets": 1}}));
    head.submit(&place.job(&job), &[]).succeeded();
    eventually("the second part of the upload is on its way", || (gate.waiting() > 0).then_some(()));
    assert!(!s3.unfinished_uploads().is_empty(), "the upload can be seen from outside");
    head.ask(&["cancel", "wide"]).succeeded();
    assert_eq!(head.ask(&["wait", "wide"]).failed(1)["reason"], "Cancelled");
    gate.open();
    eventually("the upload is aborted", || s3.unfinished_uploads().is_empty().then_some(()));
    assert_eq!(s3.keys("out"), Vec::<String>::new());

    // Undisturbed, the same job is one object of several parts.
    let again = job::with(job, "/failurePolicy", json!({"maxFailed": 0}));
    head.submit(&place.job(&again), &["--rerun"]).succeeded();
    assert_eq!(head.ask(&["wait", "wide"]).failed(1)["reason"], "TooManyFailed", "each group has one row");
    eventually("files of the failed job are gone", || s3.keys("out").is_empty().then_some(()));
    assert_eq!(s3.unfinished_uploads(), Vec::<std::path::PathBuf>::new());
}
