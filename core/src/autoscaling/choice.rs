//! Which workers leave where a group becomes smaller: those that cost least to lose. And which come back where it does not.

use super::capacity::Group;
use super::facts::{WorkerFacts, WorkerState};
use super::history::{GroupHistory, LeavingPhase, LeavingWorker, WhyLeave};
use super::policy::Policy;
use crate::id::WorkerId;

/// Held data is compared by the mebibyte: less makes no difference to whoever moves it.
const HELD_UNIT: u64 = 1 << 20;

/// What it costs to lose a worker, the least first: what it does, what it holds, and how long it has been of use.
type Cost<'a> = (u8, u32, u64, u64, &'a WorkerId, bool);

fn cost<'a>(worker: &'a WorkerFacts, policy: &Policy, now_ms: u64) -> Cost<'a> {
    let held = worker.held_bytes / HELD_UNIT;
    let (rank, busy_slots, since) = match worker.state {
        WorkerState::Unschedulable { since_ms } | WorkerState::Starting { since_ms }
            if Group::is_late(since_ms, policy.provisioning_timeout, now_ms) =>
        {
            (0, 0, since_ms)
        }
        WorkerState::Unschedulable { since_ms } => (1, 0, u64::MAX - since_ms),
        // The youngest is the furthest from being ready.
        WorkerState::Starting { since_ms } => (2, 0, u64::MAX - since_ms),
        WorkerState::Drained => (3, 0, 0),
        WorkerState::Idle { since_ms } => (4, 0, since_ms),
        WorkerState::Draining { busy_slots: 0 } | WorkerState::Busy { busy_slots: 0 } => (4, 0, u64::MAX),
        WorkerState::Draining { busy_slots } | WorkerState::Busy { busy_slots } => (5, busy_slots, 0),
    };
    let drains = matches!(worker.state, WorkerState::Draining { .. });
    (rank, busy_slots, held, since, &worker.id, drains)
}

/// Sends that many workers out of the group: first those that are late, then those without a pod, by not being made.
pub(super) fn leave(
    history: &mut GroupHistory,
    group: &Group<'_>,
    surplus: u32,
    why: WhyLeave,
    policy: &Policy,
    now_ms: u64,
) {
    let mut workers: Vec<Cost<'_>> = group.working.iter().map(|worker| cost(worker, policy, now_ms)).collect();
    // The size does not count on late ones: would they stay instead of others, it would be another the next time.
    let late = workers.iter().filter(|(rank, ..)| *rank == 0).count();
    let with_pods = (surplus.saturating_sub(group.unborn) as usize).max(late.min(surplus as usize));
    if with_pods == 0 {
        return;
    }
    if with_pods < workers.len() {
        workers.select_nth_unstable(with_pods - 1);
        workers.truncate(with_pods);
    }
    for (rank, .., id, drains) in workers {
        // Who has never been ready has nothing to hand over, and who was taken back may not have heard of that.
        let phase = match (rank, drains) {
            (0..4, _) => LeavingPhase::Drained,
            (_, true) => LeavingPhase::Draining,
            (_, false) => LeavingPhase::Cordoned,
        };
        history.leaving.insert(id.clone(), LeavingWorker::enter(phase, why, now_ms));
    }
}

/// Takes up to that many leaving workers back: those first that have been leaving for the shortest time.
pub(super) fn take_back(history: &mut GroupHistory, workers: u32, now_ms: u64) {
    let mut back: Vec<(LeavingPhase, u64, WorkerId)> = Vec::new();
    for (id, leaving) in history.leaving.iter().filter(|(_, leaving)| leaving.can_return()) {
        back.push((leaving.phase, u64::MAX - leaving.since_ms, id.clone()));
    }
    back.sort_by_key(|(phase, since, _)| (*phase == LeavingPhase::Draining, *since));
    for (.., id) in back.into_iter().take(workers as usize) {
        if let Some(leaving) = history.leaving.get_mut(&id) {
            *leaving = LeavingWorker::enter(LeavingPhase::TakenBack, leaving.why, now_ms);
        }
    }
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
