//! Decisions on a large cluster: while it grows, while it works, and while it shrinks.

use std::time::{Duration, Instant};

use shoal_core::autoscaling::{
    Behavior, Facts, GroupFacts, GroupPolicy, HeadState, History, Observed, Policy, TaskShape, WorkClass, WorkFacts,
    WorkerFacts, WorkerShape, WorkerState, decide,
};
use shoal_core::id::WorkerId;

/// Decisions of each kind that are timed.
const RUNS: usize = 50;

/// Slots of a worker.
const SLOTS: u32 = 4;

/// Milliseconds between two decisions.
const PAUSE_MS: u64 = 5_000;

/// How large the cluster is.
pub(crate) struct Size {
    pub(crate) workers: u32,
    pub(crate) tasks: u64,
    pub(crate) classes: u32,
    pub(crate) groups: u32,
}

/// How long decisions took.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn median_ms(&self) -> f64 {
        self.0.get(self.0.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    }

    pub(crate) fn worst_ms(&self) -> f64 {
        self.0.last().map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Size {
    /// The times by what the cluster does.
    pub(crate) fn measure(&self) -> Vec<(&'static str, Times)> {
        let starts = |number: u32, now_ms: u64| match number % 3 {
            0 => WorkerState::Starting { since_ms: now_ms - u64::from(number % 20) * 1_000 },
            _ => WorkerState::Busy { busy_slots: 1 + number % SLOTS },
        };
        let works = |number: u32, _: u64| WorkerState::Busy { busy_slots: 1 + number % SLOTS };
        let rests = |number: u32, now_ms: u64| WorkerState::Idle { since_ms: now_ms - u64::from(number) };
        vec![
            ("grows", self.times(self.tasks, starts)),
            ("works", self.times(self.tasks, works)),
            ("shrinks", self.times(0, rests)),
        ]
    }

    fn times(&self, tasks: u64, state: impl Fn(u32, u64) -> WorkerState) -> Times {
        let (policy, mut history) = (self.policy(), History::default());
        let mut now_ms = 1_000_000_000;
        let mut times = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let facts = self.facts(tasks, &state, now_ms);
            let start = Instant::now();
            let (decision, next) = decide(&facts, &policy, &history, now_ms);
            times.push(start.elapsed());
            drop(decision);
            (history, now_ms) = (next, now_ms + PAUSE_MS);
        }
        times.sort();
        Times(times)
    }

    fn policy(&self) -> Policy {
        let group = |index: u32| GroupPolicy {
            name: format!("group-{index:02}"),
            min_replicas: 0,
            max_replicas: 10_000,
            idle_timeout: Some(Duration::from_secs(60)),
            cost_per_hour: Some(1.0 + f64::from(index % 7)),
        };
        Policy {
            target_drain_time: Duration::from_secs(30),
            provisioning_timeout: Duration::from_secs(300),
            budget_per_hour: None,
            fallback_replicas: None,
            scale_up: Behavior::default(),
            scale_down: Behavior::default(),
            idle_timeout: Some(Duration::from_secs(1_800)),
            head_may_sleep: true,
            groups: (0..self.groups).map(group).collect(),
        }
    }

    fn facts(&self, tasks: u64, state: &impl Fn(u32, u64) -> WorkerState, now_ms: u64) -> Facts {
        let class = |index: u32| {
            let each = tasks / u64::from(self.classes);
            let running = if tasks == 0 { 0 } else { u64::from(self.workers * 2 / self.classes) };
            WorkClass {
                group: (index.is_multiple_of(2)).then(|| format!("group-{:02}", index % self.groups)),
                shape: TaskShape { slots: 1 + index % 2, memory_bytes: 0 },
                priority: i32::try_from(index / 8).unwrap_or(0),
                queued_tasks: each,
                queued_slot_seconds: each as f64 * 7.0,
                running_tasks: running,
                running_slot_seconds: running as f64 * 3.0,
            }
        };
        let group = |index: u32| {
            let numbers = (0..self.workers).filter(|number| number % self.groups == index);
            let worker = |number: u32| WorkerFacts {
                id: WorkerId(format!("worker-{number:05}")),
                state: state(number, now_ms),
                held_bytes: u64::from(number % 100) << 20,
                leaves_at_ms: None,
            };
            let workers: Vec<WorkerFacts> = numbers.map(worker).collect();
            GroupFacts {
                name: format!("group-{index:02}"),
                shape: WorkerShape { slots: SLOTS, memory_bytes: 16 << 30 },
                replicas: u32::try_from(workers.len()).unwrap_or(u32::MAX),
                workers: Observed::known(now_ms, workers),
                startup: Some(Duration::from_secs(20)),
                refused_since_ms: None,
            }
        };
        let unfinished_jobs = u64::from(tasks > 0);
        let classes = (0..self.classes).map(class).collect();
        Facts {
            head: HeadState::Running,
            work: Observed::known(now_ms, WorkFacts { classes, unfinished_jobs }),
            unfinished_jobs: Observed::known(now_ms, unfinished_jobs),
            groups: (0..self.groups).map(group).collect(),
        }
    }
}
