//! What a size is decided by, from what the head and Kubernetes tell. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use shoal_core::autoscaling::signal::{self, Signal};
use shoal_core::autoscaling::trouble::SignalTrouble;
use shoal_core::autoscaling::{
    GroupFacts, Observed, TaskShape, WorkClass, WorkFacts, WorkerFacts, WorkerShape, WorkerState,
};
use shoal_core::control::{WorkerLoad, WorkerPhase};
use shoal_core::id::WorkerId;
use shoal_core::spec::v1alpha1::WorkerGroupSpec;
use shoal_core::spec::v1alpha1::status::ConditionStatus;

use super::starts::Starts;
use crate::group as worker_group;
use crate::pod_state::{has_ended, is_ending, is_ready};
use crate::resources::{Kind, ShoalWorkerGroup};

/// What each worker has to do and to hold, by name, as the head says.
pub(crate) type Loads = HashMap<String, WorkerLoad>;

/// Since when workers have had nothing to do, in milliseconds since 1970-01-01 UTC, by name.
pub(crate) type IdleSince = BTreeMap<String, u64>;

/// What the head tells of its work. While workers are missing that its journal tells of, what they run counts as work that
/// waits, or is not known of at all.
pub(super) fn work(told: Result<Signal, SignalTrouble>) -> Observed<WorkFacts> {
    let told = told.and_then(|signal| match signal.expected_workers {
        0 => Ok(signal),
        missing => Err(SignalTrouble::Partial {
            what: format!("the head was started again, and {missing} workers have not come back to it yet"),
        }),
    });
    let signal = match told {
        Ok(signal) => signal,
        Err(trouble) => return Observed::Missing(trouble),
    };
    let class = |(class, work): (&signal::Class, &shoal_core::autoscaling::estimate::Work)| WorkClass {
        group: (class.worker_group != signal::ANY_GROUP).then(|| class.worker_group.clone()),
        shape: TaskShape::SLOT,
        priority: class.priority,
        queued_tasks: work.queued_tasks,
        queued_slot_seconds: work.queued_seconds,
        running_tasks: work.running_tasks,
        running_slot_seconds: work.running_seconds,
    };
    let classes = signal.work.iter().map(class).collect();
    Observed::known(ms(signal.at_ms), WorkFacts { classes, unfinished_jobs: signal.unfinished_jobs })
}

fn ms(at_ms: i64) -> u64 {
    u64::try_from(at_ms).unwrap_or(0)
}

pub(super) fn ms_of(time: Timestamp) -> u64 {
    ms(time.as_millisecond())
}

/// What was seen of a group's workers.
pub(super) struct Seen<'a> {
    pub(super) pods: &'a [Arc<Pod>],
    pub(super) loads: &'a Result<Loads, SignalTrouble>,
    pub(super) idle_since: &'a IdleSince,
    pub(super) starts: &'a Starts,
}

/// What is known of a group.
pub(super) fn group(
    entry: &str,
    group: &ShoalWorkerGroup,
    spec: &WorkerGroupSpec,
    seen: &Seen<'_>,
    now: Timestamp,
) -> GroupFacts {
    let Seen { pods, loads, idle_since, starts } = seen;
    let there: Vec<&Pod> = pods.iter().map(|pod| &**pod).filter(|pod| !is_ending(pod) && !has_ended(pod)).collect();
    let workers = match loads {
        _ if there.is_empty() => Observed::known(ms_of(now), Vec::new()),
        Ok(loads) => {
            let worker = |pod: &&Pod| worker(pod, loads.get(&pod.name_any()), idle_since, now);
            Observed::known(ms_of(now), there.iter().map(worker).collect())
        }
        Err(trouble) => Observed::Missing(trouble.clone()),
    };
    let memory_bytes = worker_group::memory(spec).unwrap_or(0);
    GroupFacts {
        name: entry.to_owned(),
        shape: WorkerShape { slots: worker_group::slots(spec), memory_bytes },
        replicas: spec.replicas,
        workers,
        startup: starts.seconds(entry).map(Duration::from_secs_f64),
        refused_since_ms: refused_since(group),
    }
}

/// Since when the API server makes no pods of a group.
fn refused_since(group: &ShoalWorkerGroup) -> Option<u64> {
    let conditions = &group.status()?.conditions;
    let failure = conditions.iter().find(|one| one.type_ == "ReplicaFailure" && one.status == ConditionStatus::True)?;
    // Of pods that fail others are made.
    let at: Timestamp = failure.last_transition_time.parse().ok().filter(|_| failure.reason != "PodFailed")?;
    Some(ms_of(at))
}

fn worker(pod: &Pod, load: Option<&WorkerLoad>, idle_since: &IdleSince, now: Timestamp) -> WorkerFacts {
    let name = pod.name_any();
    let made = pod.creation_timestamp().map_or_else(|| ms_of(now), |time| ms_of(time.0));
    let state = match load {
        _ if !is_ready(pod) => match unschedulable_since(pod) {
            Some(since) => WorkerState::Unschedulable { since_ms: ms_of(since) },
            None => WorkerState::Starting { since_ms: made },
        },
        Some(load) if load.state == WorkerPhase::Draining && load.used == 0 && load.held_bytes == 0 => {
            WorkerState::Drained
        }
        Some(load) if load.state == WorkerPhase::Draining => WorkerState::Draining { busy_slots: load.used },
        Some(load) if load.used > 0 => WorkerState::Busy { busy_slots: load.used },
        // One that the head does not know has nothing to do.
        _ => WorkerState::Idle { since_ms: idle_since.get(&name).copied().unwrap_or_else(|| ms_of(now)) },
    };
    WorkerFacts { held_bytes: load.map_or(0, |load| load.held_bytes), state, id: WorkerId(name), leaves_at_ms: None }
}

fn unschedulable_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let refused = conditions.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    refused.last_transition_time.as_ref().map(|time| time.0)
}

/// Since when workers have had nothing to do: those that had something at the last look, or were not there, since now.
pub(super) fn idle(before: &IdleSince, pods: &[Arc<Pod>], loads: &Loads, now: Timestamp) -> IdleSince {
    let idle = |pod: &&Arc<Pod>| is_ready(pod) && loads.get(&pod.name_any()).is_none_or(|load| load.used == 0);
    let since = |pod: &Arc<Pod>| {
        let name = pod.name_any();
        let since = before.get(&name).copied().unwrap_or_else(|| ms_of(now));
        (name, since)
    };
    pods.iter().filter(idle).map(since).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};
    use shoal_core::autoscaling::estimate::Work;
    use shoal_core::autoscaling::signal::Class;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn pod(name: &str, more: &Value) -> Arc<Pod> {
        let mut pod = json!({"metadata": {"name": name, "uid": name, "creationTimestamp": at(0).to_string()}});
        pod.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn condition(type_: &str, status: &str, second: i64) -> Value {
        json!({"status": {"conditions": [
            {"type": type_, "status": status, "lastTransitionTime": at(second).to_string()}]}})
    }

    fn load(name: &str, state: WorkerPhase, used: u32, held_bytes: u64) -> (String, WorkerLoad) {
        (name.to_owned(), WorkerLoad { name: name.to_owned(), state, used, held_bytes })
    }

    #[test]
    fn a_worker_is_what_its_pod_and_the_head_say() {
        use WorkerPhase::{Draining, Ready};
        let ready = condition("Ready", "True", 5);
        let loads: Loads = [
            load("busy", Ready, 2, 7),
            load("idle", Ready, 0, 3),
            load("draining", Draining, 1, 0),
            load("holds", Draining, 0, 9),
            load("drained", Draining, 0, 0),
        ]
        .into();
        let idle_since = IdleSince::from([("idle".to_owned(), ms_of(at(50)))]);
        for (name, more, expected) in [
            ("starts", json!({}), WorkerState::Starting { since_ms: ms_of(at(0)) }),
            ("no-room", condition("PodScheduled", "False", 3), WorkerState::Unschedulable { since_ms: ms_of(at(3)) }),
            ("busy", ready.clone(), WorkerState::Busy { busy_slots: 2 }),
            ("idle", ready.clone(), WorkerState::Idle { since_ms: ms_of(at(50)) }),
            ("unknown", ready.clone(), WorkerState::Idle { since_ms: ms_of(at(60)) }),
            ("draining", ready.clone(), WorkerState::Draining { busy_slots: 1 }),
            ("holds", ready.clone(), WorkerState::Draining { busy_slots: 0 }),
            ("drained", ready.clone(), WorkerState::Drained),
        ] {
            let found = worker(&pod(name, &more), loads.get(name), &idle_since, at(60));
            assert_eq!(found.state, expected, "{name}");
        }
    }

    #[test]
    fn idle_workers_are_so_since_they_had_nothing_to_do_for_the_first_time() {
        let ready = condition("Ready", "True", 5);
        let pods = [pod("a", &ready), pod("b", &ready), pod("c", &json!({}))];
        let busy: Loads = [load("b", WorkerPhase::Ready, 1, 0)].into();
        let first = idle(&IdleSince::new(), &pods, &busy, at(10));
        assert_eq!(first, IdleSince::from([("a".to_owned(), ms_of(at(10)))]));
        let second = idle(&first, &pods, &Loads::new(), at(20));
        assert_eq!(second["a"], ms_of(at(10)));
        assert_eq!(second["b"], ms_of(at(20)));
        let again = idle(&second, &pods, &[load("a", WorkerPhase::Ready, 1, 0)].into(), at(30));
        assert_eq!(again.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn workers_of_which_nobody_can_say_what_they_do_are_not_known_and_none_are() {
        let group_of = |pods: &[Arc<Pod>], loads: &Result<Loads, SignalTrouble>| {
            let object: ShoalWorkerGroup = serde_json::from_value(json!({
                "metadata": {"name": "a-cpu"},
                "spec": {"clusterName": "a", "image": "i", "replicas": 3, "resources": {"cpu": "3500m", "memory": "4Gi"}},
                "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "QuotaExceeded",
                    "message": "", "lastTransitionTime": at(7).to_string()}]},
            }))
            .unwrap();
            let spec = object.spec().unwrap();
            let (idle_since, starts) = (&IdleSince::new(), &Starts::default());
            super::group("cpu", &object, &spec, &Seen { pods, loads, idle_since, starts }, at(60))
        };
        let trouble = SignalTrouble::TimedOut { seconds: 3 };
        let none = group_of(&[], &Err(trouble.clone()));
        assert_eq!(none.workers, Observed::known(ms_of(at(60)), vec![]));
        assert_eq!((none.replicas, none.shape.slots, none.refused_since_ms), (3, 4, Some(ms_of(at(7)))));
        assert_eq!(none.shape.memory_bytes, 3 << 30, "a quarter is for what is not counted");
        let one = [pod("a-cpu-0", &condition("Ready", "True", 5))];
        assert_eq!(group_of(&one, &Err(trouble.clone())).workers, Observed::Missing(trouble));
        let ending =
            [pod("a-cpu-0", &json!({"metadata": {"name": "a-cpu-0", "deletionTimestamp": at(9).to_string()}}))];
        assert_eq!(group_of(&ending, &Ok(Loads::new())).workers, Observed::known(ms_of(at(60)), vec![]));
    }

    #[test]
    fn work_of_a_head_that_waits_for_workers_is_not_all_of_it() {
        let class = Class { shape: "slot".into(), worker_group: "any".into(), priority: 3 };
        let told = Work { queued_tasks: 4, queued_seconds: 20.0, running_tasks: 1, running_seconds: 2.0 };
        let signal = |expected_workers| Signal {
            at_ms: 9_000,
            work: [(class.clone(), told)].into(),
            ready_slots: 0,
            busy_slots: 0,
            draining_slots: 0,
            full_slots: 0,
            expected_workers,
            held_bytes: 0,
            unfinished_jobs: 2,
        };
        let Observed::Known { at_ms, value } = work(Ok(signal(0))) else { panic!("it is known") };
        assert_eq!((at_ms, value.unfinished_jobs, value.classes.len()), (9_000, 2, 1));
        let class = &value.classes[0];
        assert_eq!((class.group.as_deref(), class.priority, class.queued_tasks), (None, 3, 4));
        let Observed::Missing(trouble) = work(Ok(signal(2))) else { panic!("it is not all") };
        assert_eq!(trouble.reason(), "MetricsPartial");
    }
}
