//! What a head that starts makes of what another had stored.

use super::fixture::*;
use crate::control::{Effect, Event, WorkerPhase};
use crate::failure::{Failure, Reason};
use crate::journal::Record;
use crate::limits;
use crate::report::Phase;

#[test]
fn running_tasks_are_adopted_and_nothing_runs_twice() {
    let mut head = Head::new();
    for name in ["a", "b"] {
        head.handle(joined(name, "1", 2), 0);
    }
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    let (mut next, done) = head.restart(100);
    assert!(done.effects.is_empty(), "{:?}", done.effects);
    assert!(next.control.workers().iter().all(|worker| worker.state == WorkerPhase::Expected));
    let mut started = Vec::new();
    for name in ["a", "b"] {
        started.extend(next.handle(joined(name, "1", 2), 200).assignments());
        let running = maps.iter().filter(|(holder, _)| *holder == worker(name)).map(|(_, map)| map.attempt).collect();
        started.extend(next.handle(heartbeat(name, running), 300).assignments());
    }
    assert_eq!(started.len(), 0, "a task runs twice");
    assert_eq!(next.drive(maps, 400, |_| true).len(), 0);
    assert_eq!(next.phase("job"), Phase::Committing);
    let attempts = next.records.iter().filter(|record| matches!(record, Record::AttemptStarted { .. })).count();
    assert_eq!(attempts as u32, MAPS + BUCKETS);
}

#[test]
fn a_result_that_the_head_before_did_not_store_is_taken_when_it_is_sent_again() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    let (mut next, _) = head.restart(100);
    next.handle(joined("a", "1", 4), 200);
    // Results come before the first heartbeat, which knows nothing of them any more.
    let reduces = maps.iter().flat_map(|(worker, map)| next.finish(worker, map, 300).assignments()).collect::<Vec<_>>();
    next.handle(heartbeat("a", reduces.iter().map(|(_, reduce)| reduce.attempt).collect()), 400);
    assert_eq!(next.control.show("job", 500).unwrap().report.stages[0].attempts, MAPS);
}

#[test]
fn partitions_stay_good_while_their_worker_comes_back_and_are_made_again_where_it_does_not() {
    for comes_back in [true, false] {
        let mut head = Head::new();
        head.handle(joined("a", "1", 4), 0);
        head.submit("job", 1, 0);
        let maps = head.gather(1, 0).assignments();
        head.drive(maps, 10, |assignment| assignment.stage == "map");
        let (mut next, _) = head.restart(1_000);
        // A reduce task waits: where its partitions lie is not known yet.
        next.handle(joined("b", "1", 4), 1_100);
        assert_eq!(next.control.show("job", 1_100).unwrap().report.stages[0].done, MAPS);
        let grace = limits::ADOPTION_GRACE.as_millis() as u64;
        if comes_back {
            next.handle(joined("a", "1", 4), 1_200);
            next.handle(heartbeat("a", Vec::new()), 1_300);
        }
        for now in (1_400..=1_400 + grace).step_by(1_000) {
            next.handle(heartbeat("b", Vec::new()), now);
            next.handle(heartbeat("a", Vec::new()), now);
            next.handle(Event::Tick, now);
        }
        let status = next.control.show("job", 0).unwrap();
        let expected = if comes_back { MAPS } else { 2 * MAPS };
        assert_eq!(status.report.stages[0].attempts, expected, "comes back: {comes_back}");
        assert!(status.report.failed_attempts.is_empty(), "nobody failed: {status:?}");
    }
}

#[test]
fn a_worker_that_was_started_again_meanwhile_counts_as_another() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.submit("job", 1, 0);
    head.gather(1, 0);
    let (mut next, _) = head.restart(100);
    let again = next.handle(joined("a", "2", 4), 200).assignments();
    assert_eq!(again.len() as u32, MAPS);
    assert!(again.iter().all(|(_, assignment)| assignment.attempt.number == 2), "an attempt number is used twice");
}

#[test]
fn a_stage_that_was_done_is_followed_by_the_next_once_workers_are_there() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    head.drive(maps, 10, |assignment| assignment.stage == "map");
    // The head ended between the last map task and the plan of the reduce stage.
    let planned = |record: &Record| matches!(record, Record::StagePlanned { stage: 1, .. });
    let end = head.records.iter().position(planned).unwrap();
    head.records.truncate(end);
    let (mut next, _) = head.restart(100);
    let reduces = next.handle(joined("a", "1", 4), 200).assignments();
    assert_eq!(reduces.len() as u32, BUCKETS);
}

#[test]
fn a_stored_intent_is_driven_again_and_no_other() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    head.drive(maps, 1, |_| true);
    let intent = head.records.iter().find_map(|record| match record {
        Record::Intent { intent } => Some(intent.clone()),
        _ => None,
    });
    let (next, done) = head.restart(10);
    let [Effect::Publish { intent: driven }] = done.effects.as_slice() else { panic!("{:?}", done.effects) };
    assert_eq!(Some(driven), intent.as_ref());
    assert_eq!(next.phase("job"), Phase::Committing);
}

#[test]
fn a_cancelled_job_stays_cancelled() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    head.handle(Event::Cancel { name: "job".into(), reply: crate::control::ReplyId(7) }, 10);
    let (mut next, _) = head.restart(100);
    let back = next.handle(joined("a", "1", 4), 200);
    let called_back = back.effects.iter().filter(|effect| matches!(effect, Effect::CancelAttempt { .. })).count();
    assert_eq!(called_back, maps.len());
    let mut last = back;
    for (worker, map) in maps {
        let failure = Failure::new(Reason::Cancelled, "cancelled");
        last = next.handle(finished(&worker.0, "1", map.attempt, Err(failure)), 300);
    }
    assert!(last.effects.iter().any(|effect| matches!(effect, Effect::Discard { .. })));
    next.handle(Event::Discarded { job: uid(1) }, 400);
    assert_eq!(next.control.show("job", 0).unwrap().failure.unwrap().reason, Reason::Cancelled);
}

#[test]
fn what_a_head_finds_does_not_depend_on_how_often_it_was_restarted() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.submit("job", 1, 0);
    let mut waiting = head.gather(1, 0).assignments();
    let mut now = 0;
    while let Some((holder, assignment)) = waiting.pop() {
        now += 100;
        let (next, done) = head.restart(now);
        head = next;
        waiting.extend(done.assignments());
        waiting.extend(head.handle(joined("a", "1", 4), now).assignments());
        waiting.extend(head.finish(&holder, &assignment, now).assignments());
        let running = waiting.iter().map(|(_, assignment)| assignment.attempt).collect();
        waiting.extend(head.handle(heartbeat("a", running), now).assignments());
    }
    assert_eq!(head.phase("job"), Phase::Committing);
    let attempts = head.records.iter().filter(|record| matches!(record, Record::AttemptStarted { .. })).count();
    assert_eq!(attempts as u32, MAPS + BUCKETS);
}

#[test]
fn the_latest_of_a_name_is_the_one_that_was_submitted_last_whatever_clocks_and_uids_say() {
    let fails = |head: &mut Head, number, now_ms| {
        head.handle(submit(uid(number), &spec("job", 1), false), now_ms);
        let result = Err(Failure::new(Reason::TableNotFound, "no table"));
        head.handle(Event::FactsGathered { job: uid(number), result }, now_ms);
    };
    let mut head = Head::new();
    fails(&mut head, 9, 100_000);
    // The next head has an earlier clock, and draws a lower uid.
    let (mut head, _) = head.restart(50_000);
    fails(&mut head, 2, 50_000);
    assert_eq!(head.control.show("job", 50_000).unwrap().uid, uid(2));
    let (head, _) = head.restart(60_000);
    assert_eq!(head.control.show("job", 60_000).unwrap().uid, uid(2));
}
