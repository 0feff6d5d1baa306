//! What processes take together while they run.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use shoal_benches::BenchResult;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(50);

/// The most that was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Memory of all processes, with what they share counted once: the sum of their proportional set sizes.
    pub(crate) memory_mib: f64,
    /// Files in the folder.
    pub(crate) disk_mib: f64,
}

/// Looks again and again until it is ended.
pub(crate) struct Watch {
    end: Sender<()>,
    thread: JoinHandle<Taken>,
}

impl Watch {
    /// Watches processes, and the folder in which they put what does not fit into memory.
    pub(crate) fn start(processes: Vec<u32>, folder: PathBuf) -> Self {
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            let mut most = Taken::default();
            while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                most.memory_mib = most.memory_mib.max(processes.iter().filter_map(|id| pss_mib(*id)).sum());
                most.disk_mib = most.disk_mib.max(bytes_in(&folder) as f64 / f64::from(1 << 20));
            }
            most
        });
        Self { end, thread }
    }

    pub(crate) fn end(self) -> BenchResult<Taken> {
        drop(self.end);
        self.thread.join().map_err(|_| "the watch over processes failed".into())
    }
}

fn pss_mib(process: u32) -> Option<f64> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// Files come and go while they are looked at: what is gone counts nothing.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
