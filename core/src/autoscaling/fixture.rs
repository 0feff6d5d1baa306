//! Clusters for tests of decisions.

use std::time::Duration;

use super::facts::{
    Facts, GroupFacts, HeadState, Observed, TaskShape, WorkClass, WorkFacts, WorkerFacts, WorkerShape, WorkerState,
};
use super::history::History;
use super::policy::{Behavior, GroupPolicy, Policy};
use super::{Decision, decide};
use crate::id::WorkerId;

pub(super) const NOW: u64 = 1_000_000_000;

pub(super) fn class(queued_tasks: u64, queued_slot_seconds: f64) -> WorkClass {
    WorkClass {
        group: None,
        shape: TaskShape::SLOT,
        priority: 0,
        queued_tasks,
        queued_slot_seconds,
        running_tasks: 0,
        running_slot_seconds: 0.0,
    }
}

/// Tasks that run and leave nothing in the queue.
pub(super) fn running(tasks: u64, slot_seconds: f64) -> WorkClass {
    WorkClass { running_tasks: tasks, running_slot_seconds: slot_seconds, ..class(0, 0.0) }
}

pub(super) fn worker(id: &str, state: WorkerState) -> WorkerFacts {
    WorkerFacts { id: WorkerId(id.to_owned()), state, held_bytes: 0, leaves_at_ms: None }
}

pub(super) fn idle(id: &str) -> WorkerFacts {
    worker(id, WorkerState::Idle { since_ms: NOW - 1_000 })
}

pub(super) fn busy(id: &str) -> WorkerFacts {
    worker(id, WorkerState::Busy { busy_slots: 1 })
}

/// So many workers, told apart by what stands in front of their numbers.
pub(super) fn many(count: u32, name: &str, make: impl Fn(&str) -> WorkerFacts) -> Vec<WorkerFacts> {
    (0..count).map(|number| make(&format!("{name}-{number:05}"))).collect()
}

pub(super) fn group(name: &str, slots: u32, workers: Vec<WorkerFacts>) -> GroupFacts {
    GroupFacts {
        name: name.to_owned(),
        shape: WorkerShape { slots, memory_bytes: u64::from(slots) << 30 },
        replicas: u32::try_from(workers.len()).unwrap(),
        workers: Observed::known(NOW, workers),
        startup: Some(Duration::from_secs(10)),
        refused_since_ms: None,
    }
}

pub(super) fn facts(classes: Vec<WorkClass>, groups: Vec<GroupFacts>) -> Facts {
    let is_any = classes.iter().any(|class| class.queued_tasks + class.running_tasks > 0);
    let jobs = u64::from(is_any);
    Facts {
        head: HeadState::Running,
        work: Observed::known(NOW, WorkFacts { classes, unfinished_jobs: jobs }),
        unfinished_jobs: Observed::known(NOW, jobs),
        groups,
    }
}

pub(super) fn bounds(name: &str, min_replicas: u32, max_replicas: u32) -> GroupPolicy {
    GroupPolicy {
        name: name.to_owned(),
        min_replicas,
        max_replicas,
        idle_timeout: Some(Duration::from_secs(60)),
        cost_per_hour: None,
    }
}

pub(super) fn policy(groups: Vec<GroupPolicy>) -> Policy {
    Policy {
        target_drain_time: Duration::from_secs(30),
        provisioning_timeout: Duration::from_secs(300),
        budget_per_hour: None,
        fallback_replicas: None,
        scale_up: Behavior::default(),
        scale_down: Behavior::default(),
        idle_timeout: None,
        head_may_sleep: true,
        groups,
    }
}

/// The same facts as of another moment.
pub(super) fn at(mut facts: Facts, now_ms: u64) -> Facts {
    fn set<T>(fact: &mut Observed<T>, now_ms: u64) {
        if let Observed::Known { at_ms, .. } = fact {
            *at_ms = now_ms;
        }
    }
    set(&mut facts.work, now_ms);
    set(&mut facts.unfinished_jobs, now_ms);
    facts.groups.iter_mut().for_each(|group| set(&mut group.workers, now_ms));
    facts
}

/// Decides by the same facts again and again, every five seconds for so long; the last decision and what is remembered.
pub(super) fn decide_for(seconds: u64, facts: &Facts, policy: &Policy, history: &History) -> (Decision, History, u64) {
    let (mut history, mut now_ms) = (history.clone(), NOW);
    loop {
        let (decision, next) = decide(&at(facts.clone(), now_ms), policy, &history, now_ms);
        history = next;
        if now_ms >= NOW + seconds * 1_000 {
            return (decision, history, now_ms);
        }
        now_ms += 5_000;
    }
}

/// The first decision on facts.
pub(super) fn first(facts: &Facts, policy: &Policy) -> Decision {
    decide(facts, policy, &History::default(), NOW).0
}
