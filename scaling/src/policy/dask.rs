//! Dask's adaptive deployments.
//!
//! Formulas: `Scheduler.adaptive_target` and `Scheduler.workers_to_close` of `distributed/scheduler.py`, and
//! `AdaptiveCore.recommendations` of `distributed/deploy/adaptive_core.py`, of dask/distributed; defaults:
//! `distributed/distributed.yaml`. Nothing is held in memory here, so that what these do for want of memory does not come
//! up.
//!
//! * *Default*: a target duration of 5 s, every second; a worker goes when it was suggested three times in a row.
//! * *Advised*: the same file explains the target duration as the time that all of a computation may take, with a minute
//!   as its example.

use std::collections::BTreeMap;

use super::{Phase, Policy, Seen, SeenJob, SeenWorker, Wish};
use crate::time::{Millis, SECOND, seconds};
use crate::world::WorkerId;

pub(super) const ABOUT: [&str; 2] = [
    "Dask's adaptive deployment: all work within 5 s, looked at every second, three looks before a worker goes",
    "Dask's adaptive deployment with a target duration of one minute",
];

/// `adaptive.interval`.
const INTERVAL: Millis = SECOND;
/// `adaptive.wait-count`.
const WAIT_COUNT: u32 = 3;
/// `scheduler.unknown-task-duration`, in seconds.
const UNKNOWN: f64 = 0.5;
/// Of so many waiting tasks the durations are added up; the others count as much on average.
const SAMPLE: u32 = 100;

pub(super) struct Dask {
    /// `adaptive.target-duration`, in seconds.
    target: f64,
    core: Core,
}

impl Dask {
    pub(super) fn new(advised: bool) -> Self {
        Self {
            target: if advised { 60.0 } else { 5.0 },
            core: Core { wait_count: WAIT_COUNT, close_counts: BTreeMap::new() },
        }
    }
}

impl Policy for Dask {
    fn interval(&self) -> Millis {
        INTERVAL
    }

    fn look(&mut self, seen: &Seen<'_>) -> Wish {
        let group = &seen.groups[0];
        let target = adaptive_target(seen, self.target).clamp(group.min_workers, group.max_workers);
        let there: Vec<SeenWorker> = seen.staying(0).copied().collect();
        match self.core.recommend(target, &there) {
            Recommended::Same => seen.with_first(there.len() as u32),
            Recommended::Up(target) => seen.with_first(target),
            Recommended::Down(leave) => {
                Wish { leave: leave.clone(), ..seen.with_first((there.len() - leave.len()) as u32) }
            }
        }
    }
}

/// Estimate of a task's duration: the mean of the newest, else twice what the longest one has run, else a guess.
fn duration(job: &SeenJob) -> f64 {
    let longest = job.ran.iter().copied().max().filter(|ran| *ran > 0);
    job.recent_seconds.or(longest.map(|ran| 2.0 * seconds(ran))).unwrap_or(UNKNOWN)
}

/// Workers for the tasks that there are.
fn adaptive_target(seen: &Seen<'_>, target: f64) -> u32 {
    let connected: Vec<&SeenWorker> = seen.staying(0).filter(|worker| worker.phase == Phase::Ready).collect();
    let mut sample = SAMPLE;
    let mut queued = 0.0;
    for job in &seen.jobs {
        let taken = job.waiting.min(sample);
        queued += f64::from(taken) * duration(job);
        sample -= taken;
    }
    let ready = seen.waiting();
    if ready > SAMPLE {
        queued *= f64::from(ready) / f64::from(SAMPLE);
    }
    let running: f64 = seen.jobs.iter().map(|job| f64::from(job.running) * duration(job)).sum();
    let mut cores = ((running + queued) / target).ceil().min(1e9) as u32;
    // A few long tasks do not ask for more cores than there are tasks.
    let all = connected.iter().fold(ready, |tasks, worker| if tasks > cores { tasks } else { tasks + worker.busy });
    cores = cores.min(all);
    if !connected.is_empty() {
        let threads: u32 = connected.iter().map(|worker| worker.slots).sum();
        cores = (cores * connected.len() as u32).div_ceil(threads);
    } else if ready > 0 {
        cores = cores.max(1);
    }
    let there = connected.len() as u32;
    let idle = connected.iter().filter(|worker| worker.busy == 0).count() as u32;
    if cores >= there { cores } else { there - idle }
}

/// The part without a scheduler.
struct Core {
    wait_count: u32,
    close_counts: BTreeMap<WorkerId, u32>,
}

#[derive(Debug, PartialEq, Eq)]
enum Recommended {
    Same,
    Up(u32),
    Down(Vec<WorkerId>),
}

impl Core {
    /// What to do to have `target` workers, where those in `plan` are there or on their way.
    fn recommend(&mut self, target: u32, plan: &[SeenWorker]) -> Recommended {
        let planned = plan.len() as u32;
        if target >= planned {
            self.close_counts.clear();
            return if target == planned { Recommended::Same } else { Recommended::Up(target) };
        }
        let surplus = (planned - target) as usize;
        let mut to_close: Vec<WorkerId> =
            plan.iter().filter(|worker| worker.phase != Phase::Ready).take(surplus).map(|worker| worker.id).collect();
        if to_close.len() < surplus {
            to_close.extend(workers_to_close(target, plan));
        }
        let mut firmly = Vec::new();
        for id in &to_close {
            let count = self.close_counts.entry(*id).or_default();
            *count += 1;
            if *count >= self.wait_count {
                firmly.push(*id);
            }
        }
        self.close_counts.retain(|id, _| to_close.contains(id) && !firmly.contains(id));
        if firmly.is_empty() { Recommended::Same } else { Recommended::Down(firmly) }
    }
}

/// Of the workers that are connected, those to close so that `target` are left: idle ones first, the newest of them first.
fn workers_to_close(target: u32, plan: &[SeenWorker]) -> Vec<WorkerId> {
    let mut connected: Vec<&SeenWorker> = plan.iter().filter(|worker| worker.phase == Phase::Ready).collect();
    connected.sort_by_key(|worker| worker.busy == 0);
    let surplus = connected.len().saturating_sub(target as usize);
    connected.iter().rev().take(surplus).map(|worker| worker.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{group, job, seen, worker};

    fn known(waiting: u32, running: u32, seconds: f64) -> SeenJob {
        SeenJob { recent_seconds: Some(seconds), ..job(waiting, running) }
    }

    /// `deploy/tests/test_adaptive.py`: `test_scale_up_large_tasks` (no workers) and `test_respect_average_nthreads` (one
    /// with five threads), with tasks of 1,000 s.
    #[test]
    fn targets_are_those_of_the_adaptive_tests() {
        let groups = [group(5, 0, 1000)];
        for (tasks, expected) in [(10, 10), (200, 200)] {
            assert_eq!(adaptive_target(&seen(&groups, vec![], vec![known(tasks, 0, 1000.0)]), 5.0), expected);
        }
        for (tasks, expected) in [(10, 2), (200, 40)] {
            let seen = seen(&groups, vec![worker(1, Phase::Ready, 5, 5)], vec![known(tasks - 5, 5, 1000.0)]);
            assert_eq!(adaptive_target(&seen, 5.0), expected);
        }
    }

    /// `tests/test_scheduler.py`: `test_adaptive_target_empty_cluster` and the last line of `test_adaptive_target`.
    #[test]
    fn an_empty_cluster_asks_for_one_and_then_more() {
        let groups = [group(1, 0, 1000)];
        assert_eq!(adaptive_target(&seen(&groups, vec![], vec![]), 5.0), 0);
        assert_eq!(adaptive_target(&seen(&groups, vec![], vec![job(1, 0)]), 5.0), 1);
        assert!(adaptive_target(&seen(&groups, vec![], vec![job(100, 0)]), 5.0) > 1);
        let idle = vec![worker(1, Phase::Ready, 1, 0), worker(2, Phase::Ready, 1, 0)];
        assert_eq!(adaptive_target(&seen(&groups, idle, vec![]), 0.1), 0);
    }

    /// `deploy/tests/test_adaptive_core.py`: `test_safe_target` and `test_scale_up`, for 1 to 4 workers.
    #[test]
    fn bounds_are_kept_as_in_the_cores_tests() {
        let groups = [group(1, 1, 4)];
        let mut dask = Dask::new(false);
        assert_eq!(dask.look(&seen(&groups, vec![], vec![])).targets, [1]);
        let one = vec![worker(0, Phase::Ready, 1, 0)];
        assert_eq!(dask.look(&seen(&groups, one, vec![known(10, 0, 1000.0)])).targets, [4]);
    }

    /// The same, `test_scale_down`: all but one of four have arrived, two are enough, at the second look two go, the one
    /// that has not arrived among them.
    #[test]
    fn workers_go_when_suggested_often_enough() {
        let mut core = Core { wait_count: 2, close_counts: BTreeMap::new() };
        let phase = |id| if id == 2 { Phase::Starting } else { Phase::Ready };
        let plan: Vec<SeenWorker> = (0..4).map(|id| worker(id, phase(id), 1, 0)).collect();
        assert_eq!(core.recommend(2, &plan), Recommended::Same);
        let Recommended::Down(gone) = core.recommend(2, &plan) else { panic!("two go") };
        assert!(gone.len() == 2 && gone.contains(&WorkerId(2)), "{gone:?}");
        let left: Vec<SeenWorker> = plan.into_iter().filter(|worker| !gone.contains(&worker.id)).collect();
        assert!((0..4).all(|_| core.recommend(2, &left) == Recommended::Same));
    }
}
