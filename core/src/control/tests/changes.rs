//! What users may change of a job after its submission, and how long it may take by which clock.

use std::sync::Arc;

use super::fixture::*;
use crate::control::{Effect, Event, ReplyId, SubmitOptions};
use crate::failure::{Failure, Reason};
use crate::journal::{JobChange, Record};
use crate::limits;
use crate::report::Phase;
use crate::spec::v1alpha1::ShoalJob;

const HOUR_MS: u64 = 3_600_000;

/// The clock of the first head: late enough for others to be an hour behind.
const START_MS: u64 = 10 * HOUR_MS;

fn change(change: JobChange) -> Event {
    Event::Change { name: "job".into(), change, reply: ReplyId(99) }
}

fn deadline(seconds: Option<u64>) -> JobChange {
    JobChange { active_deadline_seconds: Some(seconds), ..JobChange::default() }
}

fn ttl(seconds: Option<u64>) -> JobChange {
    JobChange { ttl_seconds_after_finished: Some(seconds), ..JobChange::default() }
}

fn spec_with(deadline_s: Option<u64>, ttl_s: Option<u64>) -> Arc<ShoalJob> {
    let mut spec = spec("job", 4).as_ref().clone();
    spec.spec.active_deadline_seconds = deadline_s;
    spec.spec.ttl_seconds_after_finished = ttl_s;
    Arc::new(spec)
}

/// A head with one job that runs since [`START_MS`].
fn running(deadline_s: Option<u64>) -> Head {
    let mut head = Head::new();
    head.handle(submit(uid(1), &spec_with(deadline_s, None), false), START_MS);
    head.gather(1, START_MS);
    head
}

/// Lets time pass, tick by tick.
fn pass(head: &mut Head, from_ms: u64, to_ms: u64) {
    for now_ms in (from_ms..=to_ms).step_by(1_000) {
        // A worker that is there, or the job would end for want of one.
        head.handle(joined("a", "1", 1), now_ms);
        head.handle(Event::Tick, now_ms);
    }
}

fn why_it_ends(head: &Head) -> Option<Reason> {
    head.control.show("job", 0).unwrap().failure.map(|failure| failure.reason)
}

#[test]
fn a_deadline_can_be_set_moved_and_taken_away() {
    let mut head = running(None);
    pass(&mut head, START_MS, START_MS + 20_000);
    head.handle(change(deadline(Some(30))), START_MS + 20_000);
    pass(&mut head, START_MS + 20_000, START_MS + 30_000);
    assert_eq!(why_it_ends(&head), None, "the time before counts, and is not over");
    head.handle(change(deadline(None)), START_MS + 30_000);
    pass(&mut head, START_MS + 30_000, START_MS + 60_000);
    assert_eq!(why_it_ends(&head), None);
    // The same job again is the same job, with what its spec says now; also after a head's loss.
    let again = Event::Submit {
        uid: uid(2),
        spec: spec_with(Some(61), None),
        options: SubmitOptions::default(),
        reply: ReplyId(7),
    };
    assert_eq!(head.handle(again, START_MS + 60_000).answer().unwrap().uid, uid(1));
    let (mut head, _) = head.restart(START_MS + 60_000);
    pass(&mut head, START_MS + 60_000, START_MS + 61_000);
    assert_eq!(why_it_ends(&head), None);
    head.handle(Event::Tick, START_MS + 61_001);
    assert_eq!(why_it_ends(&head), Some(Reason::DeadlineExceeded));
}

#[test]
fn a_deadline_is_kept_whatever_the_clocks_of_later_heads_show() {
    let other_clocks = [START_MS + HOUR_MS, START_MS - HOUR_MS, START_MS];
    for clock_ms in other_clocks {
        let mut head = running(Some(60));
        pass(&mut head, START_MS, START_MS + 40_000);
        // Two heads, one after the other, each with that clock; time of which no head knows does not count.
        let (mut head, _) = head.restart(clock_ms);
        pass(&mut head, clock_ms, clock_ms + 10_000);
        let (mut head, _) = head.restart(START_MS);
        let used_ms = 40_000 + 10_000;
        let left_ms = 60_000 - used_ms;
        pass(&mut head, START_MS, START_MS + left_ms);
        assert_eq!(why_it_ends(&head), None, "early, by clock {clock_ms}");
        let late_ms = 2 * limits::TIME_USED_NOTED_EVERY.as_millis() as u64;
        pass(&mut head, START_MS + left_ms, START_MS + left_ms + late_ms + 1_000);
        assert_eq!(why_it_ends(&head), Some(Reason::DeadlineExceeded), "late, by clock {clock_ms}");
    }
}

/// A head whose one job has failed for good.
fn failed() -> Head {
    let mut head = Head::new();
    head.handle(submit(uid(1), &spec_with(None, Some(100)), false), START_MS);
    let failure = Failure::new(Reason::TableNotFound, "no table");
    head.handle(Event::FactsGathered { job: uid(1), result: Err(failure) }, START_MS);
    assert_eq!(head.phase("job"), Phase::Failed);
    head
}

#[test]
fn how_long_a_job_is_listed_can_be_changed_also_once_it_has_ended() {
    let mut head = failed();
    assert!(head.handle(change(ttl(Some(200))), START_MS).answer().is_ok());
    let (mut head, _) = head.restart(START_MS);
    head.handle(Event::Tick, START_MS + 150_000);
    assert_eq!(head.phase("job"), Phase::Failed);
    head.handle(Event::Tick, START_MS + 200_000);
    assert!(head.control.show("job", 0).is_err());

    let mut head = failed();
    for refused in [deadline(Some(1)), JobChange { priority: Some(1), ..ttl(Some(1)) }, JobChange::default()] {
        let failure = head.handle(change(refused), START_MS).answer().unwrap_err();
        assert_eq!(failure.reason, Reason::NotPossible);
    }
}

#[test]
fn what_was_changed_before_the_end_holds_after_it() {
    let mut head = Head::new();
    head.handle(submit(uid(1), &spec_with(None, Some(100)), false), START_MS);
    head.handle(change(ttl(Some(200))), START_MS);
    let failure = Failure::new(Reason::TableNotFound, "no table");
    head.handle(Event::FactsGathered { job: uid(1), result: Err(failure) }, START_MS);
    // As journals do: what came before the end is let go.
    let end = head.records.iter().position(|record| matches!(record, Record::Ended { .. })).unwrap();
    head.records.drain(1..end);
    let (mut head, _) = head.restart(START_MS);
    head.handle(Event::Tick, START_MS + 150_000);
    assert_eq!(head.phase("job"), Phase::Failed);
    head.handle(Event::Tick, START_MS + 200_000);
    assert!(head.control.show("job", 0).is_err());
}

#[test]
fn a_change_is_read_as_users_write_it() {
    let read = |text: &str| serde_json::from_str::<JobChange>(text).map(|change| (change, change.check().is_ok()));
    assert_eq!(read("{}").unwrap(), (JobChange::default(), true));
    assert_eq!(read(r#"{"activeDeadlineSeconds": 60}"#).unwrap(), (deadline(Some(60)), true));
    assert_eq!(read(r#"{"activeDeadlineSeconds": null}"#).unwrap(), (deadline(None), true));
    assert_eq!(read(r#"{"ttlSecondsAfterFinished": 0}"#).unwrap(), (ttl(Some(0)), true));
    for wrong in [deadline(Some(0)), ttl(Some(limits::JOB_SECONDS_MAX + 1))] {
        let failure = wrong.check().unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidValue);
        assert!(failure.location.field_path.is_some());
    }
    let text = serde_json::to_string(&deadline(None)).unwrap();
    assert_eq!(serde_json::from_str::<JobChange>(&text).unwrap(), deadline(None), "{text}");
}

#[test]
fn every_answer_waits_for_what_it_rests_on() {
    let mut head = running(None);
    let other =
        Event::Submit { uid: uid(2), spec: spec("job", 1), options: SubmitOptions::default(), reply: ReplyId(7) };
    let reply = ReplyId(8);
    let asked = [
        other,
        Event::Show { name: "job".into(), reply },
        Event::Show { name: "nobody".into(), reply },
        Event::Cancel { name: "nobody".into(), reply },
        Event::Flush { reply },
    ];
    for event in asked {
        let effects = head.control.handle(event, START_MS);
        let [Effect::Persist { records, then }] = effects.as_slice() else { panic!("{effects:?}") };
        assert!(records.is_empty());
        assert!(matches!(then.as_slice(), [Effect::Reply { .. } | Effect::Flushed { .. }]), "{then:?}");
    }
}

#[test]
fn a_task_that_a_worker_has_no_slot_for_waits_and_has_not_failed() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 1), 0);
    head.handle(submit(uid(1), &spec("job", 1), false), 0);
    let mut assigned = head.gather(1, 0).assignments();
    let mut now_ms = 0;
    for refusal in 1..=limits::REFUSALS_MAX {
        let (worker, task) = assigned.pop().unwrap();
        let busy = Failure::new(Reason::Busy, "all slots are used");
        let event = finished(&worker.0, "1", task.attempt, Err(busy));
        // Others have their turn meanwhile.
        assigned = head.handle(event, now_ms).assignments();
        assert!(assigned.iter().all(|(_, next)| next.attempt.task != task.attempt.task), "refusal {refusal}");
        assert!(head.control.show("job", now_ms).unwrap().report.failed_attempts.is_empty());
        now_ms += limits::RETRY_PAUSE_MAX.as_millis() as u64;
        head.handle(heartbeat("a", Vec::new()), now_ms);
        assigned.extend(head.handle(Event::Tick, now_ms).assignments());
    }
    assert_eq!(why_it_ends(&head), None, "a job with one attempt per task has lost one");
    assert_eq!(head.drive(assigned, now_ms, |_| true).len(), 0);
    assert_eq!(head.phase("job"), Phase::Committing);
}

#[test]
fn a_task_that_never_finds_a_slot_fails_in_the_end() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.handle(submit(uid(1), &spec("job", 1), false), 0);
    let mut assigned = head.gather(1, 0).assignments();
    let mut now_ms = 0;
    while let Some((worker, task)) = assigned.pop() {
        let busy = Failure::new(Reason::Busy, "all slots are used");
        head.handle(finished(&worker.0, "1", task.attempt, Err(busy)), now_ms);
        now_ms += limits::RETRY_PAUSE_MAX.as_millis() as u64;
        head.handle(heartbeat("a", Vec::new()), now_ms);
        assigned.extend(head.handle(Event::Tick, now_ms).assignments());
        assert!(now_ms < 100 * HOUR_MS);
    }
    assert_eq!(why_it_ends(&head), Some(Reason::Busy));
}
