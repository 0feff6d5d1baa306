//! Tables in a bucket of a real S3: read, written, committed once, and left clean; also where the store fails.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker, head_command};
use shoal_tests::delta_log::times_committed;
use shoal_tests::fault_proxy::{Fault, FaultProxy, Gate};
use shoal_tests::oracle::{read_delta, read_delta_at, write_delta};
use shoal_tests::process::{Finished, Process};
use shoal_tests::s3::{S3, environment};
use shoal_tests::table::{assert_same, by_key, without_models};
use shoal_tests::{data, job, shoal, slots};

use crate::place::Place;

const INPUT: &str = "/groupedTraining/input/table";
const OUTPUT: &str = "/groupedTraining/output/table";

/// A line that nobody looks at before all lines are read.
const LATE_LINE: usize = 12_002;

/// Grunfeld's regressions from a table to a table.
fn grunfeld(name: &str, input: &str, output: &str) -> Value {
    let job = job::grunfeld(name, "".as_ref());
    job::with(job::with(job, INPUT, json!(input)), OUTPUT, json!(output))
}

fn grunfeld_bytes() -> Vec<u8> {
    std::fs::read(job::grunfeld_csv()).unwrap()
}

type Environment = Vec<(&'static str, String)>;

fn run(place: &Place, job: &Value, environment: Environment) -> Finished {
    Process::start(place.run_command(&place.job(job)).envs(environment)).finish()
}

fn query(sql: &str, environment: Environment) -> Finished {
    let mut command: Command = shoal::command(["sql", sql, "--output", "json"]);
    Process::start(command.envs(environment)).finish()
}

/// The table has the rows of a run on local disk; it was committed once, and nothing else is left beside it.
fn assert_whole(place: &Place, s3: &S3, prefix: &str, status: &Value) {
    let local = place.join("local");
    if !local.exists() {
        place.run(&job::grunfeld("local", &local)).succeeded();
    }
    let models = |rows| by_key(&without_models(rows), &["firm"]);
    let (expected, found) = (models(read_delta(&local)), models(read_delta_at(&s3.url(prefix), s3.environment())));
    assert_eq!(found.len(), 11);
    assert_same(&found, &expected);
    let uid = status["uid"].as_str().unwrap();
    assert_eq!(times_committed(&s3.folder(prefix), &format!("shoal/{uid}")), 1, "{status:#}");
    let parts: Vec<String> = s3.keys(prefix).into_iter().filter(|key| !key.starts_with("_delta_log")).collect();
    let committed = shoal_tests::delta_log::commits(&s3.folder(prefix));
    let mut added: Vec<&str> = committed.iter().flatten().filter_map(|action| action["add"]["path"].as_str()).collect();
    added.sort_unstable();
    assert_eq!(parts, added, "files of no commit are left");
    assert_eq!(s3.unfinished_uploads(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_bucket_serves_as_a_disk_does() {
    let _slots = slots::take(3);
    let (place, s3) = (Place::new(), S3::start());
    s3.put("in/grunfeld.csv", grunfeld_bytes());
    let status =
        run(&place, &grunfeld("csv", &s3.url("in/grunfeld.csv"), &s3.url("out/csv")), s3.environment()).succeeded();
    assert_whole(&place, &s3, "out/csv", &status);

    // A prefix and a pattern are tables too, and an output is the next one's input.
    s3.put("parts/a b.csv", grunfeld_bytes());
    s3.put("parts/_SUCCESS", Vec::new());
    for (name, input) in [("prefix", "parts"), ("pattern", "par?s/*.csv")] {
        let output = format!("out/{name}");
        let status = run(&place, &grunfeld(name, &s3.url(input), &s3.url(&output)), s3.environment()).succeeded();
        assert_whole(&place, &s3, &output, &status);
    }
    let count = |table: &str| {
        let rows = query(&format!("SELECT count(*) AS n FROM '{table}'"), s3.environment()).succeeded();
        rows[0]["n"].as_u64().unwrap()
    };
    assert_eq!(count(&s3.url("in/grunfeld.csv")), 220);
    assert_eq!(count(&s3.url("*/*.csv")), 440);
    assert_eq!(count(&s3.url("out/csv")), 11);

    // The same job again is refused, with `append` it adds to the table.
    let again = grunfeld("again", &s3.url("in/grunfeld.csv"), &s3.url("out/csv"));
    assert_eq!(run(&place, &again, s3.environment()).failed(2)["reason"], "OutputExists");
    let more = job::with(
        grunfeld("more", &s3.url("in/grunfeld.csv"), &s3.url("out/csv")),
        "/groupedTraining/output/mode",
        json!("append"),
    );
    run(&place, &more, s3.environment()).succeeded();
    assert_eq!(count(&s3.url("out/csv")), 22);
}

#[test]
fn parquet_and_delta_are_read_from_a_bucket() {
    let _slots = slots::take(3);
    let (place, s3) = (Place::new(), S3::start());
    // Another writer's table, partitioned; its second version doubles every number.
    write_delta(&job::grunfeld_csv(), &place.join("delta"), "firm");
    s3.put_folder("in/delta", &place.join("delta"));
    let delta = grunfeld("delta", &s3.url("in/delta"), &s3.url("out/delta"));
    let delta = job::with(delta, "/groupedTraining/input/version", json!(0));
    let status = run(&place, &delta, s3.environment()).succeeded();
    assert_whole(&place, &s3, "out/delta", &status);

    let made = data::skewed(&place.join("parts"));
    s3.put_folder("in/parts", &place.join("parts"));
    let rows = query(
        &format!("SELECT count(*) AS n FROM '{}' WHERE price IS NULL OR price < 1e9", s3.url("in/parts")),
        s3.environment(),
    );
    assert_eq!(rows.succeeded()[0]["n"], made.rows);
}

#[test]
fn what_is_wrong_with_a_bucket_is_said_with_the_variable_that_mends_it() {
    let _slots = slots::take(3);
    let (place, s3) = (Place::new(), S3::start());
    s3.put("in/grunfeld.csv", grunfeld_bytes());
    let with = |name: &'static str, value: &str| -> Environment {
        let others = s3.environment().into_iter().filter(|(other, _)| *other != name);
        others.chain([(name, value.to_owned())]).collect()
    };
    let good = s3.url("in/grunfeld.csv");
    for (input, environment, reason, next) in [
        (good.as_str(), with("AWS_SECRET_ACCESS_KEY", "wrong"), "Unauthorized", "AWS_SECRET_ACCESS_KEY"),
        (good.as_str(), with("AWS_ALLOW_HTTP", "false"), "InvalidValue", "AWS_ALLOW_HTTP"),
        ("s3://no-such-bucket/in", s3.environment(), "TableNotFound", "AWS_ENDPOINT_URL"),
        (&s3.url("in/grunfeld.cvs"), s3.environment(), "TableNotFound", "in/grunfeld.csv"),
        (&s3.url("in/*.parquet"), s3.environment(), "TableNotFound", "in"),
    ] {
        let failure = run(&place, &grunfeld("wrong", input, &s3.url("out")), environment).failed(2);
        assert_eq!(failure["reason"], reason, "{input}: {failure:#}");
        assert_eq!(failure["location"]["fieldPath"], "spec.groupedTraining.input.table", "{failure:#}");
        assert!(failure["next"].as_str().unwrap().contains(next), "{input}: {failure:#}");
        assert!(failure["location"]["file"].as_str().unwrap().starts_with("s3://"), "{failure:#}");
        std::fs::remove_dir_all(place.join("state")).unwrap();
    }
    let failure = run(&place, &grunfeld("nowhere", &good, "s3://no-such-bucket/out"), s3.environment()).failed(2);
    assert_eq!(failure["reason"], "TableNotFound", "{failure:#}");
    assert_eq!(failure["location"]["fieldPath"], "spec.groupedTraining.output.table", "{failure:#}");

    // A line that breaks its column is found in a bucket, too: types are guessed from the first lines.
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
    let job = job::with(job::with(job, INPUT, json!(s3.url("in/wide.csv"))), OUTPUT, json!(s3.url("out/models")));
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
