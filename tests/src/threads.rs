//! What the threads of a process are doing: what is asked of one that hangs.

use std::path::Path;

/// A line per thread, with its name, its state and where in the kernel it waits; equal ones are counted.
pub(crate) fn threads_of(pid: u32) -> String {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return "it has no threads".to_owned() };
    let mut counted = std::collections::BTreeMap::<String, usize>::new();
    for thread in threads.flatten() {
        *counted.entry(tell(&thread.path())).or_default() += 1;
    }
    counted.into_iter().map(|(what, times)| format!("{times} x {what}\n")).collect()
}

fn tell(thread: &Path) -> String {
    let read = |file: &str| std::fs::read_to_string(thread.join(file)).unwrap_or_default();
    let status = read("status");
    let state = status.lines().find_map(|line| line.strip_prefix("State:")).unwrap_or_default().trim();
    format!("{}: {state}, waits in {}", read("comm").trim(), read("wchan").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_of_this_process_is_told_of() {
        let told = threads_of(std::process::id());
        assert!(told.contains("R (running)"), "{told}");
    }
}
