//! KEDA.
//!
//! Formulas: `pkg/scaling/executor/scale_scaledobjects.go` (`RequestScale`, `scaleToZeroOrIdle`, `scaleFromZeroOrIdle`),
//! `scale_jobs.go` (`GetEffectiveMaxScale`) and `pkg/scaling/scaledjob/metrics.go` of kedacore/keda; between one and the
//! most, KEDA leaves the work to a HorizontalPodAutoscaler. Defaults: the page "ScaledObject specification", and 20
//! messages a replica, the default of `pkg/scalers/rabbitmq_scaler.go`.
//!
//! * *Default*: a ScaledObject with the length of the queue, which counts running tasks, too.
//! * *Advised*: the page "Scaling Jobs" has ScaledJobs for long executions, with the strategy `accurate` where the length
//!   of the queue leaves out what runs. There a job is one message; here it is a worker that takes tasks until none waits,
//!   which is kinder, as a pod for each task would have to start first.

use super::hpa::{Behaviour, History, Replicas, SYNC, per_pod};
use super::{Phase, Policy, Seen, Wish};
use crate::time::{HOUR, Millis, SECOND};

pub(super) const ABOUT: [&str; 2] = [
    "ScaledObject on the length of the queue, 20 tasks a worker, polled every 30 s, from and to zero",
    "ScaledJob with the strategy `accurate`: a worker for as many waiting tasks as it has slots, which ends when none waits",
];

/// `pollingInterval`.
const POLL: Millis = 30 * SECOND;
/// `cooldownPeriod`.
const COOLDOWN: Millis = 300 * SECOND;
const TASKS_PER_WORKER: f64 = 20.0;

pub(super) struct ScaledObject {
    behaviour: Behaviour,
    history: History,
    last_active: Option<Millis>,
}

impl ScaledObject {
    pub(super) fn new() -> Self {
        Self { behaviour: Behaviour::default(), history: History::default(), last_active: None }
    }
}

impl Policy for ScaledObject {
    fn interval(&self) -> Millis {
        SYNC
    }

    fn look(&mut self, seen: &Seen<'_>) -> Wish {
        let tasks = seen.waiting() + seen.running();
        let (mut current, group) = (seen.targets[0], &seen.groups[0]);
        if seen.now.is_multiple_of(POLL) {
            let bounds = ZeroToOne { min: group.min_workers, idle: None };
            let cooled = self.last_active.is_none_or(|active| active + COOLDOWN < seen.now);
            let was = current;
            current = bounds.replicas(current, tasks > 0, cooled).unwrap_or(current);
            if tasks > 0 {
                self.last_active = Some(seen.now);
            }
            if current != was {
                return seen.with_first(current);
            }
        }
        // At zero replicas an HPA does nothing.
        if current == 0 {
            return seen.with_first(0);
        }
        let replicas = Replicas { current, min: group.min_workers.max(1), max: group.max_workers };
        let desired = per_pod(current, f64::from(tasks), TASKS_PER_WORKER);
        seen.with_first(self.history.normalise(&self.behaviour, replicas, desired, seen.now))
    }
}

/// What KEDA itself decides: whether there are any replicas at all.
struct ZeroToOne {
    /// `minReplicaCount`.
    min: u32,
    /// `idleReplicaCount`.
    idle: Option<u32>,
}

impl ZeroToOne {
    /// Replicas to set, where KEDA has some to set; `cooled` is whether the cool-down has passed.
    fn replicas(&self, current: u32, active: bool, cooled: bool) -> Option<u32> {
        if active {
            let below = self.idle.is_some() && current < self.min || current == 0;
            return below.then_some(self.min.max(1));
        }
        if self.idle.is_some_and(|idle| current > idle) || current > 0 && self.min == 0 {
            return cooled.then_some(self.idle.unwrap_or(self.min));
        }
        (self.idle.is_none() && current < self.min).then_some(self.min)
    }
}

pub(super) struct ScaledJob;

impl Policy for ScaledJob {
    fn interval(&self) -> Millis {
        POLL
    }

    fn look(&mut self, seen: &Seen<'_>) -> Wish {
        let group = &seen.groups[0];
        let jobs = i64::from(seen.targets[0]);
        let pending = seen.staying(0).filter(|worker| worker.phase != Phase::Ready).count() as i64;
        let most = i64::from(group.max_workers);
        let wanted = i64::from(seen.waiting().div_ceil(group.slots)).min(most);
        let created = accurate(wanted, jobs, pending, most).max(0);
        Wish { more: vec![created as u32], ..Wish::default() }
    }

    fn grace(&self) -> Millis {
        24 * HOUR
    }

    fn leaves_when_idle(&self) -> bool {
        true
    }
}

/// Jobs to create by the strategy `accurate`, where the queue asks for `wanted`.
fn accurate(wanted: i64, running: i64, pending: i64, most: i64) -> i64 {
    if wanted + running - pending > most { most - running } else { wanted - pending }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{group, job, seen, worker};

    /// `scale_scaledobjects_test.go`: `TestScaleToMinReplicasWhenNotActive`, `...FromLowerInitialReplicaCount`,
    /// `TestScaleFromMinReplicasWhenActive`, `TestScaleToIdleReplicasWhenNotActive`,
    /// `TestScaleFromIdleToMinReplicasWhenActive`. None of them has been active before.
    #[test]
    fn zero_and_one_are_those_of_the_executors_tests() {
        for (min, idle, current, active, expected) in [
            (0, None, 10, false, 0),
            (5, None, 1, false, 5),
            (0, None, 0, true, 1),
            (5, Some(0), 10, false, 0),
            (5, Some(0), 0, true, 5),
        ] {
            assert_eq!(ZeroToOne { min, idle }.replicas(current, active, true), Some(expected), "{current} of {min}");
        }
        // The cool-down keeps what is there.
        assert_eq!(ZeroToOne { min: 0, idle: None }.replicas(10, false, false), None);
        assert_eq!(ZeroToOne { min: 0, idle: None }.replicas(10, true, true), None);
    }

    /// `scale_jobs_test.go`, `TestAccurateScalingStrategy`.
    #[test]
    fn accurate_is_that_of_the_executors_tests() {
        for (wanted, running, pending, most, expected) in [
            (3, 2, 0, 5, 3),
            (5, 2, 0, 5, 3),
            (3, 4, 2, 10, 1),
            (5, 4, 2, 5, 1),
            (3, 3, 3, 5, 0),
            (15, 15, 15, 20, 0),
            (10, 10, 10, 15, 0),
            (20, 15, 10, 20, 5),
        ] {
            assert_eq!(accurate(wanted, running, pending, most), expected, "{wanted} {running} {pending} {most}");
        }
    }

    #[test]
    fn a_queue_takes_it_from_zero_and_a_cool_down_back() {
        let groups = [group(2, 0, 40)];
        let mut keda = ScaledObject::new();
        let mut targets = Vec::new();
        let mut current = 0;
        for look in 0..60 {
            let workers = (0..current).map(|id| worker(id, Phase::Ready, 2, 0)).collect();
            let jobs = if look < 4 { vec![job(100, 0)] } else { Vec::new() };
            current = keda.look(&Seen { now: look * SYNC, ..seen(&groups, workers, jobs) }).targets[0];
            targets.push(current);
        }
        // One at the first poll, five by the HPA; these stay for 300 s, and one goes with the poll after the cool-down.
        assert_eq!(targets[..5], [1, 5, 5, 5, 5]);
        assert_eq!((targets[22], targets[24], targets.last()), (5, 0, Some(&0)));
    }
}
