//! What stays of a job: its spec, report, attempts and log, also over restarts, until it is too old; and the tools for
//! whoever keeps the state.

use std::path::Path;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::data::{SKEWED_FEATURES, damaged_parquet};
use shoal_tests::process::{Finished, Process};
use shoal_tests::{http, job, shoal, slots};

use crate::place::Place;

fn texts(log: &Value) -> Vec<&str> {
    log["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect()
}

/// A job as everybody can ask for it.
fn all_of(head: &Head, name: &str) -> [Value; 4] {
    let shown = head.ask(&["show", name]);
    assert_eq!(shown.code, 0, "{shown:#?}");
    let shown = shown.json();
    [shown["status"].clone(), shown["spec"].clone()]
        .into_iter()
        .chain([head.ask(&["show", name, "--attempts"]).succeeded(), head.ask(&["logs", name]).succeeded()])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

#[test]
fn finished_jobs_are_told_of_after_a_restart_as_before() {
    let _slots = slots::take(2);
    let place = Place::new();
    let state = place.join("state");
    let mut head = Head::start(&state, &[]);
    let worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    head.submit(&place.job(&job::grunfeld("good", &place.join("models"))), &["--wait"]).succeeded();
    std::fs::create_dir(place.join("data")).unwrap();
    damaged_parquet(&place.join("data/a.parquet"));
    let bad = job::training("bad", &place.join("data"), "store", &SKEWED_FEATURES, "sales", &place.join("bad"));
    let failure = head.submit(&place.job(&bad), &["--wait"]).failed(1);

    let good = all_of(&head, "good");
    let [status, spec, attempts, log] = &good;
    assert_eq!(status["phase"], "Succeeded");
    assert_eq!(spec["metadata"]["name"], "good");
    let attempts = attempts["attempts"].as_array().unwrap();
    let tasks: u64 =
        status["report"]["stages"].as_array().unwrap().iter().map(|stage| stage["attempts"].as_u64().unwrap()).sum();
    assert_eq!(attempts.len() as u64, tasks, "every attempt is there: {attempts:#?}");
    for attempt in attempts {
        assert_eq!((&attempt["worker"], &attempt["outcome"]), (&json!("only"), &json!("Succeeded")), "{attempt:#}");
        assert!(attempt["seconds"].as_f64().is_some() && attempt["startedMs"].as_u64() > Some(0), "{attempt:#}");
    }
    let lines = texts(log);
    assert_eq!((lines.first(), lines.last()), (Some(&"accepted"), Some(&"succeeded")), "{lines:?}");
    let of_task = head.ask(&["logs", "good", "--task", "train/0"]).succeeded();
    let of_task = of_task["lines"].as_array().unwrap();
    assert!(!of_task.is_empty(), "what the task logged on its worker is there: {lines:?}");
    assert!(of_task.iter().all(|line| line["worker"] == "only" && line["stage"] == "train"), "{of_task:#?}");

    let bad = all_of(&head, "bad");
    let [status, _, attempts, log] = &bad;
    assert_eq!(status["failure"], failure);
    let failed =
        attempts["attempts"].as_array().unwrap().iter().find(|attempt| attempt["outcome"] == "Failed").unwrap();
    assert_eq!((&failed["reason"], &failed["worker"]), (&json!("CorruptFile"), &json!("only")), "{failed:#}");
    assert!(texts(log).iter().any(|text| text.contains("CorruptFile")), "{log:#}");

    head.kill();
    let head = Head::start(&state, &[]);
    assert_eq!(all_of(&head, "good"), good);
    assert_eq!(all_of(&head, "bad"), bad);
    // As a person sees them.
    let shown = Process::start(shoal::command(["job", "show", "bad", "--head", head.url()]).arg("--attempts")).finish();
    assert!(shown.code == 0 && shown.stdout.contains("Failed") && shown.stdout.contains("CorruptFile"), "{shown:#?}");
    let shown = Process::start(&mut shoal::command(["job", "logs", "good", "--head", head.url()])).finish();
    assert!(shown.code == 0 && shown.stdout.contains(" only train/0 attempt 1: "), "{shown:#?}");
    // A stored spec is enough to run it again.
    let overwriting =
        job::with(job::grunfeld("good", &place.join("models")), "/groupedTraining/output/mode", json!("overwrite"));
    drop(worker);
    let _worker = Worker::start(&head, "next", 1, &place.join("next"), &[]);
    let first = head.submit(&place.job(&overwriting), &["--rerun", "--wait"]).succeeded();
    let second = head.ask(&["rerun", "good", "--wait"]).succeeded();
    assert_eq!(second["phase"], "Succeeded");
    assert_ne!(second["uid"], first["uid"]);
}

#[test]
fn a_log_is_followed_until_the_job_has_ended() {
    let _slots = slots::take(3);
    let place = Place::new();
    let head = Head::start(&place.join("state"), &[]);
    head.submit(&place.job(&job::grunfeld("followed", &place.join("models"))), &[]).succeeded();
    let mut follower = Process::start(&mut shoal::command(["job", "logs", "followed", "-f", "--head", head.url()]));
    follower.wait_for_output("what is there", |text| text.contains("head: accepted").then_some(()));
    assert!(follower.is_running(), "it waits for more");
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    let Finished { code, stdout, stderr } = follower.finish();
    assert_eq!(code, 0, "{stderr}");
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines.last().is_some_and(|line| line.ends_with("head: succeeded")), "{stdout}");
    let all = head.ask(&["logs", "followed"]).succeeded();
    assert_eq!(lines.len(), texts(&all).len(), "each line once: {stdout}");
}

#[test]
fn a_job_that_is_too_old_is_forgotten_with_all_that_was_kept_of_it() {
    let _slots = slots::take(2);
    let place = Place::new();
    let state = place.join("state");
    let mut head = Head::start(&state, &[]);
    let brief = job::with(job::grunfeld("brief", &place.join("models")), "/ttlSecondsAfterFinished", json!(1));
    head.submit(&place.job(&brief), &[]).succeeded();
    // Not by the command, which waits for the end and might find nothing any more.
    assert_eq!(
        http::post(&format!("{}/api/v1/jobs/brief/cancel", head.url()), None, String::new()).unwrap().status,
        200
    );
    let status = |path: &str| http::get(&format!("{}/api/v1/jobs/brief{path}", head.url()), None).unwrap().status;
    eventually("it is forgotten", || (status("") == 404).then_some(()));
    for path in ["/spec", "/attempts", "/logs"] {
        assert_eq!(status(path), 404, "{path}");
    }
    assert_eq!(head.ask(&["logs", "brief"]).failed(2)["reason"], "JobNotFound");
    head.kill();
    let left = state_tool(&["check"], &state).succeeded();
    assert_eq!((&left["records"], &left["histories"], &left["jobs"]), (&json!(0), &json!(0), &json!({})), "{left:#}");
}

fn state_tool(arguments: &[&str], state: &Path) -> Finished {
    let mut command = shoal::command(["state"]);
    command.args(arguments).arg("--state-dir").arg(state).args(["--output", "json"]);
    Process::start(&mut command).finish()
}

#[test]
fn a_state_is_checked_written_out_and_read_in_elsewhere() {
    let _slots = slots::take(3);
    let place = Place::new();
    let state = place.join("state");
    let mut head = Head::start(&state, &[]);
    let worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    head.submit(&place.job(&job::grunfeld("done", &place.join("models"))), &["--wait"]).succeeded();
    drop(worker);
    head.submit(&place.job(&job::grunfeld("waiting", &place.join("later"))), &[]).succeeded();
    eventually("its input has been looked at", || (head.job("waiting")["phase"] == "Running").then_some(()));
    let done = all_of(&head, "done");
    assert_eq!(state_tool(&["check"], &state).failed(3)["reason"], "StateLocked");
    head.kill();

    let report = state_tool(&["check"], &state).succeeded();
    assert_eq!((&report["jobs"], &report["problems"]), (&json!({"Running": 1, "Succeeded": 1}), &json!([])));
    let file = place.join("state.jsonl");
    let file = file.to_str().unwrap();
    state_tool(&["export", "--to", file], &state).succeeded();
    assert_eq!(state_tool(&["export", "--to", file], &state).failed(2)["reason"], "InvalidValue", "never over a file");
    let elsewhere = place.join("elsewhere");
    state_tool(&["import", file], &elsewhere).succeeded();
    assert_eq!(
        state_tool(&["import", file], &elsewhere).failed(2)["reason"],
        "NotPossible",
        "never into another state"
    );

    let head = Head::start(&elsewhere, &[]);
    assert_eq!(all_of(&head, "done"), done);
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    assert_eq!(head.ask(&["wait", "waiting"]).succeeded()["phase"], "Succeeded");
}

#[test]
fn a_state_that_is_damaged_is_told_and_exits_with_one() {
    let _slots = slots::take(2);
    let place = Place::new();
    let state = place.join("state");
    assert_eq!(state_tool(&["check"], &state).failed(2)["reason"], "InvalidValue", "there is none yet");
    let mut head = Head::start(&state, &[]);
    head.submit(&place.job(&job::grunfeld("a", &place.join("models"))), &[]).succeeded();
    head.kill();
    let journal = state.join("journal.redb");
    let whole = std::fs::read(&journal).unwrap();
    for keep in [0, 100, whole.len() / 2] {
        std::fs::write(&journal, &whole[..keep]).unwrap();
        let checked = state_tool(&["check"], &state);
        assert_eq!(checked.code, 1, "{keep} bytes: {checked:#?}");
        let failure = checked.json()["problems"][0]["failure"].clone();
        assert_eq!(failure["reason"], "CorruptFile", "{failure:#}");
        assert!(failure["next"].is_string() && failure["location"]["file"].is_string(), "{failure:#}");
    }
}
