//! Memory of a tree of processes, as the kernel tells.

use std::collections::BTreeSet;
use std::fs;

/// Bytes that the processes which a guardian has started hold together, where they are more than `limit`; pages that several
/// of them share count once.
///
/// Each process tells quickly how much it holds, shared pages included. How much of that is its own part takes the kernel
/// longer, and is asked only where it makes a difference.
pub(crate) fn above(guardian: u32, limit: u64) -> Option<u64> {
    let tree = descendants(guardian);
    if tree.iter().filter_map(|pid| resident(*pid)).sum::<u64>() <= limit {
        return None;
    }
    let own = own(&tree);
    (own > limit).then_some(own)
}

/// Bytes that they hold.
pub(crate) fn held(guardian: u32) -> u64 {
    own(&descendants(guardian))
}

/// How many processes a guardian has started, and they.
pub(crate) fn processes(guardian: u32) -> usize {
    descendants(guardian).len()
}

fn own(tree: &BTreeSet<u32>) -> u64 {
    tree.iter().filter_map(|pid| proportional(*pid).or_else(|| resident(*pid))).sum()
}

fn descendants(root: u32) -> BTreeSet<u32> {
    let (mut found, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(pid) = open.pop() {
        open.extend(children(pid).into_iter().filter(|child| found.insert(*child)));
    }
    found
}

/// Any thread may have started a process. One that is gone has none.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    texts.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn resident(pid: u32) -> Option<u64> {
    field(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

fn proportional(pid: u32) -> Option<u64> {
    field(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss:")
}

/// Bytes of a line as `VmRSS:     1234 kB`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use shoal_testkit::eventually;

    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read() {
        let status = "Name:\tpython3\nVmPeak:\t  99999 kB\nVmRSS:\t   20480 kB\nThreads:\t1\n";
        assert_eq!(field(status, "VmRSS:"), Some(20 << 20));
        assert_eq!((field(status, "Pss:"), field("Pss: many\n", "Pss:")), (None, None));
    }

    /// A process that ends with its test.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn what_processes_have_started_counts() {
        let mut command = Command::new("sh");
        let child =
            Running(command.args(["-c", "cat; true"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
        let own = std::process::id();
        // `sh` is there at once, `cat` after a moment.
        eventually("a grandchild is there", || {
            let is_there = descendants(own).contains(&child.0.id()) && !children(child.0.id()).is_empty();
            is_there.then_some(())
        });
        assert!(above(own, 1).is_some_and(|bytes| bytes > 100_000));
        assert_eq!(above(own, 1 << 40), None);
        assert_eq!(above(u32::MAX, 0), None);
        assert!(held(own) > 100_000 && processes(own) >= 2);
        assert_eq!((held(u32::MAX), processes(u32::MAX)), (0, 0));
    }
}
