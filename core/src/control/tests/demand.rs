//! What an autoscaler is told.

use std::collections::BTreeMap;

use super::fixture::*;
use crate::autoscaling::estimate::{PRIOR_TASK_SECONDS, Work};
use crate::control::{Event, WorkClass};

fn work(head: &Head, now_ms: u64) -> Work {
    head.control.demand(now_ms).work[&WorkClass { priority: 0 }]
}

#[test]
fn work_is_there_from_the_plan_on_and_its_seconds_follow_from_what_tasks_took() {
    let mut head = Head::new();
    assert_eq!(head.control.demand(0).work, BTreeMap::from([(WorkClass { priority: 0 }, Work::default())]));
    head.submit("job", 1, 0);
    assert_eq!(work(&head, 0), Work::default(), "nothing is planned yet");
    let _ = head.gather(1, 0);
    // Nobody is there to do it, and it waits all the same.
    let maps = f64::from(MAPS);
    assert_eq!(
        work(&head, 1_000),
        Work { queued_tasks: 4, queued_seconds: maps * PRIOR_TASK_SECONDS, running_tasks: 0, running_seconds: 0.0 }
    );
    let started = head.handle(joined("a", "1", 2), 1_000).assignments();
    let running = work(&head, 2_000);
    assert_eq!((running.queued_tasks, running.running_tasks), (2, 2));
    assert!((running.running_seconds - 2.0 * (PRIOR_TASK_SECONDS - 1.0)).abs() < 1e-6, "{running:?}");
    // Each takes 20 s and not 5.
    let mut waiting = started;
    for (worker, assignment) in std::mem::take(&mut waiting) {
        waiting.extend(head.finish(&worker, &assignment, 21_000).assignments());
    }
    let told = head.control.demand(21_000);
    let later = work(&head, 21_000);
    assert_eq!((later.queued_tasks, later.running_tasks), (0, 2));
    assert!((25.0..=40.0).contains(&later.running_seconds), "{later:?}");
    assert_eq!(told.held_bytes, 2 * u64::from(BUCKETS) * 8);
    assert_eq!((told.ready_slots, told.busy_slots), (2, 2));
    let left = head.drive(waiting, 41_000, |assignment| assignment.stage == "map");
    // The reduce tasks are known now, and what was learned of maps says nothing of them.
    let reduces = work(&head, 41_000);
    assert_eq!((reduces.queued_tasks, reduces.running_tasks), (1, 2));
    assert!((reduces.queued_seconds - PRIOR_TASK_SECONDS).abs() < 1e-6);
    head.drive(left, 42_000, |_| true);
    let told = head.control.demand(42_000);
    assert_eq!((told.work[&WorkClass { priority: 0 }], told.held_bytes), (Work::default(), 0));
}

#[test]
fn what_is_lost_is_work_again_and_holds_nothing() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    head.drive(maps, 10, |assignment| assignment.stage == "map");
    assert_eq!(head.control.demand(10).held_bytes, u64::from(MAPS * BUCKETS) * 8);
    let failure = crate::Failure::new(crate::Reason::WorkerLost, "gone");
    head.handle(Event::WorkerLeft { worker: worker("a"), instance: "1".into(), failure }, 20);
    let told = head.control.demand(20);
    let again = told.work[&WorkClass { priority: 0 }];
    assert_eq!((told.held_bytes, told.ready_slots, again.queued_tasks, again.running_tasks), (0, 0, 4, 0));
}

#[test]
fn classes_are_told_apart_by_priority_and_a_suspended_job_waits_for_no_slot() {
    let mut head = Head::new();
    head.submit("low", 1, 0);
    head.submit("high", 2, 0);
    let change = |priority, suspend| crate::journal::JobChange { priority, suspend, ..Default::default() };
    for (name, change) in [("high", change(Some(7), None)), ("low", change(None, Some(true)))] {
        head.handle(Event::Change { name: name.into(), change, reply: crate::control::ReplyId(9) }, 0);
    }
    head.gather(1, 0);
    head.gather(2, 0);
    let told = head.control.demand(0).work;
    let queued: Vec<_> = told.iter().map(|(class, work)| (class.priority, work.queued_tasks)).collect();
    assert_eq!(queued, [(0, 0), (7, 4)]);
}

#[test]
fn slots_are_told_by_what_their_workers_do() {
    let mut head = Head::new();
    for (name, slots) in [("ready", 2), ("full", 3), ("leaves", 5)] {
        head.handle(joined(name, "1", slots), 0);
    }
    head.handle(Event::DiskFull { worker: worker("full"), instance: "1".into(), full: true }, 0);
    head.submit("job", 1, 0);
    let started = head.gather(1, 0).assignments();
    assert!(started.iter().all(|(on, _)| *on == worker("leaves")), "it has the most free slots");
    head.handle(Event::DrainRequested { worker: worker("leaves"), instance: "1".into(), leaves_by_ms: 60_000 }, 0);
    let told = head.control.demand(0);
    assert_eq!((told.ready_slots, told.full_slots, told.draining_slots, told.expected_workers), (2, 3, 5, 0));
    let (again, _) = head.restart(1);
    let told = again.control.demand(1);
    assert_eq!((told.ready_slots, told.draining_slots, told.expected_workers), (0, 0, 1), "whoever ran something");
}
