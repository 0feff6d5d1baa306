//! Jobs that fail and platforms that do: the exit code says which, and nothing is published.

use serde_json::json;
use shoal_tests::data::{SKEWED_FEATURES, damaged_parquet};
use shoal_tests::process::Process;
use shoal_tests::{job, shoal, slots};

use crate::place::Place;

#[test]
fn too_many_failed_groups_fail_the_job() {
    let _slots = slots::take(3);
    let place = Place::new();
    let job = job::grunfeld("strict", &place.join("models"));
    let features = json!(["value", "capital", "2 * value AS twice"]);
    let job = job::with(job, "/groupedTraining/model/ols/features", features);
    let failure = place.run(&job::with(job.clone(), "/failurePolicy/maxFailed", json!(0))).failed(1);
    assert_eq!(failure["reason"], "TooManyFailed");
    assert_eq!(failure["location"]["fieldPath"], "spec.failurePolicy.maxFailed");
    assert!(!place.join("models").exists(), "nothing is published");

    let mut lenient = job::with(job, "/failurePolicy/maxFailed", json!("100%"));
    lenient["metadata"]["name"] = json!("lenient");
    assert_eq!(place.run(&lenient).succeeded()["phase"], "Succeeded");
}

#[test]
fn every_task_failing_fails_the_job_and_names_the_file() {
    for strategy in ["aggregate", "bucket", "auto"] {
        let _slots = slots::take(3);
        let place = Place::new();
        std::fs::create_dir(place.join("data")).unwrap();
        for name in ["a.parquet", "b.parquet"] {
            damaged_parquet(&place.join("data").join(name));
        }
        let job =
            job::training("damaged", &place.join("data"), "store", &SKEWED_FEATURES, "sales", &place.join("models"));
        let finished = place.run(&job::with_strategy(job, strategy));
        let failure = finished.failed(1);
        assert_eq!(failure["reason"], "CorruptFile", "{failure:#}");
        assert!(failure["location"]["file"].as_str().is_some_and(|file| file.ends_with(".parquet")), "{failure:#}");
        assert!(!place.join("models").exists(), "nothing is published");
    }
}

#[test]
fn an_output_that_cannot_be_written_fails_the_job() {
    let _slots = slots::take(3);
    let place = Place::new();
    std::fs::write(place.join("file"), "no folder").unwrap();
    let finished = place.run(&job::grunfeld("unwritable", &place.join("file/models")));
    assert!([2, 3].contains(&finished.code), "{finished:#?}");
    let failure = finished.failed(finished.code);
    assert!(failure["location"]["file"].as_str().is_some_and(|file| file.contains("file/models")), "{failure:#}");
    assert_eq!(std::fs::read_to_string(place.join("file")).unwrap(), "no folder");
}

/// Linux takes 4,095 bytes; the name of a worker's folder takes 22 of them, and what is below it at least 9 more.
const PATH_BYTES: usize = 4_070;

#[test]
fn a_worker_that_cannot_start_fails_the_platform() {
    let _slots = slots::take(3);
    let place = Place::new();
    // The parent can still make a folder in there, but its worker finds no room for names below that one.
    let mut deep = place.path().as_os_str().len();
    let mut folder = place.path().to_owned();
    while deep < PATH_BYTES {
        let part = (PATH_BYTES - deep - 1).clamp(1, 200);
        folder.push("d".repeat(part));
        deep += part + 1;
    }
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = place.run_command(&place.job(&job::grunfeld("startless", &place.join("models"))));
    let finished = Process::start(command.env("TMPDIR", folder)).finish();
    let failure = finished.failed(3);
    assert_eq!(failure["reason"], "WorkerStartFailed", "{failure:#}");
    assert!(failure["causes"].to_string().contains("scratch folder"), "the worker's own words: {failure:#}");
    assert!(!place.join("models").exists(), "nothing is published");
}

#[test]
fn a_head_that_cannot_be_reached_is_the_platforms_failure() {
    let _slots = slots::take(1);
    // A port that was free a moment ago, and that nobody is told of.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let failure = shoal::run(["job", "list", "--head", &url, "--output", "json"]).failed(3);
    assert_eq!(failure["reason"], "HeadUnreachable", "{failure:#}");
    assert!(failure["next"].as_str().is_some_and(|next| next.contains("shoal head")), "{failure:#}");
}

#[test]
fn a_command_that_makes_no_sense_is_the_users_mistake() {
    let _slots = slots::take(1);
    for arguments in [&["run"][..], &["run", "a.yaml", "--workers", "none"], &["fly"], &["job", "show"]] {
        assert_eq!(shoal::run(arguments).code, 2, "{arguments:?}");
    }
}
