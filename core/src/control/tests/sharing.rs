//! Who gets free slots: priorities, equal shares, tasks that have to run alone.

use super::fixture::*;
use crate::control::{Event, ReplyId};
use crate::failure::{Failure, Reason};
use crate::journal::JobChange;
use crate::limits;
use crate::report::Phase;

fn change(name: &str, change: JobChange) -> Event {
    Event::Change { name: name.into(), change, reply: ReplyId(99) }
}

#[test]
fn a_small_job_waits_for_one_task_of_a_huge_one_and_not_for_all() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 2), 0);
    head.submit("huge", 1, 0);
    let huge = head.gather(1, 0).assignments();
    head.submit("small", 2, 1);
    assert_eq!(head.gather(2, 1).assignments().len(), 0, "all slots are taken");
    let (worker, first) = &huge[0];
    let next = head.finish(worker, first, 2).assignments();
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].1.attempt.task.job, uid(2));
    // From then on they share the slots equally.
    let next = head.finish(worker, &huge[1].1, 3).assignments();
    assert_eq!(next[0].1.attempt.task.job, uid(1));
}

#[test]
fn a_higher_priority_comes_first_also_when_it_was_raised_later() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 1), 0);
    head.submit("first", 1, 0);
    let running = head.gather(1, 0).assignments();
    head.submit("second", 2, 1);
    head.submit("third", 3, 1);
    head.gather(2, 1);
    head.gather(3, 1);
    head.handle(change("third", JobChange { priority: Some(5), ..JobChange::default() }), 2);
    let (worker, task) = &running[0];
    let next = head.finish(worker, task, 3).assignments();
    assert_eq!(next[0].1.attempt.task.job, uid(3));
}

#[test]
fn a_suspended_job_hands_its_tasks_back_and_goes_on_with_what_is_left() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 2), 0);
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    let after = head.finish(&maps[0].0, &maps[0].1, 1).assignments();
    let suspended = head.handle(change("job", JobChange { suspend: Some(true), ..JobChange::default() }), 2);
    assert_eq!(suspended.answer().unwrap().phase, Phase::Suspended);
    for (worker, task) in [&maps[1], &after[0]] {
        let failure = Failure::new(Reason::Cancelled, "called back");
        let handed_back = head.handle(finished(&worker.0, "1", task.attempt, Err(failure)), 3);
        assert!(handed_back.assignments().is_empty(), "a suspended job starts a task");
    }
    let status = head.control.show("job", 4).unwrap();
    assert_eq!((status.report.stages[0].done, status.report.failed_attempts.len()), (1, 0));
    let (mut head, _) = head.restart(5);
    assert_eq!(head.phase("job"), Phase::Suspended);
    head.handle(joined("a", "1", 2), 6);
    let resumed =
        head.handle(change("job", JobChange { suspend: Some(false), ..JobChange::default() }), 7).assignments();
    assert_eq!(resumed.len(), 2);
    assert_eq!(head.drive(resumed, 8, |_| true).len(), 0);
    assert_eq!(head.phase("job"), Phase::Committing);
}

#[test]
fn a_deadline_counts_only_the_time_that_a_job_may_run() {
    let mut spec = spec("job", 4).as_ref().clone();
    spec.spec.active_deadline_seconds = Some(10);
    let mut head = Head::new();
    head.handle(submit(uid(1), &std::sync::Arc::new(spec), false), 0);
    head.gather(1, 0);
    head.handle(change("job", JobChange { suspend: Some(true), ..JobChange::default() }), 9_000);
    head.handle(Event::Tick, 60_000);
    assert_eq!(head.phase("job"), Phase::Suspended);
    head.handle(change("job", JobChange { suspend: Some(false), ..JobChange::default() }), 60_000);
    head.handle(Event::Tick, 70_000);
    assert!(head.control.show("job", 0).unwrap().failure.is_none());
    head.handle(Event::Tick, 70_001);
    assert_eq!(head.control.show("job", 0).unwrap().failure.unwrap().reason, Reason::DeadlineExceeded);
}

#[test]
fn a_task_that_ends_its_workers_is_left_alone_with_one_and_then_named() {
    let mut head = Head::new();
    head.handle(joined("w0", "1", 4), 0);
    head.submit("job", 1, 0);
    let mut now = 0;
    let mut running = head.gather(1, 0).assignments();
    // Whatever runs beside task 0 ends with its worker, too.
    for death in 1..=limits::TASK_DEATHS_MAX {
        let poison = running.iter().find(|(_, assignment)| assignment.attempt.task.index == 0).unwrap().clone();
        if death == limits::TASK_DEATHS_MAX {
            let beside = head.control.workers().into_iter().find(|worker| worker.name == poison.0.0).unwrap();
            assert_eq!(beside.used, 1, "nothing runs beside a suspect");
        }
        now += 1_000;
        head.handle(joined(&format!("w{death}"), "1", 4), now);
        let failure = Failure::new(Reason::WorkerLost, "killed");
        let left = Event::WorkerLeft { worker: poison.0.clone(), instance: "1".into(), failure };
        running.retain(|(holder, _)| *holder != poison.0);
        running.extend(head.handle(left, now).assignments());
        // Everything but task 0 finishes, wherever it runs.
        for _ in 0..100 {
            now += 500;
            for worker in head.control.workers() {
                let on_it = running.iter().filter(|(holder, _)| holder.0 == worker.name);
                let attempts = on_it.map(|(_, assignment)| assignment.attempt).collect();
                head.handle(heartbeat(&worker.name, attempts), now);
            }
            running.extend(head.handle(Event::Tick, now).assignments());
            running = head.drive(running, now, |assignment| assignment.attempt.task.index != 0);
        }
    }
    let failure = head.control.show("job", 0).unwrap().failure.unwrap();
    assert_eq!(failure.reason, Reason::TaskKillsWorkers, "{failure:?}");
    assert!(failure.message.contains("task 0 of stage `map`"), "{failure}");
}

#[test]
fn time_in_which_the_head_stood_still_is_nobodys_silence() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.handle(Event::Tick, 100);
    // An hour passes: the machine slept, or its clock was set.
    head.handle(Event::Tick, 3_600_100);
    assert_eq!(head.control.workers().len(), 1);
    let silence = limits::WORKER_SILENCE_MAX.as_millis() as u64;
    for now in (3_600_200..=3_600_200 + silence).step_by(100) {
        head.handle(Event::Tick, now);
    }
    assert_eq!(head.control.workers().len(), 0, "real silence still counts");
}

#[test]
fn a_worker_that_comes_back_late_is_told_what_nobody_waits_for_any_more() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 2), 0);
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    let silence = limits::WORKER_SILENCE_MAX.as_millis() as u64;
    for now in (0..=silence + 200).step_by(100) {
        head.handle(Event::Tick, now);
    }
    assert!(head.control.workers().is_empty());
    head.handle(joined("a", "1", 2), silence + 300);
    let running: Vec<_> = maps.iter().map(|(_, map)| map.attempt).collect();
    let told = head.handle(heartbeat("a", running), silence + 400);
    let called_back =
        told.effects.iter().filter(|effect| matches!(effect, crate::control::Effect::CancelAttempt { .. })).count();
    assert_eq!(called_back, 2);
}
