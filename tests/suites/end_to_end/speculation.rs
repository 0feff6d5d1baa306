//! A machine that is slow holds nobody up.

use serde_json::json;
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::signals::Throttle;
use shoal_tests::{data, job, slots};

use crate::lost_worker::{GROUPS, assert_right, stage};
use crate::place::Place;
use crate::worker_faults::assert_only_committed_files;

/// More than half of them make more than a slot's share of all: one split per file.
const FILES: [usize; 8] = [6_000_000; 8];

#[test]
fn a_task_on_a_slow_worker_runs_a_second_time_and_its_first_attempt_is_called_back() {
    let _slots = slots::take(slots::PROCESSES);
    let place = Place::new();
    data::padded_csv(&place.join("data"), &FILES, GROUPS);
    let head = Head::start(&place.join("state"), &[]);
    let _fast = Worker::start(&head, "fast", 5, &place.join("fast"), &[]);
    let slow = Worker::start(&head, "slow", 1, &place.join("slow"), &[]);
    head.wait_for_workers(2);
    let crawls = Throttle::to_a_crawl(slow.pid());
    let job = job::training("held-up", &place.join("data"), "shop", &["a", "b"], "y", &place.join("models"));
    head.submit(&place.job(&job::with_strategy(job, "aggregate")), &[]).succeeded();
    eventually("the second attempt was the first to finish", || {
        let status = head.job("held-up");
        assert_ne!(status["phase"], "Failed", "{status:#}");
        (stage(&status, "map")["speculativeWon"].as_u64()? > 0).then_some(())
    });
    drop(crawls);

    let status = head.ask(&["wait", "held-up"]).succeeded();
    let map = stage(&status, "map");
    let count = |name: &str| map[name].as_u64().unwrap();
    assert_eq!(count("attempts"), count("tasks") + count("speculativeAttempts"), "{status:#}");
    assert_eq!(status["report"]["failedAttempts"], json!([]), "nobody's fault: {status:#}");
    let attempts = head.ask(&["show", "held-up", "--attempts"]).succeeded();
    let attempts = attempts["attempts"].as_array().unwrap();
    let second = attempts.iter().find(|it| it["speculative"] == true && it["outcome"] == "Succeeded").unwrap();
    let first = attempts.iter().find(|it| it["task"] == second["task"] && it["worker"] == "slow").unwrap();
    assert_eq!((&second["worker"], &first["outcome"]), (&json!("fast"), &json!("HandedBack")), "{attempts:#?}");
    assert_right(&place);
    assert_only_committed_files(&place.join("models"));
}
