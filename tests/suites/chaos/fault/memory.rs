//! A worker that gets no more memory: the kernel ends it.

use std::path::{Path, PathBuf};

use super::{Fault, Refusal};
use crate::watch::Seen;
use crate::world::World;

/// Where version 1 of control groups has its memory controller. Under version 2 a group below one with processes of its
/// own may have no controllers, and a test does not move the processes of others.
const GROUPS: &str = "/sys/fs/cgroup/memory";

/// What names of groups of runs begin with.
const PREFIX: &str = "shoal-chaos-";

/// Memory that the worker may take besides what it has, in bytes.
const MORE: u64 = 1 << 20;

/// A control group; gone when it is dropped, if nobody is in it.
struct Group(PathBuf);

impl Group {
    fn limit(pid: u32, run: &Path) -> Result<Self, String> {
        let group = Path::new(GROUPS).join(format!("{}{pid}", prefix(run)));
        std::fs::create_dir(&group).map_err(|error| format!("no control group for memory can be made: {error}"))?;
        let group = Self(group);
        let write = |file: &str, value: String| {
            let path = group.0.join(file);
            std::fs::write(&path, value).map_err(|error| format!("{}: {error}", path.display()))
        };
        write("memory.limit_in_bytes", MORE.to_string())?;
        // What it has stays counted where it was: only what it takes from now on counts here.
        write("cgroup.procs", pid.to_string())?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// What names of groups begin with whose runs share a folder. Ids of processes are the same in many runs.
fn prefix(shared: &Path) -> String {
    format!("{PREFIX}{}-", shared.file_name().unwrap_or_default().display())
}

/// The groups that runs have left behind, which share this folder.
pub(crate) fn control_groups_left(shared: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(GROUPS) else { return Vec::new() };
    let prefix = prefix(shared);
    let groups = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    groups.map(|entry| entry.path()).collect()
}

/// The fault.
pub(super) struct MemoryLimit {
    worker: usize,
    group: Option<Group>,
    has_ended_it: bool,
}

impl MemoryLimit {
    pub(super) fn new(worker: usize) -> Self {
        Self { worker, group: None, has_ended_it: false }
    }
}

impl Fault for MemoryLimit {
    fn start(&mut self, world: &mut World, _: &Seen) -> Result<String, Refusal> {
        let member = &world.workers[self.worker];
        let pid = member.pid().ok_or(Refusal::NotNow)?;
        self.group = Some(Group::limit(pid, world.shared()).map_err(Refusal::Impossible)?);
        Ok(format!("{} gets {} MiB more memory", member.name, MORE >> 20))
    }

    fn is_done(&mut self, world: &mut World, _: &Seen) -> bool {
        world.workers[self.worker].has_ended()
    }

    fn stop(&mut self, world: &mut World) {
        let member = &mut world.workers[self.worker];
        // One that needed no more lives on, but not in the group.
        self.has_ended_it = member.has_ended();
        if self.has_ended_it {
            member.collect();
        } else {
            member.kill();
        }
        member.restart();
        self.group = None;
    }

    fn was_felt(&self) -> bool {
        self.has_ended_it
    }
}
