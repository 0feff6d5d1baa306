//! Traces of jobs, as a collector of OpenTelemetry gets them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;

use serde_json::{Value, json};
use shoal_tests::oracle::Collector;
use shoal_tests::process::{Finished, Process};
use shoal_tests::{job, shoal, slots};

use crate::place::Place;

/// Trains a table with two rows per group, and a column that is there or not.
fn run(place: &Place, target: &str, environment: &[(&str, &str)]) -> Finished {
    let table = place.join("rows.csv");
    std::fs::write(&table, "g,x,y\na,1,2\na,2,4\na,3,5\nb,1,1\nb,2,3\nb,4,4\n").unwrap();
    let training = job::training("traced", &table, "g", &["x"], target, &place.join("models"));
    let file = place.job(&job::with_strategy(training, "bucket"));
    let mut command = shoal::command(["run", "--state-dir"]);
    command.arg(place.join("state")).args(["--output", "json"]).arg(file);
    Process::start(command.envs(environment.iter().copied())).finish()
}

fn spans_by_name(spans: &[Value]) -> BTreeMap<&str, &Value> {
    spans.iter().map(|span| (span["name"].as_str().unwrap(), span)).collect()
}

#[test]
fn a_job_is_a_trace_of_its_stages_and_attempts() {
    let _slots = slots::take(2);
    let (place, mut collector) = (Place::new(), Collector::start());
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer secret"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let status = run(&place, "y", &environment).succeeded();
    let trace = collector.first();
    assert_eq!((&trace["path"], &trace["authorization"]), (&json!("/v1/traces"), &json!("Bearer secret")));
    let resource = &trace["resources"][0];
    assert_eq!(resource["service.name"], "shoal", "{resource}");
    assert_eq!(resource["deployment.environment.name"], "test", "{resource}");

    let spans = trace["spans"].as_array().unwrap();
    let uid = status["uid"].as_str().unwrap().replace('-', "");
    assert!(spans.iter().all(|span| span["trace"] == uid), "{trace:#}");
    let ids: BTreeSet<&str> = spans.iter().map(|span| span["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), spans.len(), "{trace:#}");
    let by_name = spans_by_name(spans);
    let job = by_name["job traced"];
    assert_eq!((&job["parent"], &job["status"]), (&json!(""), &json!(1)), "{job:#}");
    assert_eq!((&job["attributes"]["shoal.succeeded"], &job["attributes"]["shoal.rows_in"]), (&json!(2), &json!(12)));
    let submitted = status["report"]["submittedMs"].as_u64().unwrap();
    assert_eq!(job["from"].as_u64(), Some(submitted * 1_000_000));

    // Whoever names a parent lies within it.
    for span in spans.iter().filter(|span| span["parent"] != "") {
        let parent = spans.iter().find(|other| other["id"] == span["parent"]).unwrap_or_else(|| panic!("{span:#}"));
        let (from, to) = (span["from"].as_u64(), span["to"].as_u64());
        // Points in time are whole milliseconds, and how long something took is rounded apart from them.
        let end = parent["to"].as_u64().map(|end| end + 1_000_000);
        assert!(parent["from"].as_u64() <= from && from <= to && to <= end, "{span:#} in {parent:#}");
    }
    for stage in status["report"]["stages"].as_array().unwrap() {
        let name = stage["name"].as_str().unwrap();
        let of_stage = by_name[format!("stage {name}").as_str()];
        assert_eq!(of_stage["parent"], job["id"]);
        let attempts: Vec<&Value> = spans.iter().filter(|span| span["parent"] == of_stage["id"]).collect();
        assert_eq!(Some(attempts.len() as u64), stage["attempts"].as_u64(), "{name}");
        for attempt in attempts {
            assert_eq!(attempt["attributes"]["shoal.worker"], "worker-1", "{attempt:#}");
            let within: Vec<&Value> = spans.iter().filter(|span| span["parent"] == attempt["id"]).collect();
            // Only the second stage reads what a first one wrote.
            assert_eq!(within.len(), usize::from(name == "reduce"), "{attempt:#}");
            assert!(within.iter().all(|span| span["name"] == "exchange"), "{within:#?}");
        }
    }
}

#[test]
fn a_job_that_fails_says_so_in_its_trace() {
    let _slots = slots::take(2);
    let (place, mut collector) = (Place::new(), Collector::start());
    let environment = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*format!("{}/elsewhere", collector.url)),
        ("OTEL_SERVICE_NAME", "stores"),
    ];
    std::fs::create_dir(place.join("models")).unwrap();
    std::fs::write(place.join("models/other.txt"), "no table").unwrap();
    let ended = run(&place, "y", &environment);
    assert_ne!(ended.code, 0, "{ended:?}");
    let trace = collector.first();
    assert_eq!((&trace["path"], &trace["resources"][0]["service.name"]), (&json!("/elsewhere"), &json!("stores")));
    let job = spans_by_name(trace["spans"].as_array().unwrap())["job traced"];
    assert_eq!(job["status"], 2, "{job:#}");
    assert!(job["message"].as_str().unwrap().contains("other.txt"), "{job:#}");
}

#[test]
fn a_collector_that_is_not_there_costs_the_job_nothing() {
    let _slots = slots::take(2);
    let place = Place::new();
    // Nobody listens at a port that was just given back.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = run(&place, "y", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{nobody}"))]);
    assert!(ended.stderr.contains("the collector has not taken the trace"), "{}", ended.stderr);
    ended.succeeded();
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_before_anything_runs() {
    let place = Place::new();
    let ended = run(
        &place,
        "y",
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
    );
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"), "{}", ended.stderr);
    assert!(!place.join("models").exists());
}
