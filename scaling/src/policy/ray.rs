//! Ray's autoscaler, version 2, as KubeRay runs it.
//!
//! Formulas: `python/ray/autoscaler/v2/scheduler.py` (`ResourceDemandScheduler`), `instance_manager/reconciler.py`
//! (`_compute_to_launch`) and `instance_manager/cloud_providers/kuberay/cloud_provider.py` (nothing is launched while pods
//! that it has deleted are still there) of ray-project/ray; constants: `python/ray/autoscaler/_private/constants.py`.
//! Ray counts logical resources: a waiting task is one CPU, and a worker has as many as it has slots.
//!
//! * *Default*: `upscalingMode: Default`, `idleTimeoutSeconds: 60`.
//! * *Advised*: the page "KubeRay Autoscaling" has a more conservative speed in both directions for numerous short tasks:
//!   `upscalingMode: Conservative`, and the idle timeout of 5 minutes that the cluster launcher has as its default.

use super::{Phase, Policy, Seen, SeenWorker, Wish};
use crate::time::{Millis, SECOND};
use crate::world::WorkerId;

pub(super) const ABOUT: [&str; 2] = [
    "Ray's autoscaler 2 on KubeRay: a slot for each waiting task, at most 10 pods every 5 s, idle workers go after 60 s",
    "Ray's autoscaler 2 on KubeRay, `Conservative`: at most twice as many pods every 5 s, idle workers go after 5 minutes",
];

/// `AUTOSCALER_UPDATE_INTERVAL_S`.
const UPDATE: Millis = 5 * SECOND;
/// `AUTOSCALER_MAX_CONCURRENT_LAUNCHES`.
const LAUNCHES_MAX: u32 = 10;
/// Until a pod that was allocated and does not run Ray is given up, since ray-project/ray#60392.
const ALLOCATED_MAX: Millis = 3_600 * SECOND;

pub(super) struct Ray {
    /// `upscaling_speed`: KubeRay sets 1000 for `Default`, 1 for `Conservative`.
    speed: f64,
    idle_timeout: Millis,
    /// What it has asked to be deleted, and may still be there.
    deleted: Vec<WorkerId>,
}

impl Ray {
    pub(super) fn new(advised: bool) -> Self {
        let (speed, idle) = if advised { (1.0, 300) } else { (1000.0, 60) };
        Self { speed, idle_timeout: idle * SECOND, deleted: Vec::new() }
    }
}

impl Policy for Ray {
    fn interval(&self) -> Millis {
        UPDATE
    }

    fn look(&mut self, seen: &Seen<'_>) -> Wish {
        self.deleted.retain(|id| seen.workers.iter().any(|worker| worker.id == *id));
        let mut wish = Wish { targets: seen.targets.clone(), ..Wish::default() };
        if !self.deleted.is_empty() {
            return wish;
        }
        let mut launched = 0;
        for (group, wanted) in launches(seen).into_iter().enumerate() {
            let there = seen.staying(group).count() as u32;
            let started = to_launch(wanted, launched, there, self.speed, LAUNCHES_MAX);
            launched += started;
            let gone = terminations(seen, group, self.idle_timeout);
            wish.targets[group] = there + started - gone.len() as u32;
            wish.leave.extend(gone);
        }
        self.deleted.clone_from(&wish.leave);
        wish
    }
}

fn free(worker: &SeenWorker) -> u32 {
    match worker.phase {
        Phase::Pending | Phase::Starting => worker.slots,
        Phase::Ready => worker.slots - worker.busy,
        Phase::Leaving => 0,
    }
}

/// New workers by group, for the tasks that neither running nor pending ones have room for.
fn launches(seen: &Seen<'_>) -> Vec<u32> {
    let room: u32 = seen.workers.iter().map(free).sum();
    let mut left = seen.waiting().saturating_sub(room);
    let mut launches = Vec::new();
    for (index, group) in seen.groups.iter().enumerate() {
        let there = seen.staying(index).count() as u32;
        let needed = left.div_ceil(group.slots).max(group.min_workers.saturating_sub(there));
        let new = needed.min(group.max_workers.saturating_sub(there));
        left = left.saturating_sub(new * group.slots);
        launches.push(new);
    }
    launches
}

/// How many of those that are queued for launch are launched now.
fn to_launch(queued: u32, requested: u32, allocated: u32, speed: f64, most: u32) -> u32 {
    let desired = (speed * f64::from(requested + allocated)).ceil().max(1.0);
    queued.min(most.saturating_sub(requested)).min(desired.min(1e9) as u32)
}

/// Workers that have been idle for longer than the timeout and get none of the waiting tasks, and pods that never began.
fn terminations(seen: &Seen<'_>, group: usize, timeout: Millis) -> Vec<WorkerId> {
    let there = seen.staying(group).count() as u32;
    let spare = there.saturating_sub(seen.groups[group].min_workers) as usize;
    let idle = |worker: &&SeenWorker| {
        let since = match worker.phase {
            Phase::Ready if seen.waiting() == 0 => worker.idle_since.map(|since| since + timeout),
            Phase::Pending | Phase::Starting => Some(worker.created + ALLOCATED_MAX),
            Phase::Ready | Phase::Leaving => None,
        };
        since.is_some_and(|until| until <= seen.now)
    };
    seen.staying(group).filter(idle).take(spare).map(|worker| worker.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{group, job, seen, worker};

    /// `v2/tests/test_scheduler.py`: `test_single_resources` (a node for each CPU, none where one is there or on its way),
    /// `test_max_worker_num_enforce_with_resource_requests`. There is no tenth of a CPU here: a node of which 0.9 are left
    /// has none.
    #[test]
    fn launches_are_those_of_the_schedulers_tests() {
        let (ready, busy) = (worker(1, Phase::Ready, 1, 0), worker(1, Phase::Ready, 1, 1));
        let requested = worker(1, Phase::Pending, 1, 0);
        for (requests, workers, most, expected) in [
            (1, vec![], 10, 1),
            (3, vec![], 10, 3),
            (1, vec![ready], 10, 0),
            (1, vec![busy], 10, 1),
            (1, vec![requested], 10, 0),
            (3, vec![ready], 2, 1),
        ] {
            let groups = [group(1, 0, most)];
            assert_eq!(launches(&seen(&groups, workers, vec![job(requests, 0)])), [expected], "{requests} of {most}");
        }
    }

    /// The same, `test_min_worker_nodes`: what types need at least is launched, less what is there or on its way.
    #[test]
    fn each_type_has_what_it_needs_at_least() {
        let groups = [group(1, 1, 10), group(1, 0, 10), group(1, 2, 10)];
        let two = |phase| vec![worker(1, phase, 1, 0), worker(2, phase, 1, 0)];
        for (workers, expected) in
            [(vec![], [1, 0, 2]), (two(Phase::Ready), [0, 0, 2]), (two(Phase::Pending), [0, 0, 2])]
        {
            assert_eq!(launches(&seen(&groups, workers, vec![])), expected);
        }
    }

    /// The same, `test_idle_termination`: of a busy node and one that has been idle for 5 s, the latter.
    #[test]
    fn idle_nodes_go_as_in_the_schedulers_tests() {
        let groups = [group(1, 0, 5)];
        for (timeout, expected) in [(1, vec![WorkerId(2)]), (2, vec![WorkerId(2)]), (10, vec![])] {
            let workers = vec![worker(1, Phase::Ready, 1, 1), worker(2, Phase::Ready, 1, 0)];
            let seen = Seen { now: 5 * SECOND, ..seen(&groups, workers, vec![]) };
            assert_eq!(terminations(&seen, 0, timeout * SECOND), expected, "{timeout} s");
        }
    }

    /// `v2/tests/test_reconciler.py`, `test_max_concurrent_launches`, all of its 35 cases, with a thousand in the queue.
    #[test]
    fn launches_are_limited_as_in_the_reconcilers_tests() {
        for (most, allocated, requested) in
            [(1, 0, 0), (10, 0, 0), (1, 0, 1), (1, 1, 0), (10, 1, 0), (10, 0, 1), (10, 5, 5)]
        {
            for speed in [0.0, 0.1, 0.5, 1.0, 100.0] {
                let desired = f64::max(1.0, speed * f64::from(requested + allocated));
                let expected = desired.min(f64::from(most) - f64::from(requested));
                let launched = to_launch(1000, requested, allocated, speed, most);
                assert_eq!(f64::from(launched), expected, "{most} {allocated} {requested} {speed}");
            }
        }
    }

    #[test]
    fn nothing_is_launched_while_a_deletion_is_under_way() {
        let groups = [group(1, 0, 5)];
        let mut ray = Ray::new(false);
        let idle = Seen { now: 60 * SECOND, ..seen(&groups, vec![worker(1, Phase::Ready, 1, 0)], vec![]) };
        let wish = ray.look(&idle);
        assert_eq!((wish.targets, wish.leave), (vec![0], vec![WorkerId(1)]));
        let leaving = seen(&groups, vec![worker(1, Phase::Leaving, 1, 0)], vec![job(3, 0)]);
        assert_eq!(ray.look(&leaving).targets, [0]);
        // Where there is none of a type, one is launched first: the speed is a multiple of those that there are.
        assert_eq!(ray.look(&seen(&groups, vec![], vec![job(3, 0)])).targets, [1]);
        let one = vec![worker(2, Phase::Starting, 1, 0)];
        assert_eq!(ray.look(&seen(&groups, one, vec![job(3, 0)])).targets, [3]);
    }
}
