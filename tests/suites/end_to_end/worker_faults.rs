//! What can befall a worker besides being killed: its name in use, its disk full, its memory short, its peers cut off,
//! itself paused. The table is right all the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::data::{SKEWED_FEATURES, skewed};
use shoal_tests::delta_log::commits;
use shoal_tests::http::metric;
use shoal_tests::process::Process;
use shoal_tests::signals::{Signal, Throttle, signal};
use shoal_tests::{data, job, shoal, slots};

use crate::lost_worker::{FILE_BYTES, GROUPS, assert_right, stage};
use crate::place::Place;

fn failures(status: &Value) -> &Vec<Value> {
    status["report"]["failedAttempts"].as_array().unwrap()
}

fn training(place: &Place, name: &str, strategy: &str) -> std::path::PathBuf {
    let job = job::training(name, &place.join("data"), "shop", &["a", "b"], "y", &place.join("models"));
    place.job(&job::with_strategy(job, strategy))
}

fn namesake(head: &Head, name: &str, scratch: &Path) -> Process {
    let mut command: Command = shoal::command(["worker", "--head", head.url(), "--name", name, "--slots", "1"]);
    Process::start(command.arg("--scratch").arg(scratch))
}

#[test]
fn a_worker_does_without_a_head_for_as_long_as_it_was_told() {
    let _slots = slots::take(3);
    let place = Place::new();
    let mut head = Head::start(&place.join("state"), &[]);
    let start = |name: &str, seconds| {
        Worker::start(&head, name, 1, &place.join(name), &["--head-gone-timeout", seconds]).into_process()
    };
    let (short, mut long) = (start("short", "1"), start("long", "3600"));
    head.wait_for_workers(2);
    head.kill();
    let ended = short.finish();
    assert_eq!(ended.code, 3, "{ended:#?}");
    assert!(ended.stderr.contains("no head has answered for 1 seconds"), "{ended:#?}");
    assert!(long.is_running(), "{}", long.output());
}

#[test]
fn a_name_belongs_to_whoever_lives() {
    let _slots = slots::take(3);
    let place = Place::new();
    let head = Head::start(&place.join("state"), &[]);
    let first = Worker::start(&head, "one", 1, &place.join("first"), &[]);
    let refused = namesake(&head, "one", &place.join("second")).finish();
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(refused.stderr.contains("a worker called `one` is connected already"), "{refused:#?}");
    assert!(refused.stderr.contains("--name"), "it says what to do: {refused:#?}");

    // A process that only hangs keeps its connection, and the name for no longer than a hung worker stays.
    signal(first.pid(), Signal::Stop);
    let mut second = namesake(&head, "one", &place.join("second"));
    eventually("the second has the name", || {
        assert!(second.is_running(), "{}", second.output());
        let workers = head.workers();
        (workers.len() == 1 && workers[0]["flightUrl"] != first.flight_url()).then_some(())
    });
    signal(first.pid(), Signal::Continue);
    let late = first.into_process().finish();
    assert_eq!(late.code, 2, "{late:#?}");
    assert!(late.stderr.contains("a worker called `one` is connected already"), "{late:#?}");
    assert!(second.is_running(), "{}", second.output());

    // Once it is gone, the name is free at once.
    second.kill();
    Worker::start(&head, "one", 1, &place.join("third"), &[]);
}

#[test]
fn a_worker_whose_disk_is_full_stays_and_its_tasks_run_elsewhere() {
    let _slots = slots::take(3);
    let place = Place::new();
    data::padded_csv(&place.join("data"), &FILE_BYTES, GROUPS);
    let head = Head::start(&place.join("state"), &[]);
    // Rows of one split take about 700 kB; with so little memory they go to disk.
    let more = ["--memory", "1Mi"];
    let mut small = Worker::start_on_small_disk(&head, "small", 1, &place.join("small"), 256 << 10, &more);
    let _large = Worker::start(&head, "large", 1, &place.join("large"), &[]);
    head.wait_for_workers(2);
    head.submit(&training(&place, "full", "bucket"), &[]).succeeded();
    eventually("the head knows that a disk is full", || {
        head.workers().iter().find(|worker| worker["diskFull"] == true).cloned()
    });
    let full = metric(&head.metrics(), "shoal_workers", &["state=\"disk_full\""]);
    let status = head.ask(&["wait", "full"]).succeeded();
    assert!(full == 1.0 || status["phase"] == "Succeeded");
    let exhausted: Vec<&Value> =
        failures(&status).iter().filter(|failed| failed["failure"]["reason"] == "ResourcesExhausted").collect();
    assert!(!exhausted.is_empty(), "{status:#}");
    assert!(exhausted.iter().all(|failed| failed["worker"] == "small"), "{status:#}");
    assert!(exhausted.len() < 4, "it got task after task: {status:#}");
    assert!(small.process().is_running(), "{}", small.process().output());
    assert!(metric(&small.metrics(), "shoal_worker_disk_full_total", &[]) >= 1.0);
    assert_right(&place);
}

#[test]
fn a_task_above_its_share_of_memory_fails_alone() {
    let _slots = slots::take(2);
    let place = Place::new();
    skewed(&place.join("skewed"));
    let head = Head::start(&place.join("state"), &[]);
    let mut worker = Worker::start(&head, "small", 2, &place.join("small"), &["--memory", "256Ki"]);
    let hungry = job::training(
        "hungry",
        &place.join("skewed"),
        "store",
        &SKEWED_FEATURES,
        "sales",
        &place.join("hungry-models"),
    );
    let hungry = job::with(job::with_strategy(hungry, "aggregate"), "/failurePolicy/maxTaskAttempts", json!(1));
    let modest = job::grunfeld("modest", &place.join("models"));
    head.submit(&place.job(&hungry), &[]).succeeded();
    head.submit(&place.job(&modest), &["--wait"]).succeeded();
    let failure = head.ask(&["wait", "hungry"]).failed(3);
    assert_eq!(failure["reason"], "ResourcesExhausted", "{failure:#}");
    assert!(failure["next"].as_str().is_some_and(|next| next.contains("memory")), "{failure:#}");
    assert!(worker.process().is_running(), "{}", worker.process().output());
    assert_eq!(metric(&worker.metrics(), "shoal_worker_disk_full_total", &[]), 0.0, "that is no full disk");
    assert!(!place.join("hungry-models").exists(), "nothing is published");
}

#[test]
fn partitions_that_peers_cannot_reach_are_made_again_by_others() {
    let _slots = slots::take(4);
    let place = Place::new();
    data::padded_csv(&place.join("data"), &FILE_BYTES, GROUPS);
    let head = Head::start(&place.join("state"), &[]);
    // It tells others an address of this machine that it does not listen on: only the head reaches it.
    let _island = Worker::start(&head, "island", 1, &place.join("island"), &["--advertise", "127.0.0.2"]);
    let _others = ["two", "three"].map(|name| Worker::start(&head, name, 1, &place.join(name), &[]));
    head.wait_for_workers(3);
    let status = head.submit(&training(&place, "cut", "bucket"), &["--wait"]).succeeded();
    let map = stage(&status, "map");
    let (tasks, attempts) = (map["tasks"].as_u64().unwrap(), map["attempts"].as_u64().unwrap());
    assert!(attempts > tasks && attempts <= 2 * tasks, "each split of the island runs once more: {status:#}");
    let lost: Vec<&Value> =
        failures(&status).iter().filter(|failed| failed["failure"]["reason"] == "PartitionLost").collect();
    assert!(!lost.is_empty(), "{status:#}");
    for failed in lost {
        assert_eq!(failed["failure"]["location"]["worker"], "island", "{status:#}");
        assert_ne!(failed["worker"], "island", "{status:#}");
    }
    assert_right(&place);
}

#[test]
fn a_paused_worker_that_comes_back_too_late_changes_nothing() {
    let _slots = slots::take(3);
    let place = Place::new();
    data::padded_csv(&place.join("data"), &FILE_BYTES, GROUPS);
    let head = Head::start(&place.join("state"), &[]);
    let good = Worker::start(&head, "good", 1, &place.join("good"), &[]);
    let paused = Worker::start(&head, "paused", 1, &place.join("paused"), &[]);
    head.wait_for_workers(2);
    let (slow, slower) = (Throttle::new(good.pid()), Throttle::new(paused.pid()));
    head.submit(&training(&place, "late", "bucket"), &[]).succeeded();
    eventually("it runs a task", || {
        let workers = head.workers();
        workers.iter().find(|worker| worker["name"] == "paused" && worker["used"] == 1).cloned()
    });
    drop(slower);
    signal(paused.pid(), Signal::Stop);
    eventually("it is taken out", || (head.workers().len() == 1).then_some(()));
    signal(paused.pid(), Signal::Continue);
    head.wait_for_workers(2);
    drop(slow);
    let status = head.ask(&["wait", "late"]).succeeded();
    let lost: Vec<&Value> = failures(&status).iter().filter(|failed| failed["worker"] == "paused").collect();
    assert!(!lost.is_empty(), "{status:#}");
    assert!(lost.iter().all(|failed| failed["failure"]["reason"] == "WorkerLost"), "{status:#}");
    assert_right(&place);
    for worker in [&good, &paused] {
        eventually("nothing runs and nothing is held", || {
            let metrics = worker.metrics();
            let left = metric(&metrics, "shoal_worker_partition_bytes", &[])
                + metric(&metrics, "shoal_worker_slots_used", &[]);
            (left == 0.0).then_some(())
        });
    }
    assert_only_committed_files(&place.join("models"));
}

/// The table's folder holds what its log names, and nothing of attempts that were given up.
pub(crate) fn assert_only_committed_files(table: &Path) {
    let committed = commits(table);
    let added: BTreeSet<String> =
        committed.iter().flatten().filter_map(|action| Some(action["add"]["path"].as_str()?.to_owned())).collect();
    let found: BTreeSet<String> = std::fs::read_dir(table)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "_delta_log")
        .collect();
    assert_eq!(found, added);
}
