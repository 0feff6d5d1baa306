//! Shoal: the decision of core, behind the estimates that heads make and with the policy of a spec that says no more than
//! it has to.
//!
//! What it sees is what a head's metrics and the pods tell: the seconds that waiting and running tasks take are
//! [`StageWork`]'s, so a guess until tasks have ended; how long a start takes is unknown until a worker has started.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use shoal_core::autoscaling::estimate::{PRIOR_TASK_SECONDS, RunningTask, StageWork, Work};
use shoal_core::autoscaling::{
    Decision, Facts, GroupDecision, GroupFacts, HeadState, History, Observed, TaskShape, WorkClass, WorkFacts,
    WorkerFacts, WorkerShape, WorkerState, decide,
};
use shoal_core::spec::v1alpha1::ClusterSpec;
use shoal_core::{Failure, WorkerId as Name};

use super::{Phase, Policy, Seen, SeenJob, SeenWorker, Wish};
use crate::time::{HOUR, Millis, SECOND};
use crate::trace::{Group, Trace};
use crate::world::WorkerId;

pub(super) const ABOUT: &str = "Shoal's own decision, with the defaults of a cluster's spec; prices are the trace's";

/// Where a world's time begins on the decision's clock, which no time is before.
const EPOCH_MS: u64 = 1_000_000_000_000;
/// No task asks for memory here.
const MEMORY_BYTES: u64 = 1 << 30;

pub(super) struct Shoal {
    policy: shoal_core::autoscaling::Policy,
    history: History,
    /// Pods of each group that the last decision asked for.
    replicas: Vec<Option<u32>>,
    /// Until it looks again.
    next: Millis,
}

impl Shoal {
    /// # Errors
    /// [`shoal_core::Reason::Internal`] where a spec with nothing but defaults is none.
    pub(super) fn new(trace: &Trace) -> Result<Self, Failure> {
        let internal = || Failure::internal("the defaults of a cluster's autoscaling make no policy");
        let spec: ClusterSpec = serde_json::from_value(spec(trace)).map_err(|error| internal().because(&error))?;
        let policy = shoal_core::autoscaling::Policy::parse(&spec)?.ok_or_else(internal)?;
        Ok(Self { policy, history: History::default(), replicas: vec![None; trace.groups.len()], next: SECOND })
    }
}

/// A cluster's spec that says what the trace says, how many workers there may be and what they cost, and nothing else.
fn spec(trace: &Trace) -> serde_json::Value {
    let group = |group: &Group| {
        json!({
            "name": group.name,
            "minReplicas": group.min_workers,
            "maxReplicas": group.max_workers,
            "costPerHour": group.cost_per_hour,
        })
    };
    json!({"autoscaling": {}, "workerGroups": trace.groups.iter().map(group).collect::<Vec<_>>()})
}

impl Policy for Shoal {
    fn interval(&self) -> Millis {
        self.next
    }

    fn look(&mut self, seen: &Seen<'_>) -> Wish {
        let facts = self.facts(seen);
        let now_ms = on_its_clock(seen.now);
        let (Decision { groups, report, .. }, history) = decide(&facts, &self.policy, &self.history, now_ms);
        self.history = history;
        self.next = report.next_look_ms.saturating_sub(now_ms).max(SECOND);
        let mut wish = Wish::default();
        for (index, group) in groups.iter().enumerate() {
            self.replicas[index] = Some(group.replicas);
            add(&mut wish, group);
        }
        wish
    }

    fn is_told_of_arrivals(&self) -> bool {
        true
    }

    /// Its own deadlines say how long.
    fn grace(&self) -> Millis {
        24 * HOUR
    }

    fn deletes(&self) -> bool {
        true
    }
}

fn add(wish: &mut Wish, group: &GroupDecision) {
    wish.targets.push(group.target);
    wish.leave.extend(group.drain.iter().filter_map(|leaving| worker_id(&leaving.worker)));
    wish.stay.extend(group.take_back.iter().filter_map(worker_id));
    wish.delete.extend(group.delete.iter().filter_map(worker_id));
}

fn on_its_clock(at: Millis) -> u64 {
    EPOCH_MS + at
}

fn name(id: WorkerId) -> Name {
    Name(id.0.to_string())
}

fn worker_id(name: &Name) -> Option<WorkerId> {
    name.0.parse().ok().map(WorkerId)
}

impl Shoal {
    fn facts(&self, seen: &Seen<'_>) -> Facts {
        let now_ms = on_its_clock(seen.now);
        let groups = seen.groups.iter().enumerate().map(|(index, group)| GroupFacts {
            name: group.name.clone(),
            shape: WorkerShape { slots: group.slots, memory_bytes: MEMORY_BYTES },
            replicas: self.replicas[index].unwrap_or(seen.targets[index]),
            workers: Observed::known(
                now_ms,
                seen.workers
                    .iter()
                    .filter(|worker| worker.group == index && !worker.deleted)
                    .map(worker_facts)
                    .collect(),
            ),
            startup: seen.start_seconds[index].map(Duration::from_secs_f64),
            refused_since_ms: None,
        });
        Facts {
            head: HeadState::Running,
            work: Observed::known(now_ms, work(&seen.jobs)),
            unfinished_jobs: Observed::known(now_ms, seen.jobs.len() as u64),
            groups: groups.collect(),
        }
    }
}

fn worker_facts(worker: &SeenWorker) -> WorkerFacts {
    let created_ms = on_its_clock(worker.created);
    let state = match (worker.phase, worker.idle_since) {
        (Phase::Pending, _) => WorkerState::Unschedulable { since_ms: created_ms },
        (Phase::Starting, _) => WorkerState::Starting { since_ms: created_ms },
        (Phase::Ready, Some(since)) => WorkerState::Idle { since_ms: on_its_clock(since) },
        (Phase::Ready, None) => WorkerState::Busy { busy_slots: worker.busy },
        (Phase::Leaving, _) if worker.busy == 0 => WorkerState::Drained,
        (Phase::Leaving, _) => WorkerState::Draining { busy_slots: worker.busy },
    };
    WorkerFacts { id: name(worker.id), state, held_bytes: 0, leaves_at_ms: worker.interrupted.map(on_its_clock) }
}

/// What a head tells: work by priority, each job estimated by itself.
fn work(jobs: &[SeenJob]) -> WorkFacts {
    let mut by_priority = BTreeMap::<i32, Work>::new();
    for job in jobs {
        by_priority.entry(job.priority).or_default().add(&stage(job).work(PRIOR_TASK_SECONDS));
    }
    let class = |(priority, work): (i32, Work)| WorkClass {
        group: None,
        shape: TaskShape::SLOT,
        priority,
        queued_tasks: work.queued_tasks,
        queued_slot_seconds: work.queued_seconds,
        running_tasks: work.running_tasks,
        running_slot_seconds: work.running_seconds,
    };
    WorkFacts { classes: by_priority.into_iter().map(class).collect(), unfinished_jobs: jobs.len() as u64 }
}

fn stage(job: &SeenJob) -> StageWork {
    StageWork {
        planned: (u64::from(job.tasks), 0),
        timed: (u64::from(job.finished), 0, job.finished_time),
        waiting: (u64::from(job.waiting), 0),
        running: job.ran.iter().map(|ran| RunningTask { weight: 0, ran_ms: *ran, told: None }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{job, worker};

    #[test]
    fn a_job_is_estimated_by_what_has_ended() {
        let fresh = work(&[job(10, 0)]);
        assert_eq!((fresh.classes[0].queued_tasks, fresh.unfinished_jobs), (10, 1));
        assert!((fresh.classes[0].queued_slot_seconds - 10.0 * PRIOR_TASK_SECONDS).abs() < 1e-9);
        let known = SeenJob { tasks: 110, finished: 100, finished_time: 2_000 * SECOND, ..job(10, 0) };
        let seconds = work(&[known.clone(), SeenJob { priority: 5, ..known }]);
        assert_eq!(seconds.classes.iter().map(|class| class.priority).collect::<Vec<_>>(), [0, 5]);
        assert!((seconds.classes[1].queued_slot_seconds - 200.0).abs() < 5.0, "{seconds:?}");
    }

    #[test]
    fn each_worker_is_told_of_as_pods_and_heads_tell_of_it() {
        for (phase, busy, expected) in [
            (Phase::Pending, 0, WorkerState::Unschedulable { since_ms: EPOCH_MS }),
            (Phase::Starting, 0, WorkerState::Starting { since_ms: EPOCH_MS }),
            (Phase::Ready, 0, WorkerState::Idle { since_ms: EPOCH_MS }),
            (Phase::Ready, 1, WorkerState::Busy { busy_slots: 1 }),
            (Phase::Leaving, 1, WorkerState::Draining { busy_slots: 1 }),
            (Phase::Leaving, 0, WorkerState::Drained),
        ] {
            assert_eq!(worker_facts(&worker(3, phase, 2, busy)).state, expected);
        }
        assert_eq!(worker_id(&name(WorkerId(7))), Some(WorkerId(7)));
    }
}
