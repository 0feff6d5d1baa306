use super::*;
use crate::autoscaling::fixture::{NOW, bounds, busy, group, policy, worker};

fn chosen(workers: Vec<WorkerFacts>, replicas: u32, surplus: u32) -> Vec<(String, LeavingPhase)> {
    let policy = policy(vec![bounds("a", 0, 100)]);
    let mut facts = group("a", 2, workers);
    facts.replicas = replicas;
    let mut history = GroupHistory::default();
    let counted = Group::count(&policy, &policy.groups[0], &facts, &history, NOW);
    leave(&mut history, &counted, surplus, WhyLeave::Bounds, &policy, NOW);
    history.leaving.iter().map(|(id, leaving)| (id.0.clone(), leaving.phase)).collect()
}

fn names(workers: Vec<WorkerFacts>, surplus: u32) -> Vec<String> {
    let pods = u32::try_from(workers.len()).unwrap_or(u32::MAX);
    chosen(workers, pods, surplus).into_iter().map(|(name, _)| name).collect()
}

fn idle_since(id: &str, seconds_ago: u64, held_mib: u64) -> WorkerFacts {
    let state = WorkerState::Idle { since_ms: NOW - seconds_ago * 1_000 };
    WorkerFacts { held_bytes: held_mib << 20, ..worker(id, state) }
}

#[test]
fn those_leave_first_that_cost_least_to_lose() {
    let order = [
        worker("stuck", WorkerState::Unschedulable { since_ms: NOW - 400_000 }),
        worker("unschedulable", WorkerState::Unschedulable { since_ms: NOW - 10_000 }),
        worker("young", WorkerState::Starting { since_ms: NOW - 1_000 }),
        worker("old", WorkerState::Starting { since_ms: NOW - 9_000 }),
        idle_since("idle-long", 100, 0),
        idle_since("idle-short", 5, 0),
        idle_since("holds-little", 500, 10),
        idle_since("holds-much", 900, 1_000),
        worker("busy-1", WorkerState::Busy { busy_slots: 1 }),
        worker("busy-2", WorkerState::Busy { busy_slots: 2 }),
    ];
    for count in 0..=order.len() {
        let mut shuffled = order.to_vec();
        shuffled.rotate_left(3);
        shuffled.reverse();
        let mut expected: Vec<String> = order[..count].iter().map(|worker| worker.id.0.clone()).collect();
        expected.sort();
        assert_eq!(names(shuffled, u32::try_from(count).unwrap_or(0)), expected);
    }
}

#[test]
fn who_has_never_been_ready_goes_at_once_and_who_has_no_pod_gets_none() {
    let workers = vec![worker("starts", WorkerState::Starting { since_ms: NOW }), idle_since("idle", 5, 0), busy("b")];
    assert_eq!(chosen(workers.clone(), 5, 2), []);
    assert_eq!(chosen(workers.clone(), 5, 3), [("starts".to_owned(), LeavingPhase::Drained)]);
    let two = [("idle".to_owned(), LeavingPhase::Cordoned), ("starts".to_owned(), LeavingPhase::Drained)];
    assert_eq!(chosen(workers, 5, 4), two);
}

#[test]
fn those_come_back_first_that_have_been_leaving_for_the_shortest_time() {
    let mut history = GroupHistory::default();
    for (id, phase, why, ago) in [
        ("a", LeavingPhase::Draining, WhyLeave::Surplus, 9),
        ("b", LeavingPhase::Draining, WhyLeave::Surplus, 5),
        ("c", LeavingPhase::Cordoned, WhyLeave::Surplus, 7),
        ("d", LeavingPhase::Drained, WhyLeave::Surplus, 1),
        ("e", LeavingPhase::Cordoned, WhyLeave::Interrupted, 1),
    ] {
        history.leaving.insert(WorkerId(id.into()), LeavingWorker::enter(phase, why, NOW - ago));
    }
    for expected in [vec!["c"], vec!["b", "c"], vec!["a", "b", "c"], vec!["a", "b", "c"]] {
        take_back(&mut history, 1, NOW);
        let back = history.leaving.iter().filter(|(_, leaving)| leaving.works());
        assert_eq!(back.map(|(id, _)| id.0.as_str()).collect::<Vec<_>>(), expected);
    }
}
