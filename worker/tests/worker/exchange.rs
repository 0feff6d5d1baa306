//! Two workers of one cluster: one writes, the other reads; and the doors that need a token.

use std::sync::Arc;

use arrow_flight::Ticket;
use arrow_flight::flight_service_client::FlightServiceClient;
use serde_json::json;
use shoal_core::task::{Assignment, PartitionSource};
use shoal_core::{Reason, WorkerId};
use shoal_wire::failure::from_status;

use crate::head::{FakeHead, attempt, task_with};
use crate::runner::FakeRunner;
use crate::{config, metric, setup, token, within};

#[tokio::test]
async fn what_one_worker_writes_the_other_reads() {
    let mut one = setup(|_| {}).await;
    let mut two = setup(|config| config.name = WorkerId("v".into())).await;
    let write = task_with(0, json!({ "do": "write", "rows": 50_000 }));
    one.link.assign(1, &write).await;
    let partition = one.link.finished().await.1.unwrap().partitions.remove(0);
    let flight_url = one.worker.flight_url().to_owned();
    let source = PartitionSource { attempt: attempt(0), worker: WorkerId("w".into()), flight_url, partition };

    let read = Assignment { sources: vec![source.clone()], ..task_with(1, json!({ "do": "read" })) };
    two.link.assign(1, &read).await;
    let bytes = source.partition.bytes;
    let output = two.link.finished().await.1.unwrap();
    assert_eq!(output.payload, json!({ "rows": 50_000, "fetched": bytes, "local": 0 }).into());
    let served = metric(&one.worker, "shoal_flight_bytes_served_total", &[]);
    assert_eq!(served, metric(&two.worker, "shoal_flight_bytes_fetched_total", &[]));
    assert_eq!(served, bytes as f64);

    // Its own it reads without the network.
    one.link.assign(1, &read).await;
    let output = one.link.finished().await.1.unwrap();
    assert_eq!(output.payload, json!({ "rows": 50_000, "fetched": 0, "local": bytes }).into());
    assert_eq!(metric(&one.worker, "shoal_flight_bytes_served_total", &[]), served);

    // A worker that is gone: the reader says whose partition is lost, and where it was.
    within("shutting down", one.worker.shutdown()).await;
    let again = Assignment { sources: vec![source], ..task_with(2, json!({ "do": "read" })) };
    two.link.assign(1, &again).await;
    let failure = two.link.finished().await.1.unwrap_err();
    assert_eq!((failure.reason, failure.location.attempt), (Reason::PartitionLost, Some(attempt(0))));
    assert_eq!(failure.location.worker.as_deref(), Some("w"));
}

#[tokio::test]
async fn flight_and_metrics_ask_for_the_token_and_probes_do_not() {
    let scratch = tempfile::tempdir().unwrap();
    let runner = Arc::new(FakeRunner::default());
    let mut head = FakeHead::start(Some(token())).await;
    let mut config = config(&head, &runner, &scratch);
    config.token = Some(token());
    let worker = shoal_worker::start(config).await.unwrap();
    let client = reqwest::Client::new();
    let url = |path: &str| format!("http://{}{path}", worker.http_addr());
    let status = async |path: &str| client.get(url(path)).send().await.unwrap().status().as_u16();

    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 503));
    let mut link = head.accept().await;
    link.welcome(1).await;
    link.heartbeat(|_| true).await;
    assert_eq!((status("/readyz").await, status("/metrics").await), (200, 401));
    let request = client.get(url("/metrics")).header("authorization", token().header());
    let text = request.send().await.unwrap().text().await.unwrap();
    for name in ["shoal_worker_slots 2", "shoal_worker_memory_bytes", "shoal_worker_partition_bytes{place=\"disk\"} 0"]
    {
        assert!(text.contains(name), "{name} is not in {text}");
    }

    let mut flight = FlightServiceClient::new(shoal_wire::transport::connect(worker.flight_url(), None).await.unwrap());
    let refused = flight.do_get(Ticket::new("anything")).await.unwrap_err();
    assert_eq!(from_status(&refused).reason, Reason::Unauthorized);
}
