//! What outlives a cluster: copies of jobs that have ended, written by a head with `--storage`, and read without one.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker, head_command};
use shoal_tests::data::{SKEWED_FEATURES, damaged_parquet};
use shoal_tests::object_stores::Service;
use shoal_tests::object_stores::s3::S3;
use shoal_tests::process::{Finished, Process};
use shoal_tests::{job, shoal, slots};

use crate::place::Place;

type Environment = Vec<(&'static str, String)>;

fn start(place: &Place, storage: &str, environment: Environment) -> Head {
    let mut command = head_command(&place.join("state"), &["--storage".as_ref(), storage.as_ref()]);
    Head::start_command(command.envs(environment))
}

/// Waits until the copy of a job is stored; says where.
fn stored(head: &Head, name: &str) -> String {
    eventually("the copy is stored", || {
        let archive = head.job(name)["archive"].clone();
        (archive["isStored"] == true).then(|| archive["uri"].as_str().unwrap().to_owned())
    })
}

/// What a command says of a job, for people and for programs.
fn said(arguments: &[&str], of: &[&str], environment: &Environment) -> [String; 2] {
    [&[][..], &["--output", "json"]].map(|output| {
        let mut command: Command = shoal::command([&["job"], arguments, of, output].concat());
        let Finished { code, stdout, stderr } = Process::start(command.envs(environment.clone())).finish();
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        stdout
    })
}

/// All that there is to ask of a job that has ended.
const QUESTIONS: [&[&str]; 4] = [&["show"], &["show", "--attempts"], &["logs"], &["logs", "--task", "train/0"]];

/// Asks a head for everything, ends it, and reads the same without it.
fn reads_the_same_without(mut head: Head, jobs: &[(&str, &str)], environment: &Environment) {
    let url = head.url().to_owned();
    let of_head: Vec<_> = jobs
        .iter()
        .flat_map(|(name, _)| QUESTIONS.map(|question| said(question, &[name, "--head", &url], environment)))
        .collect();
    head.kill();
    let without: Vec<_> = jobs
        .iter()
        .flat_map(|(_, uri)| QUESTIONS.map(|question| said(question, &["--from", uri], environment)))
        .collect();
    assert_eq!(without, of_head);
}

#[test]
fn a_job_that_has_ended_is_read_without_a_head_as_with_one() {
    let _slots = slots::take(2);
    let place = Place::new();
    let storage = place.join("storage");
    let head = start(&place, storage.to_str().unwrap(), Vec::new());
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    let good = head.submit(&place.job(&job::grunfeld("good", &place.join("models"))), &["--wait"]).succeeded();
    std::fs::create_dir(place.join("data")).unwrap();
    damaged_parquet(&place.join("data/a.parquet"));
    let bad = job::training("bad", &place.join("data"), "store", &SKEWED_FEATURES, "sales", &place.join("bad"));
    head.submit(&place.job(&bad), &["--wait"]).failed(1);
    let (good_uri, bad_uri) = (stored(&head, "good"), stored(&head, "bad"));
    assert_eq!(good_uri, format!("{}/jobs/none/good/{}", storage.display(), good["uid"].as_str().unwrap()));

    // As others may read it: JSON, and a line of the log per line.
    let folder = Path::new(&good_uri);
    let whole: Value = serde_json::from_slice(&std::fs::read(folder.join("job.json")).unwrap()).unwrap();
    assert_eq!((&whole["shoalJob"], &whole["status"]["phase"]), (&json!(1), &json!("Succeeded")));
    assert_eq!(whole["status"]["outputs"][0]["rows"], 11);
    assert_eq!(whole["spec"]["spec"]["groupedTraining"]["groupBy"], json!(["firm"]));
    let log = std::fs::read_to_string(folder.join("log.jsonl")).unwrap();
    let texts: Vec<Value> =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["text"].clone()).collect();
    assert_eq!((texts.first(), texts.last()), (Some(&json!("accepted")), Some(&json!("succeeded"))), "{log}");
    assert!(log.contains(r#""worker":"only""#), "{log}");
    let bad_log = said(&["logs"], &["--from", &bad_uri], &Vec::new());
    assert!(bad_log[0].contains("CorruptFile"), "{}", bad_log[0]);

    reads_the_same_without(head, &[("good", &good_uri), ("bad", &bad_uri)], &Vec::new());
    let elsewhere = storage.join("jobs/none/good");
    let absent = shoal::run(["job", "show", "--output", "json", "--from", elsewhere.to_str().unwrap()]).failed(2);
    assert_eq!((&absent["reason"], &absent["location"]["file"]), (&json!("JobNotFound"), &json!(elsewhere)));
    let newer = storage.join("newer");
    std::fs::create_dir(&newer).unwrap();
    std::fs::write(newer.join("job.json"), r#"{"shoalJob": 2, "build": "9.9.9"}"#).unwrap();
    let newer = shoal::run(["job", "logs", "--output", "json", "--from", newer.to_str().unwrap()]).failed(3);
    assert_eq!(newer["reason"], "IncompatibleVersion");
}

#[test]
fn a_storage_that_fails_is_tried_again_and_fails_no_job() {
    let _slots = slots::take(2);
    let place = Place::new();
    // Nothing can be made below a file.
    let storage = place.join("storage");
    std::fs::write(&storage, "in the way").unwrap();
    let head = start(&place, storage.to_str().unwrap(), Vec::new());
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    let file = place.job(&job::grunfeld("good", &place.join("models")));
    assert_eq!(head.submit(&file, &["--wait"]).succeeded()["phase"], "Succeeded");
    let archive = eventually("it is said that the copy is not stored", || {
        let archive = head.job("good")["archive"].clone();
        archive["failure"].is_object().then_some(archive)
    });
    assert_eq!(archive["isStored"], false);
    assert!(
        archive["failure"]["location"]["file"].as_str().unwrap().starts_with(storage.to_str().unwrap()),
        "{archive}"
    );
    let shown = said(&["show"], &["good", "--head", head.url()], &Vec::new());
    assert!(shown[0].contains("report and log: not in"), "{}", shown[0]);
    assert!(head.output().contains("cannot be stored"), "{}", head.output());

    std::fs::remove_file(&storage).unwrap();
    let uri = stored(&head, "good");
    reads_the_same_without(head, &[("good", &uri)], &Vec::new());
}

#[test]
fn a_head_that_gets_storage_later_copies_what_it_remembers() {
    let _slots = slots::take(2);
    let place = Place::new();
    let mut head = Head::start(&place.join("state"), &[]);
    let worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    let file = place.job(&job::grunfeld("good", &place.join("models")));
    head.submit(&file, &["--wait"]).succeeded();
    assert_eq!(head.job("good")["archive"], Value::Null);
    head.kill();
    drop(worker);
    let storage = place.join("storage");
    let head = start(&place, storage.to_str().unwrap(), Vec::new());
    let uri = stored(&head, "good");
    reads_the_same_without(head, &[("good", &uri)], &Vec::new());
}

#[test]
fn a_bucket_keeps_copies_as_a_folder_does() {
    let _slots = slots::take(2);
    let (place, s3) = (Place::new(), S3::start());
    let head = start(&place, &s3.url("shoal"), s3.environment());
    let _worker = Worker::start_in(&head, "only", 1, &place.join("scratch"), s3.environment());
    let file = place.job(&job::grunfeld("good", &place.join("models")));
    head.submit(&file, &["--wait"]).succeeded();
    let uri = stored(&head, "good");
    let folder = format!("shoal/jobs/none/good/{}", head.job("good")["uid"].as_str().unwrap());
    assert_eq!(uri, s3.url(&folder));
    assert_eq!(s3.keys(&folder), ["attempts.jsonl", "job.json", "log.jsonl"]);
    reads_the_same_without(head, &[("good", &uri)], &s3.environment());
}
