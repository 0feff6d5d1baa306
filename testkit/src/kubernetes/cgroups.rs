//! The cgroup of a cluster's pods, in every hierarchy that the kernel has: version 1 has one for each controller.

use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::trouble::{Trouble, While};

const ROOT: &str = "/sys/fs/cgroup";

/// Makes it, and notes it to be removed with the cluster. Returns its name, the same in all hierarchies.
pub(super) fn make(folder: &Folder) -> Result<String, Trouble> {
    // Unique on this machine, as the folder is.
    let name =
        folder.path().to_string_lossy().trim_matches('/').replace(|sign: char| !sign.is_ascii_alphanumeric(), "-");
    let name = format!("shoal-{name}");
    folder.write("cgroup", &name)?;
    let mounts = std::fs::read_to_string("/proc/mounts").or_could_not("read /proc/mounts")?;
    for hierarchy in hierarchies(&mounts) {
        let cgroup = hierarchy.join(&name);
        std::fs::create_dir_all(&cgroup).or_could_not(format!("make the cgroup {}", cgroup.display()))?;
    }
    Ok(name)
}

/// Where cgroups are mounted, from what the kernel lists.
fn hierarchies(mounts: &str) -> Vec<PathBuf> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        (Path::new(path).starts_with(ROOT) && matches!(kind, "cgroup" | "cgroup2")).then(|| PathBuf::from(path))
    });
    mounts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_hierarchies_of_both_versions() {
        let older = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /elsewhere cgroup rw 0 0\n";
        let paths = hierarchies(older);
        assert_eq!(paths, [Path::new("/sys/fs/cgroup/cpu"), Path::new("/sys/fs/cgroup/unified")]);
        let newer = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        assert_eq!(hierarchies(newer), [Path::new("/sys/fs/cgroup")]);
    }
}
