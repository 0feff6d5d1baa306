//! How much memory is used of what there is, in the container, else on the machine.

use std::path::{Path, PathBuf};

use shoal_functions::{Room, Surroundings};

use super::memory::{Group, Version, groups_around, meminfo, read};

/// What is around a process: its control groups, and the machine.
pub(crate) struct Around {
    root: PathBuf,
    /// Nobody moves a worker to others while it runs.
    groups: Vec<Group>,
    /// Memory of the machine. A limit that it never reaches is none.
    machine: u64,
}

impl Around {
    /// Around this process.
    pub(crate) fn this_process() -> Self {
        Self::under("/".into())
    }

    /// What the system says whose files lie below `root`.
    fn under(root: PathBuf) -> Self {
        let groups = groups_around(&read(&root.join("proc/self/cgroup")).unwrap_or_default());
        let machine = of_machine(&root).map_or(u64::MAX, |room| room.limit);
        Self { root, groups, machine }
    }
}

impl Surroundings for Around {
    /// Of the innermost limit that is left the least of, else of the machine.
    fn room(&self) -> Option<Room> {
        let around = self.groups.iter().filter_map(|group| of_group(group, &self.root));
        let limited = around.filter(|room| room.limit < self.machine);
        limited.min_by_key(|room| room.limit.saturating_sub(room.used)).or_else(|| of_machine(&self.root))
    }

    fn kills(&self) -> Option<u64> {
        let counted = |file: PathBuf| statistic(&read(&self.root.join(file))?, "oom_kill");
        let groups = self.groups.iter().filter_map(|Group { folder, version }| match version {
            Version::One => counted(folder.join("memory.oom_control")),
            Version::Two => counted(folder.join("memory.events")),
        });
        // A group may count those of groups below as well: what matters is that there are more.
        groups.reduce(|one, other| one + other).or_else(|| counted("proc/vmstat".into()))
    }
}

fn of_group(group: &Group, root: &Path) -> Option<Room> {
    let limit = group.limit(root)?;
    let folder = root.join(&group.folder);
    // Files that were read or written, and what the kernel remembers of folders: it gives all of that up before it ends anybody.
    let (used, given_up): (_, &[&str]) = match group.version {
        Version::One => ("memory.usage_in_bytes", &["total_inactive_file", "total_active_file"]),
        Version::Two => ("memory.current", &["inactive_file", "active_file", "slab_reclaimable"]),
    };
    let used: u64 = read(&folder.join(used))?.trim().parse().ok()?;
    let statistics = read(&folder.join("memory.stat")).unwrap_or_default();
    let given_up: u64 = given_up.iter().filter_map(|name| statistic(&statistics, name)).sum();
    Some(Room { limit, used: used.saturating_sub(given_up) })
}

/// The number of a line as `inactive_file 1234`.
fn statistic(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.trim().parse().ok()
}

fn of_machine(root: &Path) -> Option<Room> {
    let text = read(&root.join("proc/meminfo"))?;
    let limit = meminfo(&text, "MemTotal:")?;
    Some(Room { limit, used: limit.saturating_sub(meminfo(&text, "MemAvailable:")?) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal:  16777216 kB\nMemFree:  1 kB\nMemAvailable:  10485760 kB\n");

    fn under<T>(files: &[(&str, String)], ask: impl FnOnce(Around) -> T) -> T {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        ask(Around::under(root.path().to_owned()))
    }

    fn room(limit: u64, used: u64) -> Option<Room> {
        Some(Room { limit: limit * MIB, used: used * MIB })
    }

    #[test]
    fn what_is_used_is_found_as_systems_write_it() {
        let bytes = |megabytes: u64| format!("{}\n", megabytes * MIB);
        let statistics = |names: &[(&str, u64)]| -> String {
            names.iter().map(|(name, megabytes)| format!("{name} {}\n", megabytes * MIB)).collect()
        };
        type Files<'a> = Vec<(&'a str, String)>;
        let cases: [(&str, Files<'_>, Option<Room>); 7] = [
            ("no control groups", vec![], room(16_384, 6_144)),
            (
                "version 2: files that the kernel would give up do not count, shared memory does",
                vec![
                    ("proc/self/cgroup", "0::/\n".into()),
                    ("sys/fs/cgroup/memory.max", bytes(512)),
                    ("sys/fs/cgroup/memory.current", bytes(500)),
                    (
                        "sys/fs/cgroup/memory.stat",
                        statistics(&[
                            ("anon", 300),
                            ("shmem", 20),
                            ("inactive_anon", 320),
                            ("inactive_file", 100),
                            ("active_file", 50),
                            ("slab_reclaimable", 10),
                        ]),
                    ),
                ],
                room(512, 340),
            ),
            (
                "version 2: of nested groups the one that runs out first",
                vec![
                    ("proc/self/cgroup", "0::/pod/worker\n".into()),
                    ("sys/fs/cgroup/pod/memory.max", bytes(600)),
                    ("sys/fs/cgroup/pod/memory.current", bytes(590)),
                    ("sys/fs/cgroup/pod/worker/memory.max", bytes(400)),
                    ("sys/fs/cgroup/pod/worker/memory.current", bytes(200)),
                ],
                room(600, 590),
            ),
            (
                "version 1: what groups below use counts, and so do their files",
                vec![
                    ("proc/self/cgroup", "4:memory:/a\n0::/\n".into()),
                    ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", bytes(512)),
                    ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", bytes(500)),
                    (
                        "sys/fs/cgroup/memory/a/memory.stat",
                        statistics(&[
                            ("inactive_file", 1),
                            ("active_file", 1),
                            ("total_inactive_file", 200),
                            ("total_active_file", 100),
                        ]),
                    ),
                ],
                room(512, 200),
            ),
            (
                "groups without a limit: the machine's memory counts",
                vec![
                    ("proc/self/cgroup", "0::/a\n".into()),
                    ("sys/fs/cgroup/a/memory.max", "max\n".into()),
                    ("sys/fs/cgroup/a/memory.current", bytes(500)),
                ],
                room(16_384, 6_144),
            ),
            (
                "a limit that the machine never reaches",
                vec![
                    ("proc/self/cgroup", "0::/a\n".into()),
                    ("sys/fs/cgroup/a/memory.max", bytes(32_768)),
                    ("sys/fs/cgroup/a/memory.current", bytes(500)),
                ],
                room(16_384, 6_144),
            ),
            (
                "a limit, and nobody says what is used",
                vec![("proc/self/cgroup", "0::/a\n".into()), ("sys/fs/cgroup/a/memory.max", bytes(1))],
                room(16_384, 6_144),
            ),
        ];
        for (what, mut files, expected) in cases {
            files.push((MEMINFO.0, MEMINFO.1.into()));
            assert_eq!(under(&files, |it| it.room()), expected, "{what}");
        }
        assert_eq!(under(&[], |it| (it.room(), it.kills())), (None, None));
    }

    #[test]
    fn what_the_kernel_has_ended_is_counted() {
        let counts = "low 1\nhigh 2\noom 9\noom_kill 3\noom_group_kill 8\n".to_owned();
        let vmstat = ("proc/vmstat", "nr_free_pages 9\noom_kill 7\n".to_owned());
        let second =
            [("proc/self/cgroup", "0::/a\n".to_owned()), ("sys/fs/cgroup/a/memory.events", counts), vmstat.clone()];
        assert_eq!(under(&second, |it| it.kills()), Some(3));
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n".to_owned();
        let first =
            [("proc/self/cgroup", "4:memory:/a\n".to_owned()), ("sys/fs/cgroup/memory/a/memory.oom_control", control)];
        assert_eq!(under(&first, |it| it.kills()), Some(4));
        assert_eq!(under(&[vmstat], |it| it.kills()), Some(7));
    }

    #[test]
    fn this_system_says_something() {
        let around = Around::this_process();
        assert!(around.room().is_some_and(|room| room.used > 0 && room.used <= room.limit));
        assert!(around.kills().is_some());
    }
}
