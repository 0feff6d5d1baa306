//! A worker that leaves in order, and one that takes over what another leaves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use shoal_core::task::{Assignment, PartitionMeta, PartitionSource};
use shoal_core::{Reason, WorkerId};

use crate::head::{FakeHead, attempt, task, task_with};
use crate::runner::FakeRunner;
use crate::{Setup, config, metric, setup, within};

const LONG: Duration = Duration::from_secs(60);

/// Lets a worker write partitions; gives them as sources.
async fn written(test: &mut Setup, index: u32, rows: i64) -> Vec<PartitionSource> {
    test.link.assign(1, &task_with(index, json!({ "do": "write", "rows": rows }))).await;
    let partitions = test.link.finished().await.1.unwrap().partitions;
    let flight_url = test.worker.flight_url().to_owned();
    let worker = WorkerId("w".into());
    let source = |partition: PartitionMeta| PartitionSource {
        attempt: attempt(index),
        worker: worker.clone(),
        flight_url: flight_url.clone(),
        partition,
    };
    partitions.into_iter().map(source).collect()
}

#[tokio::test]
async fn a_worker_that_is_drained_says_so_finishes_and_ends_when_it_is_let_go() {
    let Setup { mut link, runner, worker, .. } = setup(|_| {}).await;
    link.assign(1, &task(0, "wait")).await;
    link.heartbeat(|beat| beat.running.len() == 1).await;
    worker.drain(LONG);
    let left = Duration::from_millis(link.draining().await);
    assert!(left < LONG && left > LONG / 2, "{left:?}");
    runner.gate.add_permits(1);
    assert!(link.finished().await.1.is_ok());
    link.shutdown().await;
    within("the end", worker.stopped()).await.unwrap();
}

#[tokio::test]
async fn a_head_can_ask_for_it_and_the_next_one_hears_of_it_first() {
    let Setup { mut head, mut link, worker: _worker, .. } = setup(|_| {}).await;
    assert_eq!(link.register.leaves_within_ms, None);
    link.drain(40_000).await;
    assert!((20_000..40_000).contains(&link.draining().await));
    // The sooner of two times counts.
    link.drain(50_000).await;
    assert!(link.draining().await < 40_000);
    drop(link);
    let next = head.accept().await;
    assert!(next.register.leaves_within_ms.is_some_and(|left| left < 40_000), "{:?}", next.register);
}

#[tokio::test]
async fn a_drain_that_begins_before_the_welcome_is_told_after_it() {
    let Setup { mut head, mut link, worker, .. } = setup(|_| {}).await;
    link.assign(1, &task(0, "wait")).await;
    // With something to do it does not just end.
    link.heartbeat(|beat| beat.running.len() == 1).await;
    drop(link);
    let mut next = head.accept().await;
    assert_eq!(next.register.leaves_within_ms, None);
    worker.drain(LONG);
    next.welcome(2).await;
    let left = Duration::from_millis(next.draining().await);
    assert!(left < LONG && left > LONG / 2, "{left:?}");
}

#[tokio::test]
async fn a_worker_that_nobody_lets_go_ends_in_time_all_the_same() {
    let Setup { head, mut link, worker, .. } = setup(|_| {}).await;
    link.assign(1, &task(0, "wait")).await;
    link.heartbeat(|beat| beat.running.len() == 1).await;
    let since = Instant::now();
    worker.drain(Duration::from_millis(300));
    // Its head is gone, too.
    drop((head, link));
    within("the end", worker.stopped()).await.unwrap();
    assert!(since.elapsed() >= Duration::from_millis(300), "what ran had its time");
}

#[tokio::test]
async fn a_worker_without_a_head_that_has_nothing_ends_at_once() {
    let (scratch, runner) = (tempfile::tempdir().unwrap(), Arc::new(FakeRunner::default()));
    let mut head = FakeHead::start(None).await;
    let worker = shoal_worker::start(config(&head, &runner, &scratch)).await.unwrap();
    let _never_welcomed = head.accept().await;
    worker.drain(Duration::from_secs(3_600));
    within("the end", worker.stopped()).await.unwrap();
}

#[tokio::test]
async fn partitions_that_were_taken_over_are_served_as_its_own() {
    let mut one = setup(|_| {}).await;
    // So little memory that they go to its disk.
    let mut two = setup(|config| (config.name, config.memory_bytes) = (WorkerId("v".into()), 400_000)).await;
    let mut three = setup(|config| config.name = WorkerId("x".into())).await;
    let sources = written(&mut one, 0, 50_000).await;
    two.link.adopt(&sources).await;
    let (id, result) = two.link.adopted().await;
    assert_eq!((id, result), (attempt(0), Ok(())));
    let bytes = sources[0].partition.bytes;
    two.link.heartbeat(|beat| beat.held_bytes == bytes).await;
    assert!(metric(&two.worker, "shoal_worker_partition_bytes", &[("place", "disk")]) > 0.0);
    // Asked again, it has them already.
    let fetched = metric(&two.worker, "shoal_flight_bytes_fetched_total", &[]);
    two.link.adopt(&sources).await;
    assert_eq!(two.link.adopted().await.1, Ok(()));
    assert_eq!(metric(&two.worker, "shoal_flight_bytes_fetched_total", &[]), fetched);

    within("shutting down", one.worker.shutdown()).await;
    let moved = PartitionSource {
        worker: WorkerId("v".into()),
        flight_url: two.worker.flight_url().to_owned(),
        ..sources[0].clone()
    };
    let read = Assignment { sources: vec![moved], ..task_with(1, json!({ "do": "read" })) };
    three.link.assign(1, &read).await;
    let output = three.link.finished().await.1.unwrap();
    assert_eq!(output.payload, json!({ "rows": 50_000, "fetched": bytes, "local": 0 }).into());
    two.link.assign(1, &read).await;
    let output = two.link.finished().await.1.unwrap();
    assert_eq!(output.payload, json!({ "rows": 50_000, "fetched": 0, "local": bytes }).into());

    two.link.release(attempt(0).task.job).await;
    two.link.heartbeat(|beat| beat.held_bytes == 0).await;
}

#[tokio::test]
async fn partitions_that_do_not_arrive_as_they_were_written_are_not_kept() {
    let mut one = setup(|_| {}).await;
    let mut two = setup(|config| config.name = WorkerId("v".into())).await;
    let sources = written(&mut one, 0, 1_000).await;
    let mut other_bytes = sources.clone();
    other_bytes[0].partition.checksum += 1;
    two.link.adopt(&other_bytes).await;
    let failure = two.link.adopted().await.1.unwrap_err();
    assert_eq!((failure.reason, failure.location.worker.as_deref()), (Reason::PartitionCorrupt, Some("w")));

    let mut nowhere = sources.clone();
    nowhere[0].attempt = attempt(9);
    two.link.adopt(&nowhere).await;
    let (id, failure) = two.link.adopted().await;
    assert_eq!((id, failure.unwrap_err().reason), (attempt(9), Reason::PartitionLost));
    two.link.heartbeat(|beat| beat.held_bytes == 0).await;
    // What failed may be tried again.
    two.link.adopt(&sources).await;
    assert_eq!(two.link.adopted().await.1, Ok(()));
}

#[tokio::test]
async fn a_worker_whose_disk_is_full_says_so_before_its_result() {
    let mut test = setup(|_| {}).await;
    assert!(!test.link.heartbeat(|_| true).await.disk_full);
    test.link.assign(1, &task(0, "fill the disk")).await;
    // The end of the attempt comes after this.
    test.link.heartbeat(|beat| beat.disk_full).await;
    assert_eq!(test.link.finished().await.1.unwrap_err().reason, Reason::ResourcesExhausted);
    assert_eq!(metric(&test.worker, "shoal_worker_disk_full", &[]), 1.0);
    assert_eq!(metric(&test.worker, "shoal_worker_disk_full_total", &[]), 1.0);
}
