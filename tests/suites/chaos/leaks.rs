//! What should not be there any more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use shoal_testkit::eventually_within;
use shoal_tests::delta_log::content;
use shoal_tests::process::is_alive;

use crate::network::Node;
use crate::world::{Etcd, World};

/// How long workers may take to free what a finished job held.
const FREED_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// What is wrong while the cluster still runs, after its only job has ended.
pub(crate) fn after_the_job(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for worker in &world.workers {
        let scratch = world.scratch(&worker.node);
        let left = || -> Vec<PathBuf> { files_in(&scratch) };
        let is_free = std::panic::catch_unwind(|| {
            eventually_within(FREED_MAX, "scratch is freed", || left().is_empty().then_some(()));
        });
        if is_free.is_err() {
            wrong.push(format!("{} keeps {:?} of a finished job", worker.name, left()));
        }
    }
    for member in world.heads.iter().chain(&world.workers) {
        let ports = listening(&member.node);
        if ports.len() != 2 {
            wrong.push(format!("{} listens on {ports:?}, not on two ports", member.name));
        }
    }
    if let Some(store) = &world.store {
        let uploads = store.unfinished_uploads();
        if !uploads.is_empty() {
            wrong.push(format!("uploads were begun and not ended: {uploads:?}"));
        }
    }
    wrong
}

/// What is wrong once the cluster has ended.
pub(crate) fn after_the_cluster(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for worker in &world.workers {
        let left = files_in(&world.scratch(&worker.node));
        if !left.is_empty() {
            wrong.push(format!("{} has left {left:?}", worker.name));
        }
    }
    let temporary = content(&world.folder().join("tmp"));
    if !temporary.is_empty() {
        let names: Vec<&Path> = temporary.iter().map(|(path, _)| path.as_path()).collect();
        wrong.push(format!("temporary files are left: {names:?}"));
    }
    if let Some(leases) = world.etcd.as_ref().and_then(Etcd::leases_left) {
        wrong.push(format!("etcd has leases of heads that have ended: {leases}"));
    }
    for member in world.heads.iter().chain(&world.workers) {
        let ports = listening(&member.node);
        if !ports.is_empty() {
            wrong.push(format!("somebody listens on the machine of {}: {ports:?}", member.name));
        }
    }
    wrong
}

/// Processes of this run beside its own: those that it can see, as it has a name space of its own.
pub(crate) fn processes() -> Vec<String> {
    let own = std::process::id();
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != own && is_alive(*pid))
        .map(|pid| {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!("process {pid} lives: {}", command.replace('\0', " "))
        })
        .collect()
}

/// Where something is mounted.
pub(crate) fn mounts() -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
    table.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
}

/// Files in a scratch folder but for the lock, which stays.
fn files_in(scratch: &Path) -> Vec<PathBuf> {
    let files = content(scratch).into_iter().map(|(path, _)| path);
    files.filter(|path| path.extension().is_none_or(|extension| extension != "lock")).collect()
}

/// Addresses that somebody listens on.
fn listening(node: &Node) -> Vec<String> {
    let sockets = node.run("ss", &["-H", "-l", "-t", "-n"]);
    sockets.lines().filter_map(|line| line.split_whitespace().nth(3)).map(str::to_owned).collect()
}
