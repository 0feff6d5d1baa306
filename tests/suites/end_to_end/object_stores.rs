//! Tables in buckets, whosever they are: read, written, committed once, and left clean; and what is said where they cannot
//! be reached.

use std::process::Command;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::delta_log::{commits, times_committed};
use shoal_tests::fault_proxy::{Fault, FaultProxy, Gate};
use shoal_tests::object_stores::azure::Azure;
use shoal_tests::object_stores::google::Google;
use shoal_tests::object_stores::s3::S3;
use shoal_tests::object_stores::{BUCKET, Environment, Service};
use shoal_tests::oracle::{read_delta, write_delta};
use shoal_tests::process::{Finished, Process};
use shoal_tests::table::{assert_same, by_key, without_models};
use shoal_tests::{data, job, shoal, slots};

use crate::place::Place;

const INPUT: &str = "/groupedTraining/input/table";
const OUTPUT: &str = "/groupedTraining/output/table";
const MODE: &str = "/groupedTraining/output/mode";

/// A job that reads and writes these tables instead.
pub(crate) fn between(job: Value, input: &str, output: &str) -> Value {
    job::with(job::with(job, INPUT, json!(input)), OUTPUT, json!(output))
}

/// Grunfeld's regressions from a table to a table.
pub(crate) fn grunfeld(name: &str, input: &str, output: &str) -> Value {
    between(job::grunfeld(name, "".as_ref()), input, output)
}

pub(crate) fn grunfeld_bytes() -> Vec<u8> {
    std::fs::read(job::grunfeld_csv()).unwrap()
}

pub(crate) fn run(place: &Place, job: &Value, environment: Environment) -> Finished {
    Process::start(place.run_command(&place.job(job)).envs(environment)).finish()
}

pub(crate) fn query(sql: &str, environment: Environment) -> Finished {
    let mut command: Command = shoal::command(["sql", sql, "--output", "json"]);
    Process::start(command.envs(environment)).finish()
}

/// Rows of a table, as SQL counts them.
fn count(service: &dyn Service, key: &str) -> u64 {
    let sql = format!("SELECT count(*) AS n FROM '{}'", service.url(key));
    query(&sql, service.environment()).succeeded()[0]["n"].as_u64().unwrap()
}

/// The table has the rows of a run on local disk, as another reader sees them; it was committed once, and nothing else is
/// left beside it.
pub(crate) fn assert_whole(place: &Place, service: &dyn Service, prefix: &str, status: &Value) {
    let local = place.join("local");
    if !local.exists() {
        place.run(&job::grunfeld("local", &local)).succeeded();
    }
    let table = service.download(prefix);
    let models = |rows| by_key(&without_models(rows), &["firm"]);
    let (expected, found) = (models(read_delta(&local)), models(read_delta(table.path())));
    assert_eq!(found.len(), 11);
    assert_same(&found, &expected);
    let uid = status["uid"].as_str().unwrap();
    assert_eq!(times_committed(table.path(), &format!("shoal/{uid}")), 1, "{status:#}");
    let keys = service.keys(prefix);
    let parts: Vec<&str> = keys.iter().map(String::as_str).filter(|key| !key.starts_with("_delta_log")).collect();
    let committed = commits(table.path());
    let mut added: Vec<&str> = committed.iter().flatten().filter_map(|action| action["add"]["path"].as_str()).collect();
    added.sort_unstable();
    assert_eq!(parts, added, "files of no commit are left");
}

fn serves_as_a_disk_does(service: &dyn Service) {
    let place = Place::new();
    let environment = || service.environment();
    service.put("in/grunfeld.csv", grunfeld_bytes());
    let from_csv = |name: &str, output: &str| {
        grunfeld(name, &service.url("in/grunfeld.csv"), &service.url(&format!("out/{output}")))
    };
    let status = run(&place, &from_csv("csv", "csv"), environment()).succeeded();
    assert_whole(&place, service, "out/csv", &status);

    // A prefix and a pattern are tables too.
    service.put("parts/a b.csv", grunfeld_bytes());
    service.put("parts/_SUCCESS", Vec::new());
    for (name, input) in [("prefix", "parts"), ("pattern", "par?s/*.csv")] {
        let output = format!("out/{name}");
        let status =
            run(&place, &grunfeld(name, &service.url(input), &service.url(&output)), environment()).succeeded();
        assert_whole(&place, service, &output, &status);
    }
    let counts = ["in/grunfeld.csv", "*/*.csv", "out/csv"].map(|key| count(service, key));
    assert_eq!(counts, [220, 440, 11]);

    // What is there already is refused, replaced, or added to.
    assert_eq!(run(&place, &from_csv("again", "csv"), environment()).failed(2)["reason"], "OutputExists");
    for (mode, rows) in [("overwrite", 11), ("append", 22)] {
        let job = job::with(from_csv(mode, "csv"), MODE, json!(mode));
        run(&place, &job, environment()).succeeded();
        assert_eq!(count(service, "out/csv"), rows, "{mode}");
    }
    assert_eq!(commits(service.download("out/csv").path()).len(), 3);
}

#[test]
fn s3_serves_as_a_disk_does() {
    let _slots = slots::take(3);
    serves_as_a_disk_does(&S3::start());
}

#[test]
fn google_serves_as_a_disk_does() {
    let _slots = slots::take(3);
    serves_as_a_disk_does(&Google::start());
}

#[test]
fn azure_serves_as_a_disk_does() {
    let _slots = slots::take(3);
    let azure = Azure::start();
    serves_as_a_disk_does(&azure);
    // An account has its endpoint, where that is not Azure's own.
    let sql = format!("SELECT count(*) AS n FROM '{}'", azure.url("*/*.csv"));
    assert_eq!(query(&sql, azure.environment_of_endpoint()).succeeded()[0]["n"], 440);
}

fn gives_parquet_and_delta(service: &dyn Service) {
    let place = Place::new();
    // Another writer's table, partitioned; its second version doubles every number.
    write_delta(&job::grunfeld_csv(), &place.join("delta"), "firm");
    service.put_folder("in/delta", &place.join("delta"));
    let delta = grunfeld("delta", &service.url("in/delta"), &service.url("out/delta"));
    let delta = job::with(delta, "/groupedTraining/input/version", json!(0));
    let status = run(&place, &delta, service.environment()).succeeded();
    assert_whole(&place, service, "out/delta", &status);

    let made = data::skewed(&place.join("parts"));
    service.put_folder("in/parts", &place.join("parts"));
    let sql = format!("SELECT count(*) AS n FROM '{}' WHERE price IS NULL OR price < 1e9", service.url("in/parts"));
    assert_eq!(query(&sql, service.environment()).succeeded()[0]["n"], made.rows);
}

#[test]
fn s3_gives_parquet_and_delta() {
    let _slots = slots::take(3);
    gives_parquet_and_delta(&S3::start());
}

#[test]
fn google_gives_parquet_and_delta() {
    let _slots = slots::take(3);
    gives_parquet_and_delta(&Google::start());
}

#[test]
fn azure_gives_parquet_and_delta() {
    let _slots = slots::take(3);
    gives_parquet_and_delta(&Azure::start());
}

/// Two jobs are about to write the same version of a table at the same moment: both succeed, one after the other.
fn lets_one_of_two_commits_through(service: &dyn Service) {
    let (first, second) = (Place::new(), Place::new());
    service.put("in/grunfeld.csv", grunfeld_bytes());
    let appending = |name: &str| {
        let job = grunfeld(name, &service.url("in/grunfeld.csv"), &service.url("out"));
        job::with(job, MODE, json!("append"))
    };
    let made = run(&first, &appending("zero"), service.environment()).succeeded();
    let gate = Gate::default();
    let held = gate.clone();
    let proxy = FaultProxy::start(service.address(), move |request| {
        let is_commit = request.method == "PUT" && request.target.contains("00000000000000000001");
        if is_commit { Fault::Held(held.clone()) } else { Fault::None }
    });
    let runs = [(&first, "one"), (&second, "two")].map(|(place, name)| {
        let mut command = place.run_command(&place.job(&appending(name)));
        Process::start(command.envs(service.environment_at(proxy.address())))
    });
    eventually("both commits of version 1 are on their way", || (gate.waiting() >= 2).then_some(()));
    gate.open();
    let ended = runs.map(|run| run.finish().succeeded());
    assert_eq!(count(service, "out"), 33);
    let table = service.download("out");
    assert_eq!(commits(table.path()).len(), 3);
    for status in ended.iter().chain([&made]) {
        let uid = status["uid"].as_str().unwrap();
        assert_eq!(times_committed(table.path(), &format!("shoal/{uid}")), 1, "{status:#}");
    }
}

#[test]
fn s3_lets_one_of_two_commits_through() {
    let _slots = slots::take(slots::PROCESSES);
    lets_one_of_two_commits_through(&S3::start());
}

#[test]
fn google_lets_one_of_two_commits_through() {
    let _slots = slots::take(slots::PROCESSES);
    lets_one_of_two_commits_through(&Google::start());
}

#[test]
fn azure_lets_one_of_two_commits_through() {
    let _slots = slots::take(slots::PROCESSES);
    lets_one_of_two_commits_through(&Azure::start());
}

/// An output that is uploaded in more than one part.
fn takes_large_objects(service: &dyn Service) {
    /// Groups, and the length of their keys, which hardly compress: more than one part of an upload.
    const GROUPS: usize = 400;
    const KEY_BYTES: usize = 50_000;
    let place = Place::new();
    service.put("in/wide.csv", data::wide_keys(GROUPS, KEY_BYTES));
    let wide = job::training("wide", "".as_ref(), "name", &["x"], "y", "".as_ref());
    let wide = between(wide, &service.url("in/wide.csv"), &service.url("out"));
    let wide = job::with(wide, "/groupedTraining/strategy", json!({"bucket": {"buckets": 1}}));
    // A group of one row has no model, and its row in the table.
    let wide = job::with(wide, "/failurePolicy", json!({"maxFailed": GROUPS}));
    run(&place, &wide, service.environment()).succeeded();
    let sql = format!("SELECT count(*) AS n, sum(length(name)) AS bytes FROM '{}'", service.url("out"));
    let rows = query(&sql, service.environment()).succeeded();
    assert_eq!(rows[0], json!({"n": GROUPS, "bytes": GROUPS * KEY_BYTES}));
}

#[test]
fn google_takes_large_objects() {
    let _slots = slots::take(3);
    takes_large_objects(&Google::start());
}

#[test]
fn azure_takes_large_objects() {
    let _slots = slots::take(3);
    takes_large_objects(&Azure::start());
}

fn mistakes_are_told_with_what_mends_them(service: &dyn Service) {
    let place = Place::new();
    service.put("in/grunfeld.csv", grunfeld_bytes());
    let (good, output) = (service.url("in/grunfeld.csv"), service.url("out"));
    let nowhere = |key: &str| service.url(key).replacen(BUCKET, "no-such-bucket", 1);
    let of_settings = service.mistakes().into_iter();
    let of_settings = of_settings.map(|(environment, reason, next)| (good.clone(), environment, reason, next));
    let of_names = [
        (nowhere("in"), "make the"),
        (service.url("in/grunfeld.cvs"), "in/grunfeld.csv"),
        (service.url("in/*.parquet"), "in"),
    ];
    let of_names = of_names.map(|(input, next)| (input, service.environment(), "TableNotFound", next));
    for (input, environment, reason, next) in of_settings.chain(of_names) {
        let failure = run(&place, &grunfeld("wrong", &input, &output), environment).failed(2);
        assert_eq!(failure["reason"], reason, "{input}: {failure:#}");
        assert_eq!(failure["location"]["fieldPath"], "spec.groupedTraining.input.table", "{failure:#}");
        assert!(failure["next"].as_str().unwrap().contains(next), "{input}: {failure:#}");
        let scheme = &input[..input.find(BUCKET).or(input.find("no-such")).unwrap()];
        assert!(failure["location"]["file"].as_str().unwrap().starts_with(scheme), "{failure:#}");
        std::fs::remove_dir_all(place.join("state")).unwrap();
    }
    let failure = run(&place, &grunfeld("nowhere", &good, &nowhere("out")), service.environment()).failed(2);
    assert_eq!(failure["reason"], "TableNotFound", "{failure:#}");
    assert_eq!(failure["location"]["fieldPath"], "spec.groupedTraining.output.table", "{failure:#}");
}

#[test]
fn mistakes_with_s3_are_told_with_what_mends_them() {
    let _slots = slots::take(3);
    mistakes_are_told_with_what_mends_them(&S3::start());
}

#[test]
fn mistakes_with_google_are_told_with_what_mends_them() {
    let _slots = slots::take(3);
    mistakes_are_told_with_what_mends_them(&Google::start());
}

#[test]
fn mistakes_with_azure_are_told_with_what_mends_them() {
    let _slots = slots::take(3);
    mistakes_are_told_with_what_mends_them(&Azure::start());
}
