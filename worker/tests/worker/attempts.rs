//! Attempts: how they end, and that nothing of them stays.

use std::sync::atomic::Ordering;

use shoal_core::Reason;

use crate::head::{attempt, task, task_with};
use crate::{metric, setup, within};

#[tokio::test]
async fn success_failure_and_panic_are_reported_with_their_type() {
    let mut test = setup(|_| {}).await;
    test.link.assign(1, &task(0, "finish")).await;
    let (id, result) = test.link.finished().await;
    let output = result.unwrap();
    assert_eq!((id, output.payload.read::<serde_json::Value>().unwrap()["do"].as_str()), (attempt(0), Some("finish")));
    assert!(output.peak_memory_bytes > 0);

    test.link.assign(1, &task(1, "fail")).await;
    let failure = test.link.finished().await.1.unwrap_err();
    assert_eq!((failure.reason, failure.location.column.as_deref()), (Reason::MissingValue, Some("c")));
    assert_eq!((failure.location.attempt, failure.location.worker.as_deref()), (Some(attempt(1)), Some("w")));

    test.link.assign(1, &task(2, "panic")).await;
    let failure = test.link.finished().await.1.unwrap_err();
    assert_eq!(failure.reason, Reason::TaskPanicked);
    assert!(failure.message.contains("the runner panics"), "{}", failure.message);

    // The worker is as good as new: a slot is free, no folder and no partition is left.
    test.link.assign(1, &task(3, "finish")).await;
    test.link.finished().await.1.unwrap();
    let beat = test.link.heartbeat(|beat| beat.running.is_empty()).await;
    assert!(beat.held_bytes == 0 && beat.peak_memory_bytes > 0, "{beat:?}");
    let folders = test.runner.folders.lock().unwrap().clone();
    assert!(folders.len() == 4 && folders.iter().all(|folder| !folder.exists()), "{folders:?}");
    let ended = |state| {
        metric(
            &test.worker,
            "shoal_worker_tasks_finished_total",
            &[("kind", "fake"), ("stage", "map"), ("state", state)],
        )
    };
    assert_eq!((ended("succeeded"), ended("failed")), (2.0, 2.0));
    let running = metric(&test.worker, "shoal_worker_tasks_running", &[("kind", "fake"), ("stage", "map")]);
    assert_eq!((running, metric(&test.worker, "shoal_worker_slots_used", &[])), (0.0, 0.0));
}

#[tokio::test]
async fn attempts_that_wait_or_compute_can_be_cancelled() {
    let mut test = setup(|_| {}).await;
    for (index, what) in [(0, "wait"), (1, "compute")] {
        test.link.assign(1, &task(index, what)).await;
        test.link.heartbeat(|beat| beat.running == [attempt(index).to_string()]).await;
        test.link.cancel(attempt(index)).await;
        let (id, result) = test.link.finished().await;
        assert_eq!((id, result.unwrap_err().reason), (attempt(index), Reason::Cancelled));
    }
    // Nobody knows it: nothing happens.
    test.link.cancel(attempt(9)).await;
    test.link.assign(1, &task(2, "finish")).await;
    assert_eq!(test.link.finished().await.0, attempt(2));
}

#[tokio::test]
async fn slots_are_never_exceeded() {
    let mut test = setup(|_| {}).await;
    for index in 0..2 {
        test.link.assign(1, &task(index, "wait")).await;
    }
    // Said twice: runs once.
    test.link.assign(1, &task(0, "wait")).await;
    test.link.assign(1, &task(2, "wait")).await;
    let (id, refused) = test.link.finished().await;
    assert_eq!((id, refused.unwrap_err().reason), (attempt(2), Reason::Busy));
    assert_eq!(metric(&test.worker, "shoal_worker_slots_used", &[]), 2.0);

    let mut running = test.runner.running.subscribe();
    within("both to run", running.wait_for(|running| *running == 2)).await.unwrap();

    // A slot is free as soon as its result is there: the next assignment never meets a worker that is still busy.
    test.runner.gate.add_permits(20);
    for _ in 0..2 {
        test.link.finished().await.1.unwrap();
    }
    for index in 3..15 {
        test.link.assign(1, &task(index, "wait")).await;
        test.link.finished().await.1.unwrap();
    }
    assert_eq!(test.runner.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_attempt_that_is_assigned_again_is_reported_again() {
    let mut test = setup(|_| {}).await;
    for _ in 0..2 {
        test.link.assign(1, &task(0, "finish")).await;
        let (id, result) = test.link.finished().await;
        assert!(id == attempt(0) && result.is_ok());
    }
    assert_eq!(test.runner.folders.lock().unwrap().len(), 1, "it ran once");
}

#[tokio::test]
async fn a_released_job_leaves_nothing() {
    let mut test = setup(|_| {}).await;
    let write = task_with(0, serde_json::json!({ "do": "write", "rows": 1000 }));
    test.link.assign(1, &write).await;
    let output = test.link.finished().await.1.unwrap();
    assert_eq!((output.partitions.len(), output.partitions[0].rows), (1, 1000));
    test.link.assign(1, &task(1, "wait")).await;
    let bytes = output.partitions[0].bytes;
    test.link.heartbeat(|beat| beat.held_bytes == bytes && beat.running.len() == 1).await;

    test.link.release(attempt(0).task.job).await;
    assert_eq!(test.link.finished().await.1.unwrap_err().reason, Reason::Cancelled);
    test.link.heartbeat(|beat| beat.held_bytes == 0 && beat.running.is_empty()).await;
}

#[tokio::test]
async fn ending_the_worker_ends_its_attempts_and_deletes_its_files() {
    let mut test = setup(|_| {}).await;
    test.link.assign(1, &task(0, "wait")).await;
    test.link.heartbeat(|beat| beat.running.len() == 1).await;
    let own = test.scratch.path().join("w");
    assert!(own.exists());
    within("shutting down", test.worker.shutdown()).await;
    assert!(!own.exists());
}
