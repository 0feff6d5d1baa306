//! How jobs end while their commit is under way, and how failed ones go on.

use std::sync::Arc;

use super::fixture::*;
use crate::control::{Effect, Event, ReplyId, SubmitOptions};
use crate::failure::{Failure, Reason};
use crate::id::AttemptId;
use crate::journal::Record;
use crate::limits;
use crate::publish::{PublishedTable, Settled};
use crate::report::Phase;
use crate::spec::v1alpha1::{MANAGED_BY_OPERATOR, ShoalJob};

/// A head whose one job is being committed.
fn committing() -> Head {
    let mut head = Head::new();
    head.handle(joined("a", "1", 4), 0);
    head.submit("job", 1, 0);
    let maps = head.gather(1, 0).assignments();
    head.drive(maps, 1, |_| true);
    assert_eq!(head.phase("job"), Phase::Committing);
    head
}

fn table() -> PublishedTable {
    PublishedTable { name: "models".into(), table: "/out".into(), version: 0, rows: 1 }
}

#[test]
fn a_cancel_that_meets_a_commit_asks_the_tables_log_who_came_first() {
    for (result, expected) in [(Settled::Withdrawn, Phase::Failed), (Settled::Published(table()), Phase::Succeeded)] {
        let mut head = committing();
        let cancelled = head.handle(Event::Cancel { name: "job".into(), reply: ReplyId(9) }, 2);
        assert!(cancelled.records.iter().any(|record| matches!(record, Record::Ending { .. })));
        assert!(cancelled.effects.iter().any(|effect| matches!(effect, Effect::Withdraw { .. })));
        // What the commit under way says is only half the truth now.
        head.handle(published(uid(1)), 3);
        assert_eq!(head.phase("job"), Phase::Committing);
        let withdrawn = head.handle(Event::Withdrawn { job: uid(1), result: Ok(result) }, 4);
        if expected == Phase::Failed {
            assert!(withdrawn.effects.iter().any(|effect| matches!(effect, Effect::Discard { .. })));
            head.handle(Event::Discarded { job: uid(1) }, 5);
        }
        assert_eq!(head.phase("job"), expected);
    }
}

#[test]
fn a_head_that_dies_over_a_withdrawal_leaves_it_to_the_next() {
    let mut head = committing();
    head.handle(Event::Cancel { name: "job".into(), reply: ReplyId(9) }, 2);
    let (_, done) = head.restart(3);
    assert!(matches!(done.effects.as_slice(), [Effect::Withdraw { .. }]), "{:?}", done.effects);
}

#[test]
fn a_commit_that_may_have_been_made_is_withdrawn_before_its_job_fails() {
    let mut head = committing();
    let io = || Failure::new(Reason::Io, "no answer");
    let mut now = 0;
    for _ in 0..limits::PUBLISH_ATTEMPTS_MAX {
        let failed = head.handle(Event::Published { job: uid(1), result: Err(io()) }, now);
        assert!(!failed.effects.iter().any(|effect| matches!(effect, Effect::Discard { .. })));
        now += limits::RETRY_PAUSE_MAX.as_millis() as u64;
        head.handle(heartbeat("a", Vec::new()), now);
        head.handle(Event::Tick, now);
    }
    assert!(head.records.iter().any(|record| matches!(record, Record::Ending { .. })));
    assert_eq!(head.phase("job"), Phase::Committing);
}

#[test]
fn a_commit_that_was_refused_touches_no_table() {
    let mut head = committing();
    let refused = Failure::new(Reason::OutputExists, "there is one");
    let ended = head.handle(Event::Published { job: uid(1), result: Err(refused) }, 2);
    assert!(!ended.effects.iter().any(|effect| matches!(effect, Effect::Withdraw { .. })));
    assert_eq!(head.phase("job"), Phase::Failed);
}

/// A head whose one job has failed for want of workers, with all of map and some of reduce done.
fn failed_half_way() -> (Head, Vec<AttemptId>) {
    let (head, done, _) = without_workers_half_way(&spec("job", 4));
    assert_eq!(head.phase("job"), Phase::Failed);
    (head, done)
}

/// A head whose one job has been without workers for too long, with all of map and some of reduce done; and what the head
/// did then.
fn without_workers_half_way(spec: &Arc<ShoalJob>) -> (Head, Vec<AttemptId>, Vec<Effect>) {
    let mut head = Head::new();
    head.handle(joined("a", "1", 2), 0);
    head.handle(submit(uid(1), spec, false), 0);
    let maps = head.gather(1, 0).assignments();
    let reduces = head.drive(maps, 1, |assignment| assignment.stage == "map");
    let done = reduces[0].1.attempt;
    head.finish(&reduces[0].0, &reduces[0].1, 2);
    let failure = Failure::new(Reason::WorkerLost, "killed");
    head.handle(Event::WorkerLeft { worker: worker("a"), instance: "1".into(), failure }, 3);
    head.handle(Event::Tick, 4);
    let ticks = (4..limits::NO_WORKER_DEFAULT.as_millis() as u64 + 2_000).step_by(1_000);
    let effects = ticks.flat_map(|now| head.handle(Event::Tick, now).effects).collect();
    (head, vec![done], effects)
}

#[test]
fn a_job_of_an_operator_keeps_nothing_of_what_it_had_done() {
    let is_swept = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Discard { .. }));
    let (_, _, effects) = without_workers_half_way(&spec("job", 4));
    assert!(!is_swept(&effects), "it can go on: {effects:?}");
    let mut managed = (*spec("job", 4)).clone();
    managed.spec.managed_by = Some(MANAGED_BY_OPERATOR.to_owned());
    let (mut head, _, effects) = without_workers_half_way(&Arc::new(managed));
    assert!(is_swept(&effects) && head.phase("job") != Phase::Failed, "its files go before it has ended: {effects:?}");
    head.handle(Event::Discarded { job: uid(1) }, 100_000);
    assert_eq!(head.phase("job"), Phase::Failed);
    let again = head.handle(submit_again(false), 100_000);
    assert_eq!(again.answer().unwrap().uid, uid(2), "it is another job");
}

fn submit_again(fresh: bool) -> Event {
    let options = SubmitOptions { rerun: false, fresh };
    Event::Submit { uid: uid(2), spec: spec("job", 4), options, reply: ReplyId(5) }
}

#[test]
fn the_same_job_after_a_failure_runs_only_what_is_not_done() {
    let (head, done) = failed_half_way();
    // Whether or not the head was restarted meanwhile.
    let (mut head, _) = head.restart(100_000);
    let now = 100_000;
    let asked = head.handle(submit_again(false), now);
    assert!(matches!(asked.effects.as_slice(), [Effect::Recall { job }] if *job == uid(1)), "{:?}", asked.effects);
    let records = head.records.clone();
    let recalled = head.handle(Event::Recalled { job: uid(1), result: Ok(records) }, now);
    assert_eq!(recalled.answer().unwrap().uid, uid(1));
    head.handle(joined("b", "1", 4), now);
    let again = head.gather(1, now).assignments();
    assert!(again.iter().all(|(_, assignment)| assignment.stage == "map"), "the lost partitions are made again");
    let mut reduced = Vec::new();
    let mut waiting = again;
    while let Some((worker, assignment)) = waiting.pop() {
        if assignment.stage == "reduce" {
            reduced.push(assignment.attempt.task);
        }
        waiting.extend(head.finish(&worker, &assignment, now).assignments());
    }
    assert_eq!(reduced.len() as u32, BUCKETS - 1);
    assert!(!reduced.contains(&done[0].task), "what was done runs again");
    assert_eq!(head.phase("job"), Phase::Committing);
}

#[test]
fn a_job_whose_input_has_changed_since_starts_over() {
    let (mut head, _) = failed_half_way();
    let now = 100_000;
    head.handle(submit_again(false), now);
    let records = head.records.clone();
    head.handle(Event::Recalled { job: uid(1), result: Ok(records) }, now);
    head.handle(joined("b", "1", 8), now);
    let facts = serde_json::json!({"version": 2});
    let maps = head.handle(Event::FactsGathered { job: uid(1), result: Ok(facts.into()) }, now).assignments();
    assert_eq!(maps.len() as u32, MAPS);
    assert!(maps.iter().all(|(_, assignment)| assignment.attempt.number > 1), "an attempt number is used twice");
    // Also after yet another head.
    let (mut head, _) = head.restart(now + 1);
    head.handle(joined("b", "1", 8), now + 2);
    head.handle(heartbeat("b", maps.iter().map(|(_, map)| map.attempt).collect()), now + 3);
    assert_eq!(head.drive(maps, now + 4, |_| true).len(), 0);
    assert_eq!(head.phase("job"), Phase::Committing);
}

#[test]
fn a_failed_job_that_is_to_start_over_or_is_forgotten_leaves_no_files() {
    let (mut head, _) = failed_half_way();
    let fresh = head.handle(submit_again(true), 100_000);
    assert_eq!(fresh.answer().unwrap().uid, uid(2));
    let swept = |effect: &Effect| matches!(effect, Effect::Discard { job, .. } if *job == uid(1));
    assert!(fresh.effects.iter().any(swept), "{:?}", fresh.effects);

    let (mut head, _) = failed_half_way();
    let age = limits::HISTORY_AGE_MAX.as_millis() as u64;
    let expired = head.handle(Event::Tick, 100_000 + age);
    assert!(expired.effects.iter().any(swept), "{:?}", expired.effects);
    assert!(head.control.show("job", 0).is_err());
}

#[test]
fn with_the_latest_of_a_name_the_earlier_ones_are_forgotten() {
    let mut head = Head::new();
    for number in [1, 2] {
        head.submit("job", number, 0);
        let failure = Failure::new(Reason::TableNotFound, "no table");
        head.handle(Event::FactsGathered { job: uid(number), result: Err(failure) }, 1_000);
    }
    let brief = crate::journal::JobChange { ttl_seconds_after_finished: Some(Some(1)), ..Default::default() };
    head.handle(Event::Change { name: "job".into(), change: brief, reply: ReplyId(9) }, 1_000);
    let forgotten: Vec<_> = head
        .handle(Event::Tick, 3_000)
        .records
        .into_iter()
        .filter_map(|record| matches!(record, Record::Forgotten { .. }).then(|| record.job()))
        .collect();
    assert_eq!(forgotten, [uid(1), uid(2)]);
    // The next head would otherwise take the first for the latest.
    let (next, _) = head.restart(4_000);
    assert_eq!(next.control.show("job", 4_000).unwrap_err().reason, Reason::JobNotFound);
}
