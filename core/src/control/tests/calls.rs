//! Users' functions that die under their tasks, or take workers with them.

use super::fixture::*;
use crate::calling::{CallsSoFar, ProcessDeath, ProcessDeaths};
use crate::control::{Effect, Event};
use crate::failure::{Failure, Reason};
use crate::id::AttemptId;
use crate::limits;
use crate::report::Phase;
use crate::task::{Counters, TaskOutput};

fn deaths(count: u64, group: &str) -> ProcessDeaths {
    let death = ProcessDeath { group: Some(group.to_owned()), how: "is gone".to_owned() };
    ProcessDeaths { count, last: vec![death] }
}

fn telling(name: &str, calls: Vec<(AttemptId, CallsSoFar)>) -> Event {
    let running = calls.iter().map(|(attempt, _)| *attempt).collect();
    let Event::Heartbeat { worker, instance, permille, peak_memory_bytes, .. } = heartbeat(name, Vec::new()) else {
        unreachable!("a heartbeat is one")
    };
    Event::Heartbeat { worker, instance, running, permille, calls, peak_memory_bytes }
}

fn died(count: u64, group: &str) -> CallsSoFar {
    CallsSoFar { deaths: deaths(count, group), group: None }
}

#[test]
fn processes_are_counted_over_all_tasks_whether_they_are_done_or_run() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 1), 0);
    head.handle(joined("b", "1", 1), 0);
    head.submit("job", 1, 0);
    let running = head.gather(1, 0).assignments();
    let [(one, first), (other, second)] = &running[..] else { panic!("two tasks run: {running:?}") };
    // Ten may die: six of a task that is done, and four of one that runs.
    let output = TaskOutput {
        deaths: deaths(6, "firm=a"),
        counters: Counters { process_deaths: 6, ..Counters::default() },
        ..map_output()
    };
    let next = head.handle(finished(&one.0, "1", first.attempt, Ok(output)), 10).assignments();
    head.handle(telling(&other.0, vec![(second.attempt, died(4, "firm=b"))]), 20);
    assert_eq!(head.phase("job"), Phase::Running);
    // What another head reads counts as well, and each heartbeat has all of an attempt.
    let (mut head, _) = head.restart(25);
    head.handle(joined(&other.0, "1", 1), 26);
    head.handle(telling(&other.0, vec![(second.attempt, died(4, "firm=b"))]), 30);
    assert_eq!(head.phase("job"), Phase::Running);
    let handled = head.handle(telling(&other.0, vec![(second.attempt, died(5, "firm=b"))]), 40);
    let called_back = handled.effects.iter().filter(|effect| matches!(effect, Effect::CancelAttempt { .. }));
    assert_eq!(called_back.count(), 1 + next.len(), "whatever runs is called back");
    let failure = head.control.show("job", 40).unwrap().failure.unwrap();
    assert_eq!(failure.reason, Reason::ProcessesKeepDying, "{failure:?}");
    assert_eq!(failure.message, "11 processes of the function died; 10 may in the whole job");
    assert_eq!(failure.causes, ["with `firm=b` a process is gone", "with `firm=a` a process is gone"]);
}

#[test]
fn the_result_that_has_one_death_too_many_ends_the_job() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.submit("job", 1, 0);
    let running = head.gather(1, 0).assignments();
    let mut left = running.len();
    for (worker, assignment) in running {
        assert_eq!(head.phase("job"), Phase::Running);
        left -= 1;
        let count = if left == 0 { 11 } else { 0 };
        let counters = Counters { process_deaths: count, ..Counters::default() };
        let output = TaskOutput { deaths: deaths(count, "firm=c"), counters, ..map_output() };
        let handled = head.handle(finished(&worker.0, "1", assignment.attempt, Ok(output)), 10);
        assert!(handled.assignments().is_empty(), "no stage follows");
    }
    let failure = head.control.show("job", 10).unwrap().failure.unwrap();
    assert_eq!((failure.reason, failure.location.group.as_deref()), (Reason::ProcessesKeepDying, Some("firm=c")));
}

#[test]
fn a_group_that_takes_its_worker_along_each_time_is_named() {
    let mut head = Head::new();
    head.handle(joined("w0", "1", 1), 0);
    head.submit("job", 1, 0);
    let mut now = 0;
    let mut running = head.gather(1, 0).assignments();
    for death in 1..=limits::TASK_DEATHS_MAX {
        while running.is_empty() {
            now += 500;
            for worker in head.control.workers() {
                head.handle(heartbeat(&worker.name, Vec::new()), now);
            }
            running = head.handle(Event::Tick, now).assignments();
        }
        let [(worker, assignment)] = &running[..] else { panic!("one slot: {running:?}") };
        assert_eq!(assignment.lost_workers, death - 1);
        let group = Some("firm=a".to_owned());
        let calls = vec![(assignment.attempt, CallsSoFar { group, ..CallsSoFar::default() })];
        head.handle(telling(&worker.0, calls), now);
        let failure = Failure::new(Reason::WorkerLost, "it is silent");
        let left = Event::WorkerLeft { worker: worker.clone(), instance: "1".into(), failure };
        head.handle(left, now);
        let lost = head.control.show("job", now).unwrap().report.failed_attempts.pop().unwrap();
        assert_eq!(lost.failure.location.group.as_deref(), Some("firm=a"));
        assert!(lost.failure.message.contains("it said was that the function runs for `firm=a`"), "{}", lost.failure);
        now += 100;
        running = head.handle(joined(&format!("w{death}"), "1", 1), now).assignments();
        // Others of the job end well; only the suspect stays.
        running = head.drive(running, now, |assignment| assignment.attempt.task.index != 0);
    }
    let failure = head.control.show("job", now).unwrap().failure.unwrap();
    assert_eq!(failure.reason, Reason::TaskKillsWorkers, "{failure:?}");
    assert_eq!(failure.location.group.as_deref(), Some("firm=a"));
    assert!(failure.message.ends_with("the function for `firm=a`"), "{failure}");
}
