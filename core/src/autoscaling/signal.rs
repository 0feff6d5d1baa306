//! What a head tells of its work: the names of its metrics, and how samples of them are read, wherever they come from. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::estimate::Work;
use super::samples::Sample;
use super::trouble::SignalTrouble;

/// Whether a head leads.
pub const LEADS: &str = "shoal_head_leads";
/// Seconds of a slot that tasks take which wait, by class.
pub const QUEUED_SECONDS: &str = "shoal_queued_slot_seconds";
/// Tasks that wait, by class.
pub const QUEUED_TASKS: &str = "shoal_queued_tasks";
/// Seconds of a slot that running tasks still take, by class.
pub const RUNNING_SECONDS: &str = "shoal_running_slot_seconds";
/// Tasks that run, by class.
pub const RUNNING_TASKS: &str = "shoal_running_tasks";
/// Slots, by what their workers do.
pub const SLOTS: &str = "shoal_capacity_slots";
/// Workers that a restarted head waits for.
pub const EXPECTED_WORKERS: &str = "shoal_expected_workers";
/// Bytes of partitions that somebody still has to read.
pub const HELD_BYTES: &str = "shoal_held_partition_bytes";
/// Jobs that have not ended.
pub const UNFINISHED_JOBS: &str = "shoal_unfinished_jobs";
/// When all that was so, in seconds since 1970-01-01 UTC.
pub const TIMESTAMP: &str = "shoal_signal_timestamp_seconds";

/// All of them: whoever asks for the signal asks for each.
pub const METRICS: [&str; 10] = [
    LEADS,
    QUEUED_SECONDS,
    QUEUED_TASKS,
    RUNNING_SECONDS,
    RUNNING_TASKS,
    SLOTS,
    EXPECTED_WORKERS,
    HELD_BYTES,
    UNFINISHED_JOBS,
    TIMESTAMP,
];

/// Labels of a class: what a task takes of a worker, which group's workers may take it, and the jobs' priority.
pub const CLASS_LABELS: [&str; 3] = ["shape", "worker_group", "priority"];
/// The shape of a task that takes a slot, as all do.
pub const SHAPE_SLOT: &str = "slot";
/// The group of a task that any worker may take, as all may.
pub const ANY_GROUP: &str = "any";

/// Label of what workers do.
pub const STATE_LABEL: &str = "state";
/// They take tasks.
pub const READY: &str = "ready";
/// They take tasks, and run one in that slot.
pub const BUSY: &str = "busy";
/// They are about to leave.
pub const DRAINING: &str = "draining";
/// Their scratch disk is full.
pub const DISK_FULL: &str = "disk_full";

/// Labels that say whose series one is, where Prometheus has put such: the first that is there.
const WHOSE: [&str; 2] = ["pod", "instance"];

/// How far a head's clock may be ahead of the reader's, in seconds.
const AHEAD_MAX_SECONDS: i64 = 30;

/// Which tasks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// What one takes of a worker: [`SHAPE_SLOT`].
    pub shape: String,
    /// The group whose workers may take it: [`ANY_GROUP`].
    pub worker_group: String,
    /// The jobs' priority.
    pub priority: i32,
}

/// What a head tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// When it was so, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Work, by class.
    pub work: BTreeMap<Class, Work>,
    /// Slots of workers that take tasks.
    pub ready_slots: u64,
    /// Those of them that tasks run in.
    pub busy_slots: u64,
    /// Slots of workers that are about to leave.
    pub draining_slots: u64,
    /// Slots of workers whose scratch disk is full.
    pub full_slots: u64,
    /// Workers that a restarted head waits for.
    pub expected_workers: u64,
    /// Bytes of partitions on workers that somebody still has to read.
    pub held_bytes: u64,
    /// Jobs that have not ended, also those that have no task yet.
    pub unfinished_jobs: u64,
}

impl Signal {
    /// All work together.
    pub fn total(&self) -> Work {
        let mut total = Work::default();
        self.work.values().for_each(|work| total.add(work));
        total
    }
}

/// Whether a series belongs to the signal.
pub fn is_wanted(name: &str) -> bool {
    METRICS.contains(&name)
}

/// Reads what the head tells that leads: of one head's `/metrics`, or of a query that may have found several heads. What is
/// older than `age_max_seconds` at `now_ms` counts as nothing.
///
/// # Errors
/// Why that is nothing to decide by: the first reason that is found.
pub fn read(samples: &[Sample], now_ms: i64, age_max_seconds: i64) -> Result<Signal, SignalTrouble> {
    samples.iter().try_for_each(is_possible)?;
    let of_leader = Series::of_leader(samples)?;
    let at_ms = (of_leader.single(TIMESTAMP)? * 1_000.0) as i64;
    let said = samples.iter().filter_map(|sample| sample.at_ms).min().unwrap_or(at_ms);
    for at_ms in [at_ms, said] {
        let age_seconds = (now_ms - at_ms).div_euclid(1_000);
        if age_seconds > age_max_seconds || age_seconds < -AHEAD_MAX_SECONDS {
            return Err(SignalTrouble::Stale { age_seconds });
        }
    }
    let work = of_leader.work()?;
    let slots = |state| of_leader.of_state(state);
    let signal = Signal {
        at_ms,
        work,
        ready_slots: slots(READY)?,
        busy_slots: slots(BUSY)?,
        draining_slots: slots(DRAINING)?,
        full_slots: slots(DISK_FULL)?,
        expected_workers: of_leader.single(EXPECTED_WORKERS)? as u64,
        held_bytes: of_leader.single(HELD_BYTES)? as u64,
        unfinished_jobs: of_leader.single(UNFINISHED_JOBS)? as u64,
    };
    consistent(signal)
}

fn is_possible(sample: &Sample) -> Result<(), SignalTrouble> {
    let series = || sample.series();
    match sample.value {
        value if value.is_nan() => Err(SignalTrouble::NotANumber { series: series() }),
        value if value.is_infinite() => Err(SignalTrouble::Infinite { series: series() }),
        value if value < 0.0 => Err(SignalTrouble::Negative { series: series() }),
        _ => Ok(()),
    }
}

/// What one value says against another.
fn consistent(signal: Signal) -> Result<Signal, SignalTrouble> {
    let contradicts = |what: String| Err(SignalTrouble::Contradictory { what });
    let Signal { busy_slots, ready_slots, .. } = signal;
    if busy_slots > ready_slots {
        return contradicts(format!("tasks run in {busy_slots} of {ready_slots} slots"));
    }
    for (class, work) in &signal.work {
        let of = format!("work of priority {}", class.priority);
        if work.queued_tasks == 0 && work.queued_seconds > 0.0 {
            return contradicts(format!("{of} takes {} s and is no task", work.queued_seconds));
        }
        if work.running_tasks == 0 && work.running_seconds > 0.0 {
            return contradicts(format!("{of} takes another {} s and no task runs", work.running_seconds));
        }
    }
    Ok(signal)
}

/// The series of the head that leads, by metric and labels.
struct Series<'a>(BTreeMap<&'a str, BTreeMap<Vec<&'a str>, f64>>);

/// Labels by which series of a metric differ.
fn labels_of(metric: &str) -> &'static [&'static str] {
    match metric {
        QUEUED_SECONDS | QUEUED_TASKS | RUNNING_SECONDS | RUNNING_TASKS => &CLASS_LABELS,
        SLOTS => &[STATE_LABEL],
        _ => &[],
    }
}

fn whose(sample: &Sample) -> &str {
    WHOSE.iter().find_map(|label| sample.labels.get(*label)).map_or("", String::as_str)
}

impl<'a> Series<'a> {
    fn of_leader(samples: &'a [Sample]) -> Result<Self, SignalTrouble> {
        let told: Vec<&Sample> = samples.iter().filter(|sample| sample.name == LEADS).collect();
        if told.is_empty() {
            return Err(SignalTrouble::Absent { metric: LEADS.to_owned() });
        }
        let leaders: BTreeSet<&str> =
            told.iter().filter(|sample| sample.value == 1.0).map(|sample| whose(sample)).collect();
        let leader = match leaders.len() {
            0 => return Err(SignalTrouble::NotLeading { head: String::new() }),
            1 => leaders.into_iter().next().unwrap_or_default(),
            _ => return Err(SignalTrouble::SeveralLead),
        };
        let mut series = Self(BTreeMap::new());
        for sample in samples {
            let head = whose(sample);
            // Series that a query has summed up are nobody's, and so the leader's.
            if head != leader && !head.is_empty() {
                if sample.name == LEADS {
                    continue;
                }
                return Err(SignalTrouble::NotLeading { head: head.to_owned() });
            }
            let label = |name: &&str| sample.labels.get(*name).map_or("", String::as_str);
            let labels: Vec<&str> = labels_of(&sample.name).iter().map(label).collect();
            if series.0.entry(&sample.name).or_default().insert(labels, sample.value).is_some() {
                return Err(SignalTrouble::Duplicate { series: sample.series() });
            }
        }
        Ok(series)
    }

    fn of(&self, metric: &str) -> Result<&BTreeMap<Vec<&'a str>, f64>, SignalTrouble> {
        self.0.get(metric).ok_or_else(|| SignalTrouble::Absent { metric: metric.to_owned() })
    }

    fn single(&self, metric: &str) -> Result<f64, SignalTrouble> {
        self.of(metric)?.values().next().copied().ok_or_else(|| SignalTrouble::Absent { metric: metric.to_owned() })
    }

    fn of_state(&self, state: &str) -> Result<u64, SignalTrouble> {
        let found = self.of(SLOTS)?.get(&vec![state]).copied();
        found
            .map(|slots| slots as u64)
            .ok_or_else(|| SignalTrouble::Absent { metric: format!("{SLOTS}{{{STATE_LABEL}=\"{state}\"}}") })
    }

    /// Work by class. A class that one of the four tells of is told of by the others: a part is not the whole.
    fn work(&self) -> Result<BTreeMap<Class, Work>, SignalTrouble> {
        let classes: BTreeSet<&Vec<&str>> = [QUEUED_SECONDS, QUEUED_TASKS, RUNNING_SECONDS, RUNNING_TASKS]
            .iter()
            .map(|metric| self.of(metric))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flat_map(BTreeMap::keys)
            .collect();
        let mut work = BTreeMap::new();
        for labels in classes {
            let class = class(labels)?;
            let told = |metric: &str| {
                self.of(metric)?.get(labels).copied().ok_or_else(|| SignalTrouble::Absent {
                    metric: format!("{metric} for work of priority {}", class.priority),
                })
            };
            let told = Work {
                queued_tasks: told(QUEUED_TASKS)? as u64,
                queued_seconds: told(QUEUED_SECONDS)?,
                running_tasks: told(RUNNING_TASKS)? as u64,
                running_seconds: told(RUNNING_SECONDS)?,
            };
            work.insert(class, told);
        }
        Ok(work)
    }
}

fn class(labels: &[&str]) -> Result<Class, SignalTrouble> {
    let malformed = |what: String| SignalTrouble::Malformed { what };
    let [shape, worker_group, priority] = labels else {
        return Err(malformed("a class of work has three labels".to_owned()));
    };
    let or = |given: &str, default: &str| if given.is_empty() { default } else { given }.to_owned();
    // A query may have summed up over them.
    let number = if priority.is_empty() { Ok(0) } else { priority.parse() };
    let priority = number.map_err(|_| malformed(format!("`{priority}` is no priority")))?;
    Ok(Class { shape: or(shape, SHAPE_SLOT), worker_group: or(worker_group, ANY_GROUP), priority })
}

#[cfg(test)]
#[path = "signal_tests.rs"]
mod tests;
