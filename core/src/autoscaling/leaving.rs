//! The way of workers out of their group, and back: see [`LeavingPhase`].

use std::collections::BTreeMap;

use super::constants::{CORDON_TIME, DRAIN_TIME, ms};
use super::facts::{WorkerFacts, WorkerState};
use super::history::{LeavingPhase, LeavingWorker, WhyLeave};
use crate::id::WorkerId;

impl LeavingWorker {
    /// A worker that enters a phase now.
    pub(super) fn enter(phase: LeavingPhase, why: WhyLeave, now_ms: u64) -> Self {
        let lasts = match phase {
            LeavingPhase::Cordoned | LeavingPhase::TakenBack => CORDON_TIME,
            LeavingPhase::Draining | LeavingPhase::Drained => DRAIN_TIME,
        };
        Self { phase, why, since_ms: now_ms, deadline_ms: now_ms.saturating_add(ms(lasts)) }
    }

    /// Whether it can take tasks again at once.
    pub(super) fn can_return(&self) -> bool {
        matches!(self.phase, LeavingPhase::Cordoned | LeavingPhase::Draining) && self.why != WhyLeave::Interrupted
    }

    /// Whether it counts among those that work.
    pub(super) fn works(&self) -> bool {
        self.phase == LeavingPhase::TakenBack
    }
}

/// Moves every leaving worker on by what is known of it now. Who has gone is forgotten.
pub(super) fn advance(leaving: &mut BTreeMap<WorkerId, LeavingWorker>, workers: &[WorkerFacts], now_ms: u64) {
    let mut next = BTreeMap::new();
    for worker in workers {
        let mut entry = moved(leaving.get(&worker.id).copied(), worker, now_ms);
        // One that hears of it late may pass through several phases at once: there are no more than four.
        for _ in 0..3 {
            entry = entry.and_then(|entry| moved(Some(entry), worker, now_ms));
        }
        if let Some(entry) = entry {
            next.insert(worker.id.clone(), entry);
        }
    }
    *leaving = next;
}

/// What becomes of a worker's way out, if it is on one.
fn moved(found: Option<LeavingWorker>, worker: &WorkerFacts, now_ms: u64) -> Option<LeavingWorker> {
    use LeavingPhase::{Cordoned, Drained, Draining, TakenBack};
    let adopted = |phase| LeavingWorker::enter(phase, WhyLeave::Surplus, now_ms);
    let entry = match (found, worker.leaves_at_ms) {
        (Some(entry), Some(_)) if entry.why == WhyLeave::Interrupted => entry,
        (_, Some(leaves_at_ms)) => {
            let entry = LeavingWorker::enter(Cordoned, WhyLeave::Interrupted, now_ms);
            // A notice that comes late still leaves the time to hear of it.
            LeavingWorker { deadline_ms: leaves_at_ms.max(entry.deadline_ms), ..entry }
        }
        (Some(entry), None) => entry,
        // Somebody has forgotten why: an operator that has lost what it remembered.
        (None, None) => match worker.state {
            WorkerState::Draining { .. } => adopted(Draining),
            WorkerState::Drained => adopted(Drained),
            _ => return None,
        },
    };
    // The notice's moment is the deadline of all phases.
    let enter = |phase| {
        let next = LeavingWorker::enter(phase, entry.why, now_ms);
        match entry.why {
            WhyLeave::Interrupted => LeavingWorker { deadline_ms: entry.deadline_ms, ..next },
            _ => next,
        }
    };
    let is_late = now_ms >= entry.deadline_ms;
    let may_stay = entry.why == WhyLeave::Surplus;
    Some(match (entry.phase, worker.state) {
        (Drained, _) => entry,
        (TakenBack, WorkerState::Idle { .. } | WorkerState::Busy { .. }) if now_ms > entry.since_ms => return None,
        (TakenBack, WorkerState::Draining { .. }) if is_late => enter(Draining),
        (TakenBack, _) if is_late => enter(Drained),
        (TakenBack, _) => entry,
        (_, WorkerState::Unschedulable { .. } | WorkerState::Starting { .. } | WorkerState::Drained) => enter(Drained),
        (Cordoned, WorkerState::Draining { .. }) => enter(Draining),
        (Draining, WorkerState::Idle { .. } | WorkerState::Busy { .. }) if !is_late => enter(Cordoned),
        _ if !is_late => entry,
        // The head has never heard of it.
        (Cordoned, _) if may_stay => return None,
        (Cordoned, _) if entry.why == WhyLeave::Bounds => enter(Cordoned),
        (Draining, _) if may_stay => enter(TakenBack),
        _ => enter(Drained),
    })
}

#[cfg(test)]
#[path = "leaving_tests.rs"]
mod tests;
