//! How much memory there is: what the container may use, else what the machine has.
//!
//! Read below a root, so that recorded trees of `/proc` and `/sys/fs/cgroup` serve as well as this machine's.

use std::path::{Component, Path, PathBuf};

/// Share of a machine's memory that is taken where nobody says how much, in percent: the rest is for whatever else runs
/// there, and for the cache of the files that are read.
const MACHINE_PERCENT: u64 = 70;

/// What is taken for the memory where the system does not say.
const UNKNOWN: u64 = 2 << 30;

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// The container may use so many bytes, which are all its own.
    Container(u64),
    /// The machine has so many bytes, for all that runs there.
    Machine(u64),
    /// Nobody says.
    Unknown,
}

impl Memory {
    /// What this system says of itself, seen from this process.
    pub(super) fn of_this_system() -> Self {
        Self::under(Path::new("/"))
    }

    /// What the system says whose files lie below `root`: the smallest limit of a control group around the process, of
    /// either version. A limit that the machine's memory never reaches is none.
    pub(super) fn under(root: &Path) -> Self {
        let machine = read(&root.join("proc/meminfo")).and_then(|text| meminfo_total(&text));
        let groups = read(&root.join("proc/self/cgroup")).unwrap_or_default();
        let limits = groups_around(&groups).into_iter().filter_map(|group| group.limit(root));
        match (limits.min(), machine) {
            (Some(limit), Some(machine)) if limit >= machine => Self::Machine(machine),
            (Some(limit), _) => Self::Container(limit),
            (None, Some(machine)) => Self::Machine(machine),
            (None, None) => Self::Unknown,
        }
    }

    /// What is used of it where nobody says how much.
    pub(super) fn to_use(self) -> u64 {
        match self {
            Self::Container(bytes) => bytes,
            Self::Machine(bytes) => bytes / 100 * MACHINE_PERCENT,
            Self::Unknown => UNKNOWN / 100 * MACHINE_PERCENT,
        }
    }
}

pub(super) fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

fn meminfo_total(text: &str) -> Option<u64> {
    meminfo(text, "MemTotal:")
}

/// Bytes of a line of `/proc/meminfo`.
pub(super) fn meminfo(text: &str, name: &str) -> Option<u64> {
    let kib = text.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix("kB")?;
    kib.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Which control groups there are: they have their memory in other files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A control group around a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Its folder, below the root.
    pub(super) folder: PathBuf,
    pub(super) version: Version,
}

impl Group {
    /// Bytes that may be used in it, where it says that.
    pub(super) fn limit(&self, root: &Path) -> Option<u64> {
        let file = match self.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        limit(&read(&root.join(&self.folder).join(file))?)
    }
}

/// What a file of a control group says; none for `max`, and for what version 1 writes where there is no limit: the largest
/// number of whole pages, of whatever size they are.
fn limit(text: &str) -> Option<u64> {
    const NO_LIMIT_FROM: u64 = 1 << 62;
    text.trim().parse().ok().filter(|bytes| *bytes < NO_LIMIT_FROM)
}

/// The control groups that may be around a process, given its `/proc/self/cgroup`. A limit of any group
/// above holds as well. In a container the groups are often called as on its host, and not to be seen under that name:
/// then the root's own files are the container's.
pub(super) fn groups_around(cgroup: &str) -> Vec<Group> {
    let mut found = Vec::new();
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        // Where both versions are used at once, the second has a folder of its own.
        let (roots, version): (&[&str], _) = match controllers {
            "" => (&["sys/fs/cgroup", "sys/fs/cgroup/unified"], Version::Two),
            one if one.split(',').any(|controller| controller == "memory") => (&["sys/fs/cgroup/memory"], Version::One),
            _ => continue,
        };
        // `/../..` leads out of what the process sees.
        let names = Path::new(group).components().filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        let group: PathBuf = if group.contains("..") { PathBuf::new() } else { names.collect() };
        let folders = roots.iter().flat_map(|root| group.ancestors().map(|above| Path::new(root).join(above)));
        found.extend(folders.map(|folder| Group { folder, version }));
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// `/proc/meminfo` of a machine with 16 GiB.
    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1234567 kB\n");

    fn under(files: &[(&str, &str)]) -> Memory {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        Memory::under(root.path())
    }

    #[test]
    fn limits_are_found_as_systems_write_them() {
        let machine = Memory::Machine(16_384 * MIB);
        type Files<'a> = &'a [(&'a str, &'a str)];
        let cases: [(&str, Files<'_>, Memory); 13] = [
            ("no control groups at all", &[], machine),
            (
                "version 2: a service of systemd without a limit",
                &[
                    ("proc/self/cgroup", "0::/system.slice/shoal.service\n"),
                    ("sys/fs/cgroup/system.slice/memory.max", "max\n"),
                    ("sys/fs/cgroup/system.slice/shoal.service/memory.max", "max\n"),
                ],
                machine,
            ),
            (
                "version 2: the smallest of nested groups",
                &[
                    ("proc/self/cgroup", "0::/user.slice/user-1000.slice/run.scope\n"),
                    ("sys/fs/cgroup/user.slice/memory.max", "4294967296\n"),
                    ("sys/fs/cgroup/user.slice/user-1000.slice/memory.max", "1073741824\n"),
                    ("sys/fs/cgroup/user.slice/user-1000.slice/run.scope/memory.max", "max\n"),
                ],
                Memory::Container(1_024 * MIB),
            ),
            (
                "version 2: a container with a namespace of its own",
                &[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "536870912\n")],
                Memory::Container(512 * MIB),
            ),
            (
                "version 2: a container that sees its host's names, but not its host's groups",
                &[
                    ("proc/self/cgroup", "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-1.scope\n"),
                    ("sys/fs/cgroup/memory.max", "536870912\n"),
                ],
                Memory::Container(512 * MIB),
            ),
            (
                "version 2: a process that was moved to where its namespace does not reach",
                &[
                    ("proc/self/cgroup", "0::/../../other\n"),
                    ("sys/fs/cgroup/memory.max", "536870912\n"),
                    ("sys/memory.max", "1\n"),
                    ("sys/fs/cgroup/other/memory.max", "2\n"),
                ],
                Memory::Container(512 * MIB),
            ),
            (
                "version 1: no limit, as a kernel with pages of 4 KiB writes it",
                &[
                    ("proc/self/cgroup", "9:name=systemd:/\n4:memory:/a\n3:cpu,cpuacct:/a\n"),
                    ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                machine,
            ),
            (
                "version 1: nested groups, and controllers that share a line",
                &[
                    ("proc/self/cgroup", "5:cpuset,memory:/docker/abc\n"),
                    ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "2147483648\n"),
                    ("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "9223372036854771712\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                Memory::Container(2_048 * MIB),
            ),
            (
                "version 1: a container that sees its host's names, but not its host's groups",
                &[
                    ("proc/self/cgroup", "4:memory:/docker/abc\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
                ],
                Memory::Container(256 * MIB),
            ),
            (
                "both versions at once: the first has the memory",
                &[
                    ("proc/self/cgroup", "4:memory:/a\n1:name=systemd:/a\n0::/a\n"),
                    ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n"),
                    ("sys/fs/cgroup/unified/a/cgroup.procs", "1\n"),
                ],
                Memory::Container(1_024 * MIB),
            ),
            (
                "both versions at once: the second has the memory",
                &[
                    ("proc/self/cgroup", "1:name=systemd:/a\n0::/a\n"),
                    ("sys/fs/cgroup/unified/a/memory.max", "1073741824\n"),
                ],
                Memory::Container(1_024 * MIB),
            ),
            (
                "a limit beyond the machine's memory",
                &[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "34359738368\n")],
                machine,
            ),
            (
                "the memory of another controller's line, and what cannot be read",
                &[
                    ("proc/self/cgroup", "4:memory_pressure:/a\nnonsense\n0::/b\n"),
                    ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1\n"),
                    ("sys/fs/cgroup/b/memory.max", "much\n"),
                ],
                machine,
            ),
        ];
        for (what, files, expected) in cases {
            assert_eq!(under(&[&[MEMINFO], files].concat()), expected, "{what}");
        }
    }

    #[test]
    fn a_limit_counts_also_where_the_machine_is_not_known() {
        assert_eq!(under(&[]), Memory::Unknown);
        let files = [("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "1048576\n")];
        assert_eq!(under(&files), Memory::Container(MIB));
    }

    #[test]
    fn a_container_is_used_whole_and_a_machine_in_part() {
        assert_eq!(Memory::Container(1_000).to_use(), 1_000);
        assert_eq!(Memory::Machine(1_000).to_use(), 700);
        assert!((1 << 30..2 << 30).contains(&Memory::Unknown.to_use()));
    }

    #[test]
    fn this_system_says_something() {
        assert_ne!(Memory::of_this_system(), Memory::Unknown);
    }
}
