//! Ctrl-C, and worse, in the middle of a run: nobody is left behind, and nothing is half published.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shoal_testkit::eventually_within;
use shoal_tests::delta_log::content;
use shoal_tests::oracle::read_delta;
use shoal_tests::process::{Process, is_alive};
use shoal_tests::signals::{Signal, signal, signal_group};
use shoal_tests::{data, job, slots};

use crate::place::Place;

/// Enough to be in the middle of for a while.
const FILE_BYTES: [usize; 4] = [6_000_000; 4];

/// A run of a large job that overwrites the table which a small one has left, while its workers map.
fn in_the_middle(place: &Place, output: &Path) -> (Process, Vec<u32>) {
    place.run(&job::grunfeld("before", output)).succeeded();
    data::padded_csv(&place.join("data"), &FILE_BYTES, 40);
    let large = job::training("large", &place.join("data"), "shop", &["a", "b"], "y", output);
    let large = job::with(job::with_strategy(large, "bucket"), "/groupedTraining/output/mode", json!("overwrite"));
    let mut command = place.run_command(&place.job(&large));
    let mut process = Process::start(command.process_group(0));
    process.wait_for_output("the map stage runs", |text| text.contains("stage map").then_some(()));
    let workers = process.children();
    assert_eq!(workers.len(), 2, "two workers are there: {}", process.output());
    (process, workers)
}

fn ends_with(interrupt: fn(u32)) {
    let _slots = slots::take(3);
    let place = Place::new();
    let output = place.join("models");
    let (process, workers) = in_the_middle(&place, &output);
    let before = content(&output.join("_delta_log"));
    interrupt(process.pid());
    let finished = process.finish_within(Duration::from_secs(20));
    assert_eq!(finished.code, 130, "{finished:#?}");
    let left: Vec<&u32> = workers.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "workers {left:?} are left");
    assert_eq!(content(&output.join("_delta_log")), before, "the table was changed");
    let files = content(&output).into_iter().filter(|(path, _)| path.extension().is_some_and(|it| it == "parquet"));
    let rows = read_delta(&output);
    assert_eq!(rows.len(), 11, "the table of before is whole");
    let committed = committed_files(&output);
    assert_eq!(files.count(), committed, "files of the interrupted job are left");
    // The state folder is free again, and so is the name.
    let again = job::with(job::grunfeld("after", &output), "/groupedTraining/output/mode", json!("overwrite"));
    assert_eq!(place.run(&again).succeeded()["phase"], "Succeeded");
}

fn committed_files(table: &Path) -> usize {
    shoal_tests::delta_log::commits(table).iter().flatten().filter(|action| action["add"].is_object()).count()
}

#[test]
fn ctrl_c_in_a_terminal_leaves_nothing_behind() {
    ends_with(|leader| signal_group(leader, Signal::Interrupt));
}

#[test]
fn a_manager_that_ends_the_run_leaves_nothing_behind() {
    ends_with(|pid| signal(pid, Signal::Terminate));
}

#[test]
fn workers_end_with_a_parent_that_is_killed() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (mut process, workers) = in_the_middle(&place, &place.join("models"));
    process.kill();
    eventually_within(Duration::from_secs(15), "the workers are gone", || {
        workers.iter().all(|pid| !is_alive(*pid)).then_some(())
    });
    let again = job::grunfeld("after", &place.join("other"));
    assert_eq!(place.run(&again).succeeded()["phase"], "Succeeded");
}

#[test]
fn a_run_goes_on_without_one_of_its_workers() {
    let _slots = slots::take(3);
    let place = Place::new();
    let output = place.join("models");
    let (process, workers) = in_the_middle(&place, &output);
    signal(workers[0], Signal::Kill);
    let status = process.finish().succeeded();
    assert_eq!(status["outputs"][0]["rows"], 40, "{status:#}");
    let lost = &status["report"]["failedAttempts"][0]["failure"];
    assert_eq!(lost["reason"], "WorkerLost", "{status:#}");
    assert_eq!(read_delta(&output).len(), 40);
}
