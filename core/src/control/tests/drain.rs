//! Workers that are to leave, and those whose disk is full.

use super::fixture::*;
use crate::control::{Effect, Event, WorkerInfo, WorkerPhase};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, WorkerId};
use crate::journal::Record;
use crate::limits;
use crate::report::Phase;
use crate::task::{Assignment, PartitionSource};

const DEADLINE: u64 = 30_000;

fn drain(name: &str, leaves_by_ms: u64) -> Event {
    Event::DrainRequested { worker: worker(name), instance: "1".into(), leaves_by_ms }
}

fn moved(name: &str, attempt: AttemptId, result: Result<(), Failure>) -> Event {
    Event::PartitionsMoved { worker: worker(name), instance: "1".into(), attempt, result }
}

fn moves(done: &Done) -> Vec<(WorkerId, Vec<PartitionSource>)> {
    let moves = |effect: &Effect| match effect {
        Effect::MovePartitions { worker, instance: _, sources } => Some((worker.clone(), sources.clone())),
        _ => None,
    };
    done.effects.iter().filter_map(moves).collect()
}

fn dismissed(done: &Done) -> Vec<WorkerId> {
    let dismissed = |effect: &Effect| match effect {
        Effect::Dismiss { worker, .. } => Some(worker.clone()),
        _ => None,
    };
    done.effects.iter().filter_map(dismissed).collect()
}

fn called_back(done: &Done) -> Vec<AttemptId> {
    let called_back = |effect: &Effect| match effect {
        Effect::CancelAttempt { attempt, .. } => Some(*attempt),
        _ => None,
    };
    done.effects.iter().filter_map(called_back).collect()
}

/// Workers with two slots each and a running job: its map tasks, all running.
fn mapping(workers: &[&str]) -> (Head, Vec<(WorkerId, Assignment)>) {
    let mut head = Head::new();
    for name in workers {
        head.handle(joined(name, "1", 2), 0);
    }
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    (head, maps)
}

/// Finishes the map tasks of one worker and no others; gives what is left.
fn finish_of(head: &mut Head, name: &str, maps: Vec<(WorkerId, Assignment)>) -> Vec<(WorkerId, Assignment)> {
    let (own, others) = maps.into_iter().partition(|(holder, _)| *holder == worker(name));
    head.drive(own, 1, |assignment| assignment.stage == "map");
    others
}

fn attempts(head: &Head, stage: usize) -> u32 {
    head.control.show("job", 0).unwrap().report.stages[stage].attempts
}

fn failed(head: &Head) -> usize {
    head.control.show("job", 0).unwrap().report.failed_attempts.len()
}

#[test]
fn a_worker_without_anything_leaves_at_once() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 2), 0);
    let done = head.handle(drain("a", DEADLINE), 10);
    assert_eq!(dismissed(&done), [worker("a")]);
    assert!(head.control.workers().is_empty());
}

#[test]
fn a_leaving_worker_gets_no_task_and_its_partitions_move_before_it_goes() {
    let (mut head, maps) = mapping(&["a", "b"]);
    let rest = finish_of(&mut head, "a", maps);
    let done = head.handle(drain("a", DEADLINE), 10);
    assert_eq!(head.control.workers()[0].state, WorkerPhase::Draining);
    let on_their_way = moves(&done);
    assert_eq!(on_their_way.len(), 2, "both map tasks that it ran");
    for (to, sources) in &on_their_way {
        assert_eq!((to, sources.len() as u32), (&worker("b"), BUCKETS));
        assert!(sources.iter().all(|source| source.worker == worker("a") && source.flight_url == "http://a"));
    }
    let first = head.handle(moved("b", on_their_way[0].1[0].attempt, Ok(())), 20);
    assert!(dismissed(&first).is_empty() && first.records.len() == 1, "{first:?}", first = first.records);
    let second = head.handle(moved("b", on_their_way[1].1[0].attempt, Ok(())), 30);
    let [Record::PartitionsMoved { worker: to, .. }] = second.records.as_slice() else {
        panic!("{:?}", second.records)
    };
    assert_eq!((to, dismissed(&second)), (&worker("b"), vec![worker("a")]));

    // The rest of the job reads from where they are now, and nothing ran twice.
    let reduces = head.drive(rest, 40, |assignment| assignment.stage == "map");
    assert!(reduces.iter().all(|(holder, _)| *holder == worker("b")));
    let sources = || reduces.iter().flat_map(|(_, reduce)| &reduce.sources);
    assert!(sources().count() as u32 >= MAPS && sources().all(|source| source.worker == worker("b")));
    head.drive(reduces, 50, |_| true);
    assert_eq!((head.phase("job"), attempts(&head, 0), failed(&head)), (Phase::Committing, MAPS, 0));
}

#[test]
fn a_dismissal_waits_for_the_journal() {
    let (mut head, maps) = mapping(&["a", "b"]);
    finish_of(&mut head, "a", maps);
    let on_their_way = moves(&head.handle(drain("a", DEADLINE), 10));
    head.handle(moved("b", on_their_way[0].1[0].attempt, Ok(())), 20);
    let effects = head.control.handle(moved("b", on_their_way[1].1[0].attempt, Ok(())), 30);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Dismiss { .. })), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Persist { then, .. }
        if then.iter().any(|effect| matches!(effect, Effect::Dismiss { .. })))));
}

#[test]
fn what_runs_is_waited_for_and_moves_when_it_is_done() {
    let (mut head, maps) = mapping(&["a", "b"]);
    let done = head.handle(drain("a", DEADLINE), 10);
    assert!(moves(&done).is_empty() && dismissed(&done).is_empty());
    let own: Vec<_> = maps.into_iter().filter(|(holder, _)| *holder == worker("a")).collect();
    for (holder, map) in &own {
        let done = head.finish(holder, map, 20);
        let [(to, sources)] = &moves(&done)[..] else { panic!("{:?}", done.effects) };
        assert_eq!((to, sources[0].attempt), (&worker("b"), map.attempt));
    }
    head.handle(moved("b", own[0].1.attempt, Ok(())), 30);
    let last = head.handle(moved("b", own[1].1.attempt, Ok(())), 40);
    assert_eq!(dismissed(&last), [worker("a")]);
}

#[test]
fn what_runs_on_is_called_back_before_the_deadline_and_nobody_failed() {
    for reports in [true, false] {
        let (mut head, maps) = mapping(&["a", "b"]);
        head.handle(drain("a", DEADLINE), 10);
        let own: Vec<_> = maps.iter().filter(|(holder, _)| *holder == worker("a")).collect();
        let call_back_at = DEADLINE - limits::DRAIN_HAND_BACK.as_millis() as u64;
        let beat = |head: &mut Head, now| {
            let running = own.iter().map(|(_, map)| map.attempt).collect();
            let events = [heartbeat("a", running), heartbeat("b", Vec::new()), Event::Tick];
            let done = events.map(|event| head.handle(event, now));
            Done { effects: done.into_iter().flat_map(|done| done.effects).collect(), records: Vec::new() }
        };
        for now in (0..call_back_at).step_by(1_000) {
            assert!(called_back(&beat(&mut head, now)).is_empty(), "called back too soon");
        }
        let mut expected: Vec<AttemptId> = own.iter().map(|(_, map)| map.attempt).collect();
        expected.sort();
        assert_eq!(called_back(&beat(&mut head, call_back_at)), expected);
        let last = if reports {
            let cancelled =
                |map: &Assignment| finished("a", "1", map.attempt, Err(Failure::new(Reason::Cancelled, "called back")));
            head.handle(cancelled(&own[0].1), call_back_at + 1);
            head.handle(cancelled(&own[1].1), call_back_at + 2)
        } else {
            beat(&mut head, DEADLINE)
        };
        assert_eq!(dismissed(&last), [worker("a")], "reports: {reports}");
        // Both wait for the slots of the other worker.
        assert_eq!((failed(&head), head.control.show("job", 0).unwrap().report.stages[0].done), (0, 0));
        let mut waiting: Vec<_> = maps.iter().filter(|(holder, _)| *holder == worker("b")).cloned().collect();
        waiting = head.drive(waiting, DEADLINE, |_| true);
        assert!(waiting.is_empty());
        assert_eq!((head.phase("job"), attempts(&head, 0)), (Phase::Committing, MAPS + 2));
    }
}

#[test]
fn of_a_short_time_half_is_left_for_handing_back() {
    let (mut head, _) = mapping(&["a", "b"]);
    head.handle(drain("a", 1_000), 0);
    assert!(called_back(&head.handle(Event::Tick, 499)).is_empty());
    assert_eq!(called_back(&head.handle(Event::Tick, 500)).len(), 2);
    assert_eq!(dismissed(&head.handle(Event::Tick, 1_000)), [worker("a")]);
}

#[test]
fn partitions_that_cannot_move_are_computed_again() {
    let (mut head, maps) = mapping(&["a", "b", "c", "d"]);
    let held = maps.iter().filter(|(holder, _)| *holder == worker("a")).count() as u32;
    assert_eq!(held, 1);
    let rest = finish_of(&mut head, "a", maps);
    let mut on_their_way = moves(&head.handle(drain("a", DEADLINE), 10));
    let mut asked = Vec::new();
    let mut last = Done::default();
    while let Some((to, sources)) = on_their_way.pop() {
        let refused = Failure::new(Reason::ResourcesExhausted, "no room");
        last = head.handle(moved(&to.0, sources[0].attempt, Err(refused)), 20);
        on_their_way = moves(&last);
        asked.push(to);
    }
    asked.sort();
    assert_eq!(asked, ["b", "c", "d"].map(worker), "each was asked once");
    assert_eq!(dismissed(&last), [worker("a")], "it does not wait for its deadline");
    let again: Vec<_> = last.assignments();
    assert_eq!(again.len(), 1);
    head.drive([rest, again].concat(), 30, |_| true);
    assert_eq!((head.phase("job"), attempts(&head, 0), failed(&head)), (Phase::Committing, MAPS + 1, 0));
}

#[test]
fn who_reads_from_a_leaving_worker_is_waited_for() {
    let (mut head, maps) = mapping(&["a", "b"]);
    let reduces = head.drive(maps, 1, |assignment| assignment.stage == "map");
    let (own, others): (Vec<_>, Vec<_>) = reduces.into_iter().partition(|(holder, _)| *holder == worker("a"));
    assert!(!own.is_empty() && !others.is_empty());
    let on_their_way = moves(&head.handle(drain("a", DEADLINE), 10));
    for (to, sources) in &on_their_way {
        head.handle(moved(&to.0, sources[0].attempt, Ok(())), 20);
    }
    let mut waiting = head.drive(own, 30, |_| true);
    assert_eq!(head.control.workers().len(), 2, "others still read from it");
    waiting.extend(others);
    let mut last = Done::default();
    for (holder, reduce) in waiting {
        last = head.finish(&holder, &reduce, 40);
    }
    assert_eq!(dismissed(&last), [worker("a")]);
    assert_eq!((attempts(&head, 1), failed(&head)), (BUCKETS, 0));
}

#[test]
fn a_reader_that_comes_too_late_costs_nothing_but_another_run() {
    let (mut head, maps) = mapping(&["a", "b", "c"]);
    let reduces = head.drive(maps, 1, |assignment| assignment.stage == "map");
    for (to, sources) in moves(&head.handle(drain("a", DEADLINE), 10)) {
        head.handle(moved(&to.0, sources[0].attempt, Ok(())), 20);
    }
    head.handle(heartbeat("b", Vec::new()), DEADLINE);
    head.handle(heartbeat("c", Vec::new()), DEADLINE);
    head.handle(Event::Tick, DEADLINE);
    let (holder, late) = reduces.iter().find(|(holder, _)| *holder != worker("a")).unwrap();
    let source = late.sources.iter().find(|source| source.worker == worker("a")).unwrap();
    let mut failure = lost(source.attempt);
    failure.location.worker = Some("a".into());
    head.handle(finished(&holder.0, "1", late.attempt, Err(failure)), DEADLINE + 1);
    assert_eq!(head.control.show("job", 0).unwrap().report.stages[0].done, MAPS, "no split runs again");
}

#[test]
fn a_taker_that_is_gone_or_came_back_is_asked_again_or_replaced() {
    for comes_back in [true, false] {
        let (mut head, maps) = mapping(&["a", "b"]);
        finish_of(&mut head, "a", maps);
        assert_eq!(moves(&head.handle(drain("a", DEADLINE), 10)).len(), 2);
        let again = if comes_back {
            moves(&head.handle(joined("b", "1", 2), 20))
        } else {
            let failure = Failure::new(Reason::WorkerLost, "killed");
            head.handle(Event::WorkerLeft { worker: worker("b"), instance: "1".into(), failure }, 20);
            moves(&head.handle(joined("c", "1", 2), 30))
        };
        let expected = worker(if comes_back { "b" } else { "c" });
        assert_eq!(again.len(), 2);
        assert!(again.iter().all(|(to, _)| *to == expected), "{again:?}");
    }
}

#[test]
fn two_that_leave_do_not_wait_for_each_other() {
    let (mut head, maps) = mapping(&["a", "b", "c"]);
    finish_of(&mut head, "a", maps);
    let on_their_way = moves(&head.handle(drain("a", DEADLINE), 10));
    let taker = on_their_way[0].0.clone();
    let other = if taker == worker("b") { "c" } else { "b" };
    head.handle(drain(&taker.0, DEADLINE), 15);
    // What arrives at one that is to leave itself moves on.
    let next = moves(&head.handle(moved(&taker.0, on_their_way[0].1[0].attempt, Ok(())), 20));
    assert!(next.iter().all(|(to, _)| *to == worker(other)) && !next.is_empty(), "{next:?}");
    assert_eq!(next[0].1[0].worker, taker);
}

#[test]
fn a_worker_of_an_older_build_is_given_nothing_to_keep() {
    let (mut head, maps) = mapping(&["a"]);
    let older = WorkerInfo { adopts: false, ..WorkerInfo::new(worker("b"), "1", "http://b", 2) };
    head.handle(Event::WorkerJoined { worker: older }, 1);
    finish_of(&mut head, "a", maps);
    assert!(moves(&head.handle(drain("a", DEADLINE), 10)).is_empty());
    assert_eq!(dismissed(&head.handle(heartbeat("a", Vec::new()), DEADLINE)), [worker("a")]);
}

#[test]
fn the_sooner_of_two_deadlines_counts_and_none_is_too_far() {
    let (mut head, _) = mapping(&["a", "b"]);
    head.handle(drain("a", u64::MAX), 0);
    head.handle(drain("a", 5_000), 1);
    head.handle(drain("a", 60_000), 2);
    assert_eq!(dismissed(&head.handle(Event::Tick, 5_000)), [worker("a")]);
    assert!(head.control.workers().iter().all(|status| status.state == WorkerPhase::Ready));
    head.handle(drain("b", u64::MAX), 5_000);
    let longest = limits::DRAIN_MAX.as_millis() as u64;
    assert_eq!(dismissed(&head.handle(Event::Tick, 5_000 + longest)), [worker("b")]);
}

#[test]
fn the_next_head_goes_on_with_a_drain() {
    let (mut head, maps) = mapping(&["a", "b"]);
    let rest = finish_of(&mut head, "a", maps);
    let on_their_way = moves(&head.handle(drain("a", DEADLINE), 10));
    head.handle(moved("b", on_their_way[0].1[0].attempt, Ok(())), 20);
    let (mut next, _) = head.restart(100);
    next.handle(joined("b", "1", 2), 200);
    let running = rest.iter().map(|(_, map)| map.attempt).collect();
    next.handle(heartbeat("b", running), 201);
    let leaving = WorkerInfo { leaves_by_ms: Some(DEADLINE), ..WorkerInfo::new(worker("a"), "1", "http://a", 2) };
    let done = next.handle(Event::WorkerJoined { worker: leaving }, 210);
    assert!(done.assignments().is_empty(), "a leaving worker gets no task");
    let [(to, sources)] = &moves(&done)[..] else { panic!("only what had not moved yet: {:?}", done.effects) };
    assert_eq!((to, sources[0].attempt), (&worker("b"), on_their_way[1].1[0].attempt));
    let last = next.handle(moved("b", sources[0].attempt, Ok(())), 220);
    assert_eq!(dismissed(&last), [worker("a")]);
    next.drive(rest, 230, |_| true);
    assert_eq!((next.phase("job"), attempts(&next, 0)), (Phase::Committing, MAPS));
}

#[test]
fn a_worker_whose_disk_is_full_gets_no_task_until_it_is_not() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    let full = |full| Event::DiskFull { worker: worker("a"), instance: "1".into(), full };
    head.handle(full(true), 1);
    head.submit("job", 1, 2);
    assert!(head.gather(1, 3).assignments().is_empty());
    assert!(head.control.workers()[0].disk_full);
    assert_eq!(head.handle(full(false), 4).assignments().len() as u32, MAPS);
}

#[test]
fn a_worker_that_comes_back_after_it_was_given_up_gets_no_task_for_a_slot_in_use() {
    let (mut head, maps) = mapping(&["a", "b"]);
    let late = maps.iter().find(|(holder, _)| *holder == worker("a")).unwrap().1.attempt;
    let silence = limits::WORKER_SILENCE_MAX.as_millis() as u64;
    for now in (1_000..silence + 2_000).step_by(1_000) {
        head.handle(heartbeat("b", Vec::new()), now);
        head.handle(Event::Tick, now);
    }
    assert_eq!(head.control.workers().len(), 1, "it was taken out");
    let back = WorkerInfo { running: vec![late], ..WorkerInfo::new(worker("a"), "1", "http://a", 1) };
    let done = head.handle(Event::WorkerJoined { worker: back }, silence + 2_500);
    assert!(done.assignments().iter().all(|(to, _)| *to != worker("a")), "{:?}", done.effects);
    assert_eq!((called_back(&done), head.control.workers()[0].used), (vec![late], 1));
    let cancelled = Err(Failure::new(Reason::Cancelled, "called back"));
    head.handle(finished("a", "1", late, cancelled), silence + 2_600);
    assert_eq!(head.control.workers()[0].used, 0);
}

#[test]
fn loads_count_what_runs_and_what_somebody_still_has_to_read() {
    let (mut head, maps) = mapping(&["a", "b", "c"]);
    // Two of the four map tasks run on each of two workers.
    let of = |head: &Head, name: &str| head.control.worker_loads().into_iter().find(|load| load.name == name).unwrap();
    let used: u32 = ["a", "b", "c"].map(|name| of(&head, name).used).iter().sum();
    assert_eq!((used, of(&head, "a").held_bytes), (4, 0));
    let left = finish_of(&mut head, "a", maps);
    let load = of(&head, "a");
    assert!(load.held_bytes > 0 && load.held_bytes.is_multiple_of(8 * u64::from(BUCKETS)), "{load:?}");
    assert_eq!((load.used, load.state), (0, WorkerPhase::Ready));
    head.handle(drain("a", DEADLINE), 2);
    assert_eq!(of(&head, "a").state, WorkerPhase::Draining);

    // Once all is read nothing is held for anybody, whatever the process still has.
    head.drive(left, 3, |_| true);
    assert!(head.control.worker_loads().iter().all(|load| load.held_bytes == 0), "{:?}", head.control.worker_loads());
}
