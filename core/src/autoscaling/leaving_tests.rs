#![allow(clippy::unwrap_used)]

use super::*;
use crate::autoscaling::fixture::{NOW, worker};
use LeavingPhase::{Cordoned, Drained, Draining, TakenBack};
use WhyLeave::{Asleep, Bounds, Interrupted, Surplus};

/// What becomes of a worker that is in a phase, entered so long ago, and does that now.
fn next(found: Option<(LeavingPhase, WhyLeave, u64)>, state: WorkerState) -> Option<(LeavingPhase, WhyLeave)> {
    let entry = found.map(|(phase, why, ago_s)| LeavingWorker::enter(phase, why, NOW - ago_s * 1_000));
    moved(entry, &worker("w", state), NOW).map(|entry| (entry.phase, entry.why))
}

#[test]
fn a_worker_goes_its_way_out_as_the_head_obeys_and_turns_round_where_it_is_late() {
    let idle = WorkerState::Idle { since_ms: 0 };
    let works = WorkerState::Busy { busy_slots: 1 };
    let drains = WorkerState::Draining { busy_slots: 1 };
    let gone_dark = WorkerState::Starting { since_ms: 0 };
    for (found, state, expected) in [
        (None, idle, None),
        (None, works, None),
        // Of an operator that has forgotten.
        (None, drains, Some((Draining, Surplus))),
        (None, WorkerState::Drained, Some((Drained, Surplus))),
        (Some((Cordoned, Surplus, 0)), idle, Some((Cordoned, Surplus))),
        (Some((Cordoned, Surplus, 1)), drains, Some((Draining, Surplus))),
        (Some((Cordoned, Surplus, 1)), WorkerState::Drained, Some((Drained, Surplus))),
        (Some((Cordoned, Surplus, 1)), gone_dark, Some((Drained, Surplus))),
        // The head has not obeyed within half a minute.
        (Some((Cordoned, Surplus, 30)), idle, None),
        (Some((Cordoned, Bounds, 30)), works, Some((Cordoned, Bounds))),
        (Some((Cordoned, Asleep, 30)), idle, Some((Drained, Asleep))),
        (Some((Draining, Surplus, 1)), drains, Some((Draining, Surplus))),
        // A head that was started again does not know of it.
        (Some((Draining, Surplus, 1)), works, Some((Cordoned, Surplus))),
        (Some((Draining, Surplus, 600)), drains, Some((TakenBack, Surplus))),
        (Some((Draining, Bounds, 600)), drains, Some((Drained, Bounds))),
        (Some((TakenBack, Surplus, 1)), drains, Some((TakenBack, Surplus))),
        (Some((TakenBack, Surplus, 0)), idle, Some((TakenBack, Surplus))),
        (Some((TakenBack, Surplus, 1)), works, None),
        (Some((TakenBack, Surplus, 1)), idle, None),
        (Some((TakenBack, Surplus, 30)), drains, Some((Draining, Surplus))),
        (Some((Drained, Surplus, 9_999)), idle, Some((Drained, Surplus))),
    ] {
        assert_eq!(next(found, state), expected, "{found:?} {state:?}");
    }
}

#[test]
fn a_notice_of_interruption_sends_whoever_has_it_out_by_its_moment() {
    let mut taken = worker("w", WorkerState::Busy { busy_slots: 1 });
    taken.leaves_at_ms = Some(NOW + 100_000);
    for found in
        [None, Some(LeavingWorker::enter(Draining, Surplus, NOW)), Some(LeavingWorker::enter(TakenBack, Surplus, NOW))]
    {
        let entry = moved(found, &taken, NOW).unwrap();
        assert_eq!((entry.phase, entry.why, entry.deadline_ms), (Cordoned, Interrupted, NOW + 100_000));
    }
    let entry = moved(None, &taken, NOW).unwrap();
    taken.state = WorkerState::Draining { busy_slots: 1 };
    let entry = moved(Some(entry), &taken, NOW + 1).unwrap();
    assert_eq!((entry.phase, entry.deadline_ms), (Draining, NOW + 100_000), "another phase is no longer time");
    let entry = moved(Some(entry), &taken, NOW + 100_000).unwrap();
    assert_eq!(entry.phase, Drained);
    assert!(!entry.can_return());
}

#[test]
fn who_has_gone_is_forgotten() {
    let entry = LeavingWorker::enter(Drained, Surplus, NOW);
    let mut leaving = BTreeMap::from([(WorkerId("a".into()), entry), (WorkerId("b".into()), entry)]);
    advance(&mut leaving, &[worker("b", WorkerState::Drained), worker("c", WorkerState::Idle { since_ms: 0 })], NOW);
    assert_eq!(leaving.keys().map(|id| id.0.as_str()).collect::<Vec<_>>(), ["b"]);
}
