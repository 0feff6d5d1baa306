//! Probes, metrics and the description of the interface.

use serde_json::Value;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::http::{get, metric};
use shoal_tests::{job, slots};

use crate::place::Place;

#[test]
fn probes_and_metrics_tell_what_runs() {
    let _slots = slots::take(3);
    let place = Place::new();
    let head = Head::start(&place.join("state"), &[]);
    let worker = Worker::start(&head, "only", 3, &place.join("scratch"), &[]);
    let file = place.job(&job::grunfeld("grunfeld", &place.join("models")));
    head.submit(&file, &["--wait"]).succeeded();
    for url in [head.url(), worker.url()] {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(get(&format!("{url}{path}"), None).unwrap().status, 200, "{url}{path}");
        }
    }
    let metrics = head.metrics();
    assert_eq!(metric(&metrics, "shoal_slots", &["state=\"total\""]), 3.0);
    assert_eq!(metric(&metrics, "shoal_jobs", &["phase=\"Succeeded\""]), 1.0);
    assert_eq!(metric(&metrics, "shoal_rows_total", &["stage=\"train\"", "direction=\"in\""]), 220.0);
    assert!(metric(&metrics, "shoal_attempts_total", &["outcome=\"succeeded\""]) >= 1.0, "{metrics}");
    assert!(metrics.contains("shoal_task_queue_seconds_bucket"), "{metrics}");
    let metrics = worker.metrics();
    assert_eq!(metric(&metrics, "shoal_worker_slots", &[]), 3.0);
    assert!(metric(&metrics, "shoal_worker_memory_peak_bytes", &[]) > 0.0, "{metrics}");
    assert!(metrics.contains("shoal_worker_slots_used"), "{metrics}");

    let described: Value = head.get("/api/v1/openapi.json").json();
    assert!(described["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{described}");
}

#[test]
fn a_head_without_workers_is_ready_and_says_so() {
    let _slots = slots::take(1);
    let place = Place::new();
    let head = Head::start(&place.join("state"), &[]);
    assert_eq!(head.get("/readyz").status, 200);
    assert_eq!(metric(&head.metrics(), "shoal_workers", &["state=\"ready\""]), 0.0);
    let nowhere = head.get("/api/v2/jobs");
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.json()["next"].as_str().is_some_and(|next| next.contains("openapi.json")), "{nowhere:?}");
}
