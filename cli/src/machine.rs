//! What this machine, or the container that it seems to be, has to offer.

use std::path::Path;
use std::thread::available_parallelism;

/// Share of the memory that workers take where nobody says how much: the rest is for the head, for what the engine does
/// not count, and for the cache of the files that are read.
const MEMORY_SHARE: u64 = 2;

/// What is taken for the memory where the system does not say.
const MEMORY_UNKNOWN: u64 = 2 << 30;

/// The least that a worker is given.
const WORKER_MEMORY_MIN: u64 = 64 << 20;

/// What one of `workers` workers on this machine is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Tasks at the same time.
    pub(crate) slots: u32,
    /// Memory for tasks and partitions, in bytes.
    pub(crate) memory_bytes: u64,
}

impl Share {
    /// This machine's, divided evenly.
    pub(crate) fn of_this_machine(workers: u32) -> Self {
        let cores = available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
        Self::of(cores, memory_bytes(), workers)
    }

    fn of(cores: u32, memory_bytes: u64, workers: u32) -> Self {
        let workers = workers.max(1);
        Self {
            slots: (cores / workers).clamp(1, 256),
            memory_bytes: (memory_bytes / MEMORY_SHARE / u64::from(workers)).max(WORKER_MEMORY_MIN),
        }
    }
}

/// Memory of the machine, or of the smallest control group around this process.
fn memory_bytes() -> u64 {
    let machine = read("/proc/meminfo").and_then(|text| meminfo_total(&text));
    let groups = read("/proc/self/cgroup").map(|text| limit_files(&text)).unwrap_or_default();
    let limits = groups.iter().filter_map(|file| read(file)?.trim().parse().ok());
    machine.into_iter().chain(limits).min().unwrap_or(MEMORY_UNKNOWN)
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn meminfo_total(text: &str) -> Option<u64> {
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix("kB")?;
    kib.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Where the limits of the control groups around a process stand, for either version of control groups. A file that
/// holds `max`, or that is not there, limits nothing.
fn limit_files(cgroup: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            one if one.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // A limit of any group above holds as well.
        files.extend(Path::new(group).ancestors().map(|group| {
            let group = group.display().to_string();
            format!("{root}{}/{name}", group.trim_end_matches('/'))
        }));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_evenly_and_each_can_run_something() {
        assert_eq!(Share::of(8, 16 << 30, 2), Share { slots: 4, memory_bytes: 4 << 30 });
        assert_eq!(Share::of(2, 16 << 30, 4), Share { slots: 1, memory_bytes: 2 << 30 });
        assert_eq!(Share::of(1, 1 << 20, 1), Share { slots: 1, memory_bytes: WORKER_MEMORY_MIN });
        assert_eq!(Share::of(1_000, 0, 1).slots, 256);
    }

    #[test]
    fn the_kernel_says_how_much_there_is() {
        assert_eq!(meminfo_total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(meminfo_total("nothing"), None);
    }

    #[test]
    fn limits_of_all_groups_above_count() {
        assert_eq!(
            limit_files("0::/a/b\n"),
            ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"]
        );
        assert_eq!(
            limit_files("5:cpu,cpuacct:/x\n4:memory:/x\n"),
            ["/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
    }
}
