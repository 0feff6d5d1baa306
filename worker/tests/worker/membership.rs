//! A worker and its head: joining, losing it, finding it again.

use ractor::registry::where_is;
use shoal_core::{Failure, Reason};
use shoal_wire::WIRE_VERSION;

use crate::head::{FakeHead, attempt, task};
use crate::runner::FakeRunner;
use crate::{Setup, config, metric, setup, token, within};

#[tokio::test]
async fn a_worker_says_who_it_is() {
    let test = setup(|_| {}).await;
    let register = &test.link.register;
    assert_eq!((register.wire_version, register.worker_id.as_str(), register.slots), (WIRE_VERSION, "w", 2));
    assert_eq!(register.flight_url, test.worker.flight_url());
    assert!(register.memory_bytes == 64 << 20 && !register.build.is_empty() && !register.instance.is_empty());
}

#[tokio::test]
async fn attempts_outlive_the_stream_and_results_are_sent_again() {
    let Setup { mut head, mut link, runner, worker, .. } = setup(|_| {}).await;
    link.assign(1, &task(0, "finish")).await;
    link.finished().await.1.unwrap();
    link.assign(1, &task(1, "wait")).await;
    link.heartbeat(|beat| beat.running == [attempt(1).to_string()]).await;
    let instance = link.register.instance.clone();

    drop(link);
    runner.gate.add_permits(1);
    let mut link = head.accept().await;
    assert_eq!(link.register.instance, instance);
    link.welcome(2).await;
    // The first is repeated, because nobody knows whether it had arrived.
    let mut again = [link.finished().await, link.finished().await].map(|(id, result)| (id, result.is_ok()));
    again.sort();
    assert_eq!(again, [(attempt(0), true), (attempt(1), true)]);
    assert_eq!(metric(&worker, "shoal_worker_head_connects_total", &[]), 2.0);
    assert!(metric(&worker, "shoal_worker_start_seconds", &[]) > 0.0);

    // An old head's assignment does nothing: only the new one's is reported.
    link.assign(1, &task(2, "finish")).await;
    link.assign(2, &task(3, "finish")).await;
    assert_eq!(link.finished().await.0, attempt(3));
    assert_eq!(runner.folders.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_head_of_an_older_epoch_is_left_again() {
    let Setup { mut head, link, worker: _worker, .. } = setup(|_| {}).await;
    link.welcome(5).await;
    drop(link);
    let old = head.accept().await;
    old.welcome(4).await;
    old.assign(4, &task(0, "finish")).await;
    let mut new = head.accept().await;
    new.welcome(5).await;
    new.assign(5, &task(1, "finish")).await;
    assert_eq!(new.finished().await.0, attempt(1));
    old.assert_closed().await;
}

#[tokio::test]
async fn a_refused_worker_ends_with_the_reason() {
    let scratch = tempfile::tempdir().unwrap();
    let runner = std::sync::Arc::new(FakeRunner::default());
    let mut head = FakeHead::start(None).await;
    let worker = shoal_worker::start(config(&head, &runner, &scratch)).await.unwrap();
    let link = head.accept().await;
    let why = Failure::new(Reason::IncompatibleVersion, "too old").next("upgrade");
    link.refuse(&why).await;
    assert_eq!(within("the end", worker.stopped()).await.unwrap_err(), why);
}

#[tokio::test]
async fn a_wrong_token_ends_the_worker() {
    let scratch = tempfile::tempdir().unwrap();
    let runner = std::sync::Arc::new(FakeRunner::default());
    let head = FakeHead::start(Some(token())).await;
    let worker = shoal_worker::start(config(&head, &runner, &scratch)).await.unwrap();
    assert_eq!(within("the end", worker.stopped()).await.unwrap_err().reason, Reason::Unauthorized);
}

#[tokio::test]
async fn a_worker_that_is_told_to_ends_well() {
    let test = setup(|_| {}).await;
    test.link.shutdown().await;
    within("the end", test.worker.stopped()).await.unwrap();
    within("shutting down", test.worker.shutdown()).await;
}

#[tokio::test]
async fn a_second_worker_of_the_same_name_is_refused() {
    let test = setup(|_| {}).await;
    let second = shoal_worker::start(config(&test.head, &test.runner, &test.scratch)).await;
    assert_eq!(second.err().unwrap().reason, Reason::StateLocked);
}

#[tokio::test]
async fn a_pool_that_fails_is_started_again_and_its_attempts_are_reported() {
    let mut test = setup(|_| {}).await;
    test.link.assign(1, &task(0, "wait")).await;
    test.link.heartbeat(|beat| beat.running.len() == 1).await;
    where_is(format!("{}/pool", test.link.register.instance)).unwrap().kill();
    let (id, result) = test.link.finished().await;
    assert_eq!((id, result.unwrap_err().reason), (attempt(0), Reason::WorkerLost));
    test.link.heartbeat(|beat| beat.running.is_empty()).await;
    test.link.assign(1, &task(1, "finish")).await;
    assert_eq!(test.link.finished().await.0, attempt(1));
    assert_eq!(metric(&test.worker, "shoal_worker_actor_restarts_total", &[("actor", "pool")]), 1.0);
}

#[tokio::test]
async fn a_membership_that_fails_joins_again_and_attempts_go_on() {
    let Setup { mut head, mut link, runner, worker, .. } = setup(|_| {}).await;
    link.assign(1, &task(0, "wait")).await;
    link.heartbeat(|beat| beat.running.len() == 1).await;
    let instance = link.register.instance.clone();
    where_is(format!("{instance}/membership")).unwrap().kill();
    let mut link = head.accept().await;
    assert_eq!(link.register.instance, instance);
    link.welcome(1).await;
    link.heartbeat(|beat| beat.running.len() == 1).await;
    runner.gate.add_permits(1);
    assert_eq!(link.finished().await.0, attempt(0));
    assert_eq!(metric(&worker, "shoal_worker_actor_restarts_total", &[("actor", "membership")]), 1.0);
}

#[tokio::test]
async fn an_actor_that_keeps_failing_ends_the_worker() {
    let Setup { mut head, link, worker, .. } = setup(|_| {}).await;
    let name = format!("{}/membership", link.register.instance);
    let mut _link = link;
    for _ in 0..5 {
        where_is(name.clone()).unwrap().kill();
        _link = head.accept().await;
    }
    where_is(name).unwrap().kill();
    assert_eq!(within("the end", worker.stopped()).await.unwrap_err().reason, Reason::Internal);
}
