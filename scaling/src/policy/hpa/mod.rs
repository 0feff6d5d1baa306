//! The HorizontalPodAutoscaler of Kubernetes.
//!
//! Formulas: `pkg/controller/podautoscaler/replica_calculator.go` (`GetResourceReplicas`,
//! `GetExternalPerPodMetricReplicas`) and `horizontal.go` (`convertDesiredReplicasWithBehaviorRate`,
//! `stabilizeRecommendationWithBehaviors`) of kubernetes/kubernetes; defaults: `HorizontalPodAutoscalerSpec` and KEP-853,
//! with the periods of 15 s that `autoscaling/v2` has.
//!
//! * *Default*: what `kubectl autoscale` makes without a target: CPU at 80 %, one replica at least. A slot that runs a task
//!   uses its share of the pod's CPU, others use none.
//! * *Advised*: the page "HorizontalPodAutoscaler Walkthrough" has an external metric of 30 outstanding tasks for each
//!   worker, for applications that take tasks from a queue; KEP-853, story 1, has ten times as many pods a minute for who
//!   wants to respond quickly; and the page on pods' lifecycles has a grace period that lets a task end. Here it does.

mod behaviour;

pub(super) use behaviour::{Behaviour, History, Replicas};

use super::{Phase, Policy, Seen, Wish};
use crate::time::{HOUR, Millis, SECOND};

pub(super) const ABOUT: [&str; 2] = [
    "HorizontalPodAutoscaler as `kubectl autoscale` makes it: CPU at 80 %, one replica at least, default behaviour",
    "HorizontalPodAutoscaler on an external metric, 30 outstanding tasks a worker, up to 900 % more pods a minute, grace for running tasks",
];

/// `--horizontal-pod-autoscaler-sync-period`.
pub(super) const SYNC: Millis = 15 * SECOND;
/// `--horizontal-pod-autoscaler-tolerance`.
const TOLERANCE: f64 = 0.1;
/// `minReplicas`; 0 takes the feature gate `HPAScaleToZero`, which is off.
const MIN_REPLICAS: u32 = 1;
const CPU_TARGET: f64 = 0.8;
const TASKS_PER_WORKER: f64 = 30.0;

pub(super) struct Hpa {
    advised: bool,
    behaviour: Behaviour,
    history: History,
}

impl Hpa {
    pub(super) fn new(advised: bool) -> Self {
        let behaviour = if advised { Behaviour::as_fast_as_possible() } else { Behaviour::default() };
        Self { advised, behaviour, history: History::default() }
    }
}

impl Policy for Hpa {
    fn interval(&self) -> Millis {
        SYNC
    }

    fn look(&mut self, seen: &Seen<'_>) -> Wish {
        let bounds = Replicas {
            current: seen.targets[0],
            min: seen.groups[0].min_workers.max(MIN_REPLICAS),
            max: seen.groups[0].max_workers,
        };
        let desired = if self.advised {
            per_pod(bounds.current, f64::from(seen.waiting() + seen.running()), TASKS_PER_WORKER)
        } else {
            by_utilisation(bounds.current, &pods(seen), CPU_TARGET)
        };
        seen.with_first(self.history.normalise(&self.behaviour, bounds, desired, seen.now))
    }

    fn grace(&self) -> Millis {
        if self.advised { 24 * HOUR } else { 30 * SECOND }
    }
}

/// A pod as the controller of resource metrics sees it.
#[derive(Clone, Copy, Debug)]
struct Pod {
    /// Usage as a share of the request.
    usage: f64,
    ready: bool,
}

fn pods(seen: &Seen<'_>) -> Vec<Pod> {
    let pod = |worker: &super::SeenWorker| Pod {
        usage: f64::from(worker.busy) / f64::from(worker.slots),
        ready: worker.phase == Phase::Ready,
    };
    seen.staying(0).map(pod).collect()
}

/// Replicas for an average utilisation of ready pods; pods that are not ready count as idle ones where that means more
/// pods, and not at all where it means fewer. Without a metric nothing changes.
fn by_utilisation(current: u32, pods: &[Pod], target: f64) -> u32 {
    let usage: Vec<f64> = pods.iter().filter(|pod| pod.ready).map(|pod| pod.usage).collect();
    let (ready, all) = (usage.len() as f64, pods.len() as f64);
    if usage.is_empty() {
        return current;
    }
    let sum: f64 = usage.iter().sum();
    let ratio = sum / ready / target;
    if ready == all || ratio <= 1.0 {
        return if (1.0 - ratio).abs() <= TOLERANCE { current } else { whole(ratio * ready) };
    }
    let ratio = sum / all / target;
    if (1.0 - ratio).abs() <= TOLERANCE || ratio < 1.0 {
        return current;
    }
    whole(ratio * all).max(current)
}

/// Replicas for a sum that is to be shared equally.
pub(super) fn per_pod(current: u32, total: f64, target: f64) -> u32 {
    // Without replicas the share is infinite or no number, and so is no reason to stay.
    let ratio = total / (target * f64::from(current));
    if (1.0 - ratio).abs() <= TOLERANCE { current } else { whole(total / target) }
}

/// Rounded up. What is whole but for the last bits of a float is whole.
fn whole(replicas: f64) -> u32 {
    (replicas - 1e-9).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods_of(usage: &[f64], ready: &[bool]) -> Vec<Pod> {
        usage.iter().zip(ready).map(|(usage, ready)| Pod { usage: *usage, ready: *ready }).collect()
    }

    /// `replica_calculator_test.go`: `TestReplicaCalcScaleUp`, `...ScaleUpUnreadyLessScale`, `...ScaleUpUnreadyNoScale`,
    /// `...ScaleDown`, `...ScaleDownIncludeUnreadyPods`.
    #[test]
    fn utilisation_is_that_of_the_replica_calculators_tests() {
        let all = [true; 5];
        for (usage, ready, target, expected) in [
            (&[0.3, 0.5, 0.7][..], &all[..3], 0.3, 5),
            (&[0.3, 0.5, 0.7], &[false, true, true], 0.3, 4),
            (&[0.4, 0.5, 0.7], &[true, false, false], 0.3, 3),
            (&[0.1, 0.3, 0.5, 0.25, 0.25], &all, 0.5, 3),
            (&[0.1, 0.3, 0.5, 0.25, 0.25], &[true, true, true, false, false], 0.5, 2),
        ] {
            let current = usage.len() as u32;
            assert_eq!(by_utilisation(current, &pods_of(usage, ready), target), expected, "{usage:?} of {target}");
        }
    }

    /// The same, `TestReplicaCalcScaleDownExcludeUnscheduledPods`: one of five pods has a node, at 10 % of 50 %.
    #[test]
    fn pods_without_a_node_do_not_count() {
        let pods = pods_of(&[0.1, 0.0, 0.0, 0.0, 0.0], &[true, false, false, false, false]);
        assert_eq!(by_utilisation(5, &pods, 0.5), 1);
    }

    /// The same, `TestReplicaCalcScaleUpPerPodCMExternal`, `...ScaleDownPerPodCMExternal`, `...ScaleUpCMPerPodObject`,
    /// `...ScaleDownPerPodCMObject`.
    #[test]
    fn shares_are_those_of_the_replica_calculators_tests() {
        for (current, total, target, expected) in
            [(3, 8600.0, 2150.0, 4), (5, 8600.0, 2867.0, 3), (3, 20000.0, 5000.0, 4), (5, 6000.0, 2000.0, 3)]
        {
            assert_eq!(per_pod(current, total, target), expected, "{total} by {target}");
        }
        // Within the tolerance nothing changes; from zero everything does.
        assert_eq!((per_pod(10, 310.0, 30.0), per_pod(0, 310.0, 30.0), per_pod(0, 0.0, 30.0)), (10, 11, 0));
    }
}
