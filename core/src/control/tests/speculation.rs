//! Slow tasks that run a second time.

use super::fixture::*;
use crate::control::{Control, Effect, Event, ReplyId};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, WorkerId};
use crate::journal::Record;
use crate::report::Phase;
use crate::task::Assignment;

/// When the first tasks have ended.
const USUAL_MS: u64 = 1_000;

/// A worker that holds a task for too long, and the others.
struct Slow {
    head: Head,
    /// The task that is left, and who runs it.
    first: (WorkerId, Assignment),
}

/// A job of which `left` map tasks still run, the others having taken [`USUAL_MS`].
fn slow_job(left: usize, workers: &[(&str, u32)]) -> Slow {
    let mut head = Head::new();
    for (name, slots) in workers {
        head.handle(joined(name, "1", *slots), 0);
    }
    head.submit("job", 1, 0);
    let mut waiting = head.gather(1, 0).assignments();
    while waiting.len() > left {
        let (worker, assignment) = waiting.remove(0);
        waiting.extend(head.finish(&worker, &assignment, USUAL_MS).assignments());
    }
    Slow { head, first: waiting.pop().unwrap() }
}

impl Slow {
    /// What is handed out a while later: everybody has been heard of, and time passes.
    fn tick(&mut self, now_ms: u64) -> Done {
        for name in ["a", "b", "c"] {
            self.head.handle(heartbeat(name, Vec::new()), now_ms);
        }
        self.head.handle(Event::Tick, now_ms)
    }

    /// The duplicate, once it runs.
    fn duplicate(&mut self, now_ms: u64) -> (WorkerId, Assignment) {
        let mut assignments = self.tick(now_ms).assignments();
        assert_eq!(assignments.len(), 1, "{assignments:?}");
        assignments.remove(0)
    }

    fn end(&mut self, of: &(WorkerId, Assignment), failure: Failure, now_ms: u64) -> Done {
        self.head.handle(finished(&of.0.0, "1", of.1.attempt, Err(failure)), now_ms)
    }

    fn speculative(&self) -> (u32, u32) {
        let stages = self.head.control.show("job", 0).unwrap().report.stages;
        (stages[0].speculative_attempts, stages[0].speculative_won)
    }
}

fn called_back(done: &Done) -> Vec<AttemptId> {
    let call_back = |effect: &Effect| match effect {
        Effect::CancelAttempt { attempt, .. } => Some(*attempt),
        _ => None,
    };
    done.effects.iter().filter_map(call_back).collect()
}

fn gone() -> Failure {
    Failure::new(Reason::WorkerLost, "gone")
}

#[test]
fn a_task_runs_twice_where_it_is_slow_and_nothing_else_wants_the_slot() {
    // (what is so, tasks left, workers, when, whether it does)
    type Running<'a> = &'a [(&'a str, u32)];
    let cases: [(&str, usize, Running<'_>, u64, bool); 7] = [
        ("it takes 3.1 s, the others took 1 s", 1, &[("a", 2), ("b", 2)], 3_100, true),
        ("it takes no more than two seconds longer", 1, &[("a", 2), ("b", 2)], 3_000, false),
        ("there is no other worker", 1, &[("a", 4)], 60_000, false),
        ("too few are done to know what is usual", 2, &[("a", 2), ("b", 2)], 60_000, false),
        ("it is the only one that has a slot, the others wait", 4, &[("a", 1)], 60_000, false),
        ("the other has no free slot", 1, &[("a", 4), ("b", 0)], 60_000, false),
        ("a third worker is free", 1, &[("a", 2), ("b", 1), ("c", 1)], 10_000, true),
    ];
    for (what, left, workers, now_ms, expected) in cases {
        let mut slow = slow_job(left, workers);
        let done = slow.tick(now_ms);
        let started = done.assignments();
        assert_eq!(!started.is_empty(), expected, "{what}: {started:?}");
        if let [(worker, assignment)] = started.as_slice() {
            assert_eq!(assignment.attempt.task, slow.first.1.attempt.task, "{what}");
            assert_eq!(assignment.attempt.number, 2, "{what}");
            assert_ne!(*worker, slow.first.0, "{what}");
            let marked = |record: &Record| matches!(record, Record::AttemptStarted { duplicate: true, .. });
            assert!(done.records.iter().any(marked), "{what}: {:?}", done.records);
            assert!(slow.tick(now_ms + 60_000).assignments().is_empty(), "{what}: there is no third");
        }
    }
}

#[test]
fn a_suspended_job_gets_no_second_attempts() {
    let mut slow = slow_job(1, &[("a", 2), ("b", 2)]);
    let change = crate::journal::JobChange { suspend: Some(true), ..Default::default() };
    slow.head.handle(Event::Change { name: "job".into(), change, reply: ReplyId(9) }, 2_000);
    assert!(slow.tick(60_000).assignments().is_empty());
}

#[test]
fn the_first_that_finishes_counts_and_the_other_is_called_back() {
    for duplicate_wins in [true, false] {
        let mut slow = slow_job(1, &[("a", 2), ("b", 2)]);
        let duplicate = slow.duplicate(4_000);
        let first = slow.first.clone();
        let (winner, loser) = if duplicate_wins { (&duplicate, &first) } else { (&first, &duplicate) };
        let done = slow.head.finish(&winner.0, &winner.1, 4_500);
        assert_eq!(called_back(&done), [loser.1.attempt]);
        let reduces = done.assignments();
        assert!(!reduces.is_empty(), "what comes next does not wait for the loser");
        let read: Vec<AttemptId> = reduces[0].1.sources.iter().map(|source| source.attempt).collect();
        assert!(read.contains(&winner.1.attempt) && !read.contains(&loser.1.attempt), "{read:?}");
        assert_eq!(slow.speculative(), (1, u32::from(duplicate_wins)));
        // Its result comes too late, and is no failure.
        let late = slow.head.finish(&loser.0, &loser.1, 4_600);
        assert!(matches!(&late.records[..], [Record::AttemptFailed { failure, .. }, ..]
                if failure.reason == Reason::HandedBack));
        assert_eq!(slow.head.control.show("job", 0).unwrap().report.failed_attempts, []);
        // The slot that it had is free, and so is the winner's.
        let left = slow.head.drive([reduces, late.assignments()].concat(), 5_000, |_| true);
        assert!(left.is_empty());
        slow.head.handle(published(uid(1)), 5_100);
        assert_eq!(slow.head.phase("job"), Phase::Succeeded);
    }
}

#[test]
fn a_commit_waits_until_a_beaten_attempt_writes_no_more() {
    let publishes = |done: &Done| done.effects.iter().any(|effect| matches!(effect, Effect::Publish { .. }));
    for lost in [false, true] {
        let mut slow = slow_job(1, &[("a", 2), ("b", 2)]);
        let duplicate = slow.duplicate(4_000);
        let first = slow.first.clone();
        let mut waiting = slow.head.finish(&duplicate.0, &duplicate.1, 4_500).assignments();
        while let Some((worker, assignment)) = waiting.pop() {
            let done = slow.head.finish(&worker, &assignment, 5_000);
            assert!(!publishes(&done), "the beaten attempt has not ended");
            waiting.extend(done.assignments());
        }
        let stored = |record: &Record| matches!(record, Record::Intent { .. });
        assert!(!slow.head.records.iter().any(stored));
        let done = if lost {
            let left = Event::WorkerLeft { worker: first.0, instance: "1".into(), failure: gone() };
            slow.head.handle(left, 5_100)
        } else {
            slow.end(&first, Failure::new(Reason::Cancelled, "called back"), 5_100)
        };
        assert!(publishes(&done), "lost: {lost}");
    }
}

#[test]
fn what_becomes_of_a_duplicate_is_nobodys_fault() {
    let failures = [
        Failure::new(Reason::Io, "a disk hiccup"),
        Failure::new(Reason::MalformedRow, "the user's fault, which the first attempt will find, too"),
        Failure::new(Reason::Busy, "no slot"),
        Failure::new(Reason::Cancelled, "cancelled"),
        gone(),
    ];
    for failure in failures {
        let mut slow = slow_job(1, &[("a", 2), ("b", 2)]);
        let duplicate = slow.duplicate(4_000);
        let done = slow.end(&duplicate, failure.clone(), 4_100);
        assert!(called_back(&done).is_empty(), "{failure:?}");
        assert!(slow.tick(60_000).assignments().is_empty(), "{failure:?}: there is one at the most");
        let report = slow.head.control.show("job", 0).unwrap().report;
        assert_eq!(report.failed_attempts, [], "{failure:?}");
        let first = slow.first.clone();
        assert!(!slow.head.finish(&first.0, &first.1, 61_000).assignments().is_empty(), "{failure:?}: it goes on");
        assert_eq!(slow.speculative(), (1, 0));
    }
}

#[test]
fn a_duplicate_takes_the_place_of_a_first_attempt_that_fails() {
    for failure in [Failure::new(Reason::Io, "a disk hiccup"), Failure::new(Reason::HandedBack, "drained"), gone()] {
        let counts = failure.reason != Reason::HandedBack;
        let mut slow = slow_job(1, &[("a", 2), ("b", 2)]);
        let duplicate = slow.duplicate(4_000);
        let first = slow.first.clone();
        let done = slow.end(&first, failure.clone(), 4_100);
        assert!(done.assignments().is_empty(), "{failure:?}: its task runs");
        let told = slow.head.control.show("job", 0).unwrap().report.failed_attempts.len();
        assert_eq!(told, usize::from(counts), "{failure:?}");
        // Now it is the one that counts.
        slow.end(&duplicate, Failure::new(Reason::Io, "a disk hiccup"), 4_200);
        let again = slow.tick(10_000).assignments();
        assert_eq!(again.iter().map(|(_, it)| it.attempt.number).collect::<Vec<_>>(), [3], "{failure:?}");
        assert!(!slow.head.finish(&again[0].0, &again[0].1, 11_000).assignments().is_empty());
        assert_eq!(slow.speculative(), (1, 0), "{failure:?}");
    }
}

#[test]
fn a_users_mistake_ends_the_job_although_a_duplicate_runs() {
    let mut slow = slow_job(1, &[("a", 2), ("b", 2)]);
    let duplicate = slow.duplicate(4_000);
    let first = slow.first.clone();
    let done = slow.end(&first, Failure::new(Reason::MalformedRow, "text in a number"), 4_100);
    assert_eq!(called_back(&done), [duplicate.1.attempt]);
}

#[test]
fn both_attempts_survive_the_head_and_so_does_what_was_beaten() {
    // Before one has finished, and after.
    for decided in [false, true] {
        let mut slow = slow_job(1, &[("a", 2), ("b", 2)]);
        let duplicate = slow.duplicate(4_000);
        let first = slow.first.clone();
        if decided {
            slow.head.finish(&duplicate.0, &duplicate.1, 4_100);
        }
        let (mut head, _) = slow.head.restart(5_000);
        let mut back = Vec::new();
        for name in ["a", "b"] {
            back.push(head.handle(joined(name, "1", 2), 5_100));
        }
        let told_to_stop: Vec<AttemptId> = back.iter().flat_map(called_back).collect();
        assert_eq!(told_to_stop, if decided { vec![first.1.attempt] } else { Vec::new() });
        for (name, of) in [(&duplicate.0, &duplicate), (&first.0, &first)] {
            let running = if decided && of.1.attempt == duplicate.1.attempt { vec![] } else { vec![of.1.attempt] };
            assert!(called_back(&head.handle(heartbeat(&name.0, running), 5_200)).len() <= usize::from(decided));
        }
        if !decided {
            let done = head.finish(&duplicate.0, &duplicate.1, 5_300);
            assert_eq!(called_back(&done), [first.1.attempt]);
        }
        let late = head.finish(&first.0, &first.1, 5_400);
        assert!(matches!(&late.records[..], [Record::AttemptFailed { .. }, ..]), "{:?}", late.records);
        let stages = head.control.show("job", 0).unwrap().report.stages;
        assert_eq!((stages[0].speculative_attempts, stages[0].speculative_won), (1, 1));
        assert_eq!((stages[0].done, stages[0].attempts), (MAPS, MAPS + 1));
        // A head that reads all that once more finds the same.
        let again = Control::recover(kinds(), head.records.clone(), 6_000).unwrap().0;
        assert_eq!(again.show("job", 0).unwrap().report.stages[0].done, MAPS);
    }
}
