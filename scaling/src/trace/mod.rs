//! What happens to a cluster, whoever scales it: jobs that arrive, nodes that go, pods that find no node.
//!
//! A trace is a file of JSON lines. The first line says what it is, then come the worker groups, then what happens, in the
//! order of time. All times are in seconds.
//!
//! ```text
//! {"trace": {"name": "friday", "about": "two jobs", "seed": 7, "end": 1200}}
//! {"group": {"name": "workers", "slots": 2, "maxWorkers": 40, "costPerHour": 0.2, "startSeconds": 30, "startSpread": 0.3}}
//! {"job": {"at": 0, "name": "a", "tasks": 100, "taskSeconds": 10, "taskSpread": 0.5, "deadline": 300}}
//! {"interruption": {"at": 60, "group": "workers", "share": 0.5, "noticeSeconds": 30}}
//! {"shortage": {"at": 90, "until": 400, "group": "workers"}}
//! {"job": {"at": 600, "name": "b", "tasks": 10, "taskSeconds": 4, "priority": 5}}
//! ```
//!
//! | line | what it says |
//! |---|---|
//! | `trace` | `seed` fixes all chance; `end` is how long workers are paid for at least |
//! | `group` | workers with `slots` tasks at a time each, from `minWorkers` (0) to `maxWorkers`; a pod's start takes `startSeconds` at the median, and the logarithm of it has `startSpread` (0) as its standard deviation; `neverReady` (0) is the share of pods that wait for a node for ever; `costPerHour` (0) |
//! | `job` | `tasks` that take `taskSeconds` at the median with `taskSpread` (0); `deadline` in seconds from its arrival (none); `priority` (0), higher first |
//! | `interruption` | that `share` of the group's ready workers, one at least, is told to go, and is gone after `noticeSeconds` (30) |
//! | `shortage` | pods of the group that are created from `at` on get no node before `until` |

mod generate;
mod read;
mod write;

pub use generate::{Kind, generate};
pub use read::{parse, read};
pub use write::write;

use crate::time::Millis;

/// What happens to a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Its name in tables.
    pub name: String,
    /// What it is like, in a few words.
    pub about: String,
    pub(crate) seed: u64,
    pub(crate) end: Millis,
    pub(crate) groups: Vec<Group>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) interruptions: Vec<Interruption>,
    pub(crate) shortages: Vec<Shortage>,
}

/// Workers that are alike.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) slots: u32,
    pub(crate) min_workers: u32,
    pub(crate) max_workers: u32,
    pub(crate) cost_per_hour: f64,
    /// In seconds, until a pod that has a node is ready.
    pub(crate) start: Spread,
    /// Share of pods that never get a node.
    pub(crate) never_ready: f64,
}

/// Durations in seconds: a log-normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    /// Standard deviation of the logarithm.
    pub(crate) spread: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    pub(crate) at: Millis,
    pub(crate) name: String,
    pub(crate) priority: i32,
    pub(crate) tasks: u32,
    pub(crate) task: Spread,
    /// How long it may take.
    pub(crate) deadline: Option<Millis>,
}

/// Nodes go, and say so a little before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interruption {
    pub(crate) at: Millis,
    pub(crate) group: usize,
    pub(crate) share: f64,
    pub(crate) notice: Millis,
}

/// There are no nodes for new pods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shortage {
    pub(crate) at: Millis,
    pub(crate) until: Millis,
    pub(crate) group: usize,
}
