//! What moves between workers, counted on both ends; and what the head must never hold.

use serde_json::Value;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::http::{metric, metric_names};
use shoal_tests::wait::eventually;
use shoal_tests::{data, job, slots};

use crate::place::Place;

const SERVED: &str = "shoal_flight_bytes_served_total";
const FETCHED: &str = "shoal_flight_bytes_fetched_total";

#[test]
fn workers_exchange_rows_and_the_head_holds_none() {
    let _slots = slots::take(4);
    let place = Place::new();
    data::padded_csv(&place.join("data"), &[4_500_000, 4_500_000], 50);
    let head = Head::start(&place.join("state"), &[]);
    let workers = ["one", "two"].map(|name| Worker::start(&head, name, 1, &place.join(name), &[]));
    head.wait_for_workers(2);
    let mut exchanged_before = 0.0;
    for strategy in ["aggregate", "bucket"] {
        let job = job::training(strategy, &place.join("data"), "shop", &["a", "b"], "y", &place.join(strategy));
        let file = place.job(&job::with_strategy(job, strategy));
        let status = head.submit(&file, &["--wait"]).succeeded();
        assert_eq!(status["phase"], "Succeeded", "{status:#}");

        let sum = |name: &str| -> f64 { workers.iter().map(|worker| metric(&worker.metrics(), name, &[])).sum() };
        let (served, fetched) = (sum(SERVED), sum(FETCHED));
        assert!(fetched > exchanged_before, "{strategy}: nothing was exchanged");
        assert_eq!(served, fetched, "{strategy}: what was handed out is what arrived");
        let reported = status["report"]["counters"]["bytesFetched"].as_f64().unwrap();
        assert_eq!(fetched - exchanged_before, reported, "{strategy}: the report counts what the workers count");
        let metrics = head.metrics();
        assert_eq!(metric(&metrics, "shoal_exchanged_bytes_total", &[]), fetched);
        exchanged_before = fetched;
    }
    assert_head_holds_nothing(&head, exchanged_before);
    assert_partitions_are_freed(&workers);
}

/// The head hears of partitions, but not their content.
fn assert_head_holds_nothing(head: &Head, exchanged: f64) {
    let metrics = head.metrics();
    let received = metric(&metrics, "shoal_head_received_bytes_total", &[]);
    assert!(received > 0.0 && received < exchanged / 4.0, "the head received {received} of {exchanged} bytes");
    let suspicious: Vec<&str> = metric_names(&metrics)
        .into_iter()
        .filter(|name| name.contains("partition") || name.contains("flight"))
        .collect();
    assert_eq!(suspicious, [""; 0], "a head has no such thing");
}

fn assert_partitions_are_freed(workers: &[Worker]) {
    for worker in workers {
        eventually("partitions are freed after the commit", || {
            (metric(&worker.metrics(), "shoal_worker_partition_bytes", &[]) == 0.0).then_some(())
        });
    }
}

#[test]
fn probes_and_metrics_tell_what_runs() {
    let _slots = slots::take(2);
    let place = Place::new();
    let head = Head::start(&place.join("state"), &[]);
    let worker = Worker::start(&head, "only", 3, &place.join("scratch"), &[]);
    let file = place.job(&job::grunfeld("grunfeld", &place.join("models")));
    head.submit(&file, &["--wait"]).succeeded();
    for url in [head.url(), worker.url()] {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(shoal_tests::http::get(&format!("{url}{path}"), None).unwrap().status, 200, "{url}{path}");
        }
    }
    let metrics = head.metrics();
    assert_eq!(metric(&metrics, "shoal_slots", &["state=\"total\""]), 3.0);
    assert_eq!(metric(&metrics, "shoal_jobs", &["phase=\"Succeeded\""]), 1.0);
    assert_eq!(metric(&metrics, "shoal_rows_total", &["stage=\"map\"", "direction=\"in\""]), 220.0);
    assert!(metric(&metrics, "shoal_attempts_total", &["outcome=\"succeeded\""]) >= 2.0, "{metrics}");
    assert!(metrics.contains("shoal_task_queue_seconds_bucket"), "{metrics}");
    let metrics = worker.metrics();
    assert_eq!(metric(&metrics, "shoal_worker_slots", &[]), 3.0);
    assert!(metric(&metrics, "shoal_worker_memory_peak_bytes", &[]) > 0.0, "{metrics}");
    assert!(metrics.contains("shoal_worker_slots_used"), "{metrics}");

    let described: Value = head.get("/api/v1/openapi.json").json();
    assert!(described["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{described}");
}
