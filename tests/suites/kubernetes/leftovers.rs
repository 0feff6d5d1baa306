//! Jobs that end before they are done: nothing of what they had begun stays.

use std::path::PathBuf;

use serde_json::{Value, json};
use shoal_tests::process::Process;

use crate::changes::assert_no_table;
use crate::place::{Place, is_over};
use crate::world::{POD_LIMIT, WORLD};

/// Parts of the table of models: each is a file, and with many of them the job takes a while from the first to the last.
const PARTS: u32 = 200;

/// What is in the folder of the job's table.
fn files(place: &Place) -> Vec<String> {
    WORLD.store.keys(&format!("{}/models", place.name()))
}

/// A job that has written some of its files, and not all.
fn in_the_middle_of_writing(place: &Place) {
    place.train(&WORLD.many_shops, PARTS, &json!({}));
    place.eventually("a file of an attempt is there", || {
        let job = place.get("shoaljob/shops");
        assert!(!is_over(&job), "it was over before anybody saw a file: {job:#}");
        files(place).iter().any(|name| name.starts_with("part-")).then_some(())
    });
    assert!(partition_bytes(place) > 0, "its worker holds rows of it");
}

/// What the worker holds for others, in memory and on disk.
fn partition_bytes(place: &Place) -> u64 {
    let address = place.get("pod/shared-cpu-0")["status"]["podIP"].as_str().unwrap().to_owned();
    let template = "--output=go-template={{index .data \"token\" | base64decode}}";
    let token = place.kubectl(&["get", "secret", "shared-token", template]);
    let mut curl = WORLD.cluster.on_node("curl").unwrap();
    curl.args(["--silent", "--show-error", "--fail", "--insecure", "--max-time", "10"]);
    curl.args(["--header", &format!("authorization: Bearer {token}"), &format!("https://{address}:7373/metrics")]);
    let metrics = Process::start(&mut curl).finish_within(POD_LIMIT);
    let held = metrics.stdout.lines().filter(|line| line.starts_with("shoal_worker_partition_bytes{"));
    let held: Vec<u64> = held.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(held.len(), 2, "memory and disk: {metrics:?}");
    held.iter().sum()
}

/// The worker's own folder, as the node has it.
fn scratch(place: &Place) -> PathBuf {
    let volumes = format!("node/kubelet/pods/{}/volumes", place.uid("pod/shared-cpu-0"));
    let scratch = WORLD.cluster.folder().unwrap().join(volumes).join("kubernetes.io~empty-dir/scratch");
    let folder = scratch.join("worker/shared-cpu-0");
    assert!(folder.is_dir(), "there is no {}", folder.display());
    folder
}

fn assert_nothing_is_left(place: &Place) {
    let mut left = Vec::new();
    let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        place.eventually("no file of the job is left", || {
            left = files(place);
            left.is_empty().then_some(())
        });
    }));
    let log = || place.kubectl(&["logs", "shared-head-0", "--tail=30"]);
    assert!(gone.is_ok(), "these files are left: {left:#?}; its head says: {}", log());
    assert_no_table(place);
    place.eventually("no upload is left", || WORLD.store.unfinished_uploads().is_empty().then_some(()));
    place.eventually("the worker holds nothing of it", || (partition_bytes(place) == 0).then_some(()));
    for folder in ["attempts", "partitions"] {
        let folder = scratch(place).join(folder);
        let is_empty = || std::fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
        place.eventually("its scratch is empty", || is_empty().then_some(()));
    }
}

#[test]
fn a_job_that_is_cancelled_or_late_leaves_no_file_and_no_rows() {
    let place = Place::with_workers(1);
    in_the_middle_of_writing(&place);
    place.kubectl(&["delete", "shoaljob", "shops", "--timeout=60s"]);
    assert_nothing_is_left(&place);

    in_the_middle_of_writing(&place);
    // It has run for longer than that. On a laptop such a job could go on; here nobody would ever submit it again.
    place.patch("shoaljob/shops", &json!({"activeDeadlineSeconds": 1}));
    let job = place.ended();
    let failure: &Value = &job["status"]["failure"];
    assert_eq!((&job["status"]["phase"], &failure["reason"]), (&json!("Failed"), &json!("DeadlineExceeded")));
    assert_nothing_is_left(&place);
}
