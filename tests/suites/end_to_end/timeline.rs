//! Where the time of a job went: its attempts as a trace that other programs show, and how uneven its tasks were.

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker, head_command};
use shoal_tests::data::{SKEWED_FEATURES, skewed};
use shoal_tests::oracle::read_trace;
use shoal_tests::process::{Finished, Process};
use shoal_tests::{job, shoal, slots};

use crate::place::Place;

fn shown(arguments: &[&str]) -> String {
    let Finished { code, stdout, stderr } =
        Process::start(&mut shoal::command([&["job", "show"], arguments].concat())).finish();
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    stdout
}

fn of_category<'a>(trace: &'a Value, category: &str) -> Vec<&'a Value> {
    trace["events"].as_array().unwrap().iter().filter(|event| event["cat"] == category).collect()
}

#[test]
fn the_time_of_a_job_is_drawn_by_others_and_its_skew_is_told() {
    let _slots = slots::take(4);
    let place = Place::new();
    let storage = place.join("storage");
    let mut head =
        Head::start_command(&mut head_command(&place.join("state"), &["--storage".as_ref(), storage.as_ref()]));
    let start = |name: &str| Worker::start(&head, name, 2, &place.join(name), &[]);
    let workers = ["one", "two"].map(start);
    head.wait_for_workers(2);
    std::fs::create_dir(place.join("data")).unwrap();
    skewed(&place.join("data"));
    let training =
        job::training("drawn", &place.join("data"), "store", &SKEWED_FEATURES, "sales", &place.join("models"));
    let status = head.submit(&place.job(&job::with_strategy(training, "bucket")), &["--wait"]).succeeded();
    let report = &status["report"];

    let file = place.join("trace.json");
    let said = shown(&["drawn", "--timeline", file.to_str().unwrap(), "--head", head.url()]);
    let trace = read_trace(&file);
    let attempts = of_category(&trace, "attempt");
    let made: u64 = report["stages"].as_array().unwrap().iter().map(|stage| stage["attempts"].as_u64().unwrap()).sum();
    assert_eq!(attempts.len() as u64, made, "every attempt is drawn: {report:#}");
    assert!(said.contains(&format!("{made} attempts")), "{said}");
    for worker in ["one", "two"] {
        let lanes: Vec<_> = attempts.iter().filter(|it| it["worker"] == worker).map(|it| &it["tid"]).collect();
        assert!(!lanes.is_empty() && lanes.iter().all(|lane| *lane == 1 || *lane == 2), "{worker}: {lanes:?}");
    }
    let sum = |name: &str| attempts.iter().map(|it| it["args"][name].as_u64().unwrap()).sum::<u64>();
    for (told, counted) in [
        ("rowsIn", "rowsIn"),
        ("rowsOut", "rowsOut"),
        ("bytesOverFlight", "bytesFetched"),
        ("bytesLocal", "bytesLocal"),
    ] {
        assert_eq!(json!(sum(told)), report["counters"][counted], "{told}");
    }
    assert!(sum("bytesOverFlight") > 0 && sum("peakMemoryBytes") > 0, "{attempts:#?}");
    let reduced = attempts.iter().filter(|it| it["name"].as_str().unwrap().starts_with("reduce/")).count();
    let exchanges = of_category(&trace, "exchange");
    assert_eq!(exchanges.len(), reduced, "each task that reads partitions shows when");
    assert!(exchanges.iter().all(|it| it["args"]["waitedMs"].as_u64().is_some()), "{exchanges:#?}");

    // The same of the skew, for people and for programs.
    let text = shown(&["drawn", "--head", head.url()]);
    let skew = head.ask(&["show", "drawn"]).json()["skew"].clone();
    let stages: Vec<&Value> = skew.as_array().unwrap().iter().map(|stage| &stage["stage"]).collect();
    assert!(stages.contains(&&json!("map")) && stages.contains(&&json!("reduce")), "{skew:#}");
    for stage in skew.as_array().unwrap() {
        let (seconds, rows) = (&stage["seconds"], &stage["rowsIn"]);
        assert!(seconds["largest"].as_f64() >= seconds["median"].as_f64(), "{stage:#}");
        assert!(rows["largest"].as_u64() >= rows["median"].as_u64() && rows["largest"].as_u64() > Some(0), "{stage:#}");
        let name = stage["stage"].as_str().unwrap();
        assert!(text.contains(&format!("\n{name}: median ")), "{text}");
        assert!(text.contains(&format!(", most rows {name}/{} ", rows["task"])), "{text}");
    }

    // Without a head: the same, to the letter.
    let uri = eventually("the copy is stored", || {
        let archive = head.job("drawn")["archive"].clone();
        (archive["isStored"] == true).then(|| archive["uri"].as_str().unwrap().to_owned())
    });
    head.kill();
    drop(workers);
    let again = place.join("again.json");
    shown(&["--from", &uri, "--timeline", again.to_str().unwrap()]);
    assert_eq!(read_trace(&again), trace);
    let nowhere = place.join("no/trace.json");
    let refused =
        shoal::run(["job", "show", "--output", "json", "--from", &uri, "--timeline", nowhere.to_str().unwrap()]);
    let refused = refused.failed(3);
    assert_eq!((&refused["reason"], &refused["location"]["file"]), (&json!("Io"), &json!(nowhere)), "{refused:#}");
}
