//! The same state machine and effect loop at the size of a large cluster: how fast it decides, what it weighs, and how
//! long it is gone when its head is lost.
//!
//! Workers answer at once and the journal is a file that is written without waiting for the disk, so that what is
//! measured is the head's own work: deciding, and turning records into bytes and back.

mod cluster;
mod journal;
mod plot;

use std::time::Instant;

use serde_json::{Value, json};
use shoal_core::Failure;

use cluster::Cluster;
pub use plot::plot;

/// How large the cluster and its work are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Workers.
    pub workers: u32,
    /// Tasks that each of them runs at the same time.
    pub slots: u32,
    /// Jobs, all submitted at the beginning.
    pub jobs: u32,
    /// Tasks of all jobs together.
    pub tasks: u32,
}

/// What was measured when so many tasks were done.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Tasks that are done.
    pub done: u64,
    /// Assignments per second since the sample before.
    pub decisions_per_second: f64,
    /// Memory of the process, in MiB.
    pub memory_mib: f64,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its size.
    pub size: Size,
    /// Over time.
    pub samples: Vec<Sample>,
    /// Assignments over all seconds of the head's work.
    pub decisions_per_second: f64,
    /// Memory of the process when every job waited, in MiB.
    pub memory_pending_mib: f64,
    /// Highest memory of the head that did the work, in MiB.
    pub memory_peak_mib: f64,
    /// Records that the lost head had stored.
    pub records: u64,
    /// Seconds in which they were read and decoded.
    pub load_seconds: f64,
    /// Seconds in which the state was made of them.
    pub recover_seconds: f64,
    /// Seconds until all workers were back and the first task was handed out again.
    pub adopt_seconds: f64,
    /// Memory of the process after that, in MiB.
    pub memory_recovered_mib: f64,
}

/// Samples of a run.
const SAMPLES: u64 = 50;

impl Size {
    /// Runs all jobs; the head is lost when half of the tasks are done.
    ///
    /// # Errors
    /// What keeps the journal's file from being written or read.
    pub fn run(self) -> Result<Measured, Failure> {
        let mut cluster = Cluster::start(self)?;
        let total = u64::from(self.tasks);
        let mut measured = Measured {
            size: self,
            samples: Vec::new(),
            decisions_per_second: 0.0,
            memory_pending_mib: memory_mib(),
            memory_peak_mib: 0.0,
            records: 0,
            load_seconds: 0.0,
            recover_seconds: 0.0,
            adopt_seconds: 0.0,
            memory_recovered_mib: 0.0,
        };
        let mut is_lost = false;
        let (mut seconds, mut assigned_before) = (0.0, 0);
        for sample in 1..=SAMPLES {
            let start = Instant::now();
            cluster.work_until(total * sample / SAMPLES)?;
            let took = start.elapsed().as_secs_f64();
            let assigned = cluster.assigned() - assigned_before;
            (seconds, assigned_before) = (seconds + took, cluster.assigned());
            let memory_mib = memory_mib();
            measured.samples.push(Sample {
                done: cluster.done(),
                decisions_per_second: assigned as f64 / took,
                memory_mib,
            });
            if !is_lost {
                measured.memory_peak_mib = measured.memory_peak_mib.max(memory_mib);
            }
            if sample == SAMPLES / 2 {
                is_lost = true;
                measured.records = cluster.records();
                cluster = cluster.lose_head(&mut measured)?;
                measured.memory_recovered_mib = self::memory_mib();
                assigned_before = cluster.assigned();
            }
        }
        cluster.check_end()?;
        measured.decisions_per_second = total as f64 / seconds;
        Ok(measured)
    }
}

impl Measured {
    /// For other programs.
    pub fn to_json(&self) -> Value {
        let Self {
            size: Size { workers, slots, jobs, tasks },
            samples,
            decisions_per_second,
            memory_pending_mib,
            memory_peak_mib,
            records,
            load_seconds,
            recover_seconds,
            adopt_seconds,
            memory_recovered_mib,
        } = self;
        let sample = |sample: &Sample| {
            json!({
                "done": sample.done,
                "decisionsPerSecond": sample.decisions_per_second.round(),
                "memoryMib": sample.memory_mib.round(),
            })
        };
        json!({
            "workers": workers,
            "slotsPerWorker": slots,
            "jobs": jobs,
            "tasks": tasks,
            "decisionsPerSecond": decisions_per_second.round(),
            "memoryAllPendingMib": memory_pending_mib.round(),
            "memoryPeakMib": memory_peak_mib.round(),
            "headLostWithRecords": records,
            "loadSeconds": hundredths(*load_seconds),
            "recoverSeconds": hundredths(*recover_seconds),
            "adoptSeconds": hundredths(*adopt_seconds),
            "memoryRecoveredMib": memory_recovered_mib.round(),
            "samples": samples.iter().map(sample).collect::<Vec<_>>(),
        })
    }
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Memory of this process that is in use, in MiB; 0 where the kernel does not say.
fn memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1_024.0
}
