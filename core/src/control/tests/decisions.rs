use super::fixture::*;
use crate::control::{Control, Effect, Event, ReplyId};
use crate::failure::{Failure, Reason};
use crate::id::AttemptId;
use crate::journal::Record;
use crate::limits;
use crate::report::Phase;

/// Drives every map task of [`running_job`] to its end.
fn finish_maps(control: &mut Control, first: Done) -> Done {
    let mut last = Done::default();
    let mut waiting = first.assignments();
    while let Some((worker, assignment)) = waiting.pop() {
        last = Done::of(control.handle(finished(&worker.0, "1", assignment.attempt, Ok(map_output())), 1));
        waiting.extend(last.assignments().into_iter().filter(|(_, assignment)| assignment.stage == "map"));
    }
    last
}

#[test]
fn a_job_is_acknowledged_only_after_it_is_stored() {
    let mut control = Control::new(kinds());
    let effects = control.handle(submit(uid(1), &spec("job", 4), false), 0);
    let [Effect::Persist { records, then }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(matches!(records.as_slice(), [Record::Accepted { .. }]));
    assert!(matches!(then.as_slice(), [Effect::Reply { .. }, Effect::GatherFacts { .. }]));
}

#[test]
fn an_attempt_starts_only_after_it_is_stored() {
    let (_, done) = running_job(&[("a", 2), ("b", 2)]);
    let started = done.records.iter().filter(|record| matches!(record, Record::AttemptStarted { .. })).count();
    assert_eq!((started, done.assignments().len()), (4, 4));
}

#[test]
fn the_same_job_again_is_the_same_job_and_another_spec_a_conflict() {
    let mut control = Control::new(kinds());
    control.handle(submit(uid(1), &spec("job", 4), false), 0);
    let again = Done::of(control.handle(submit(uid(2), &spec("job", 4), false), 0));
    assert_eq!(again.answer().unwrap().uid, uid(1));
    let other = Done::of(control.handle(submit(uid(3), &spec("job", 5), false), 0));
    assert_eq!(other.answer().unwrap_err().reason, Reason::JobConflict);
    let rerun = Done::of(control.handle(submit(uid(4), &spec("job", 4), true), 0));
    assert_eq!(rerun.answer().unwrap_err().reason, Reason::JobConflict);
}

#[test]
fn a_failed_job_may_be_submitted_again_and_a_succeeded_one_is_the_answer() {
    let mut control = Control::new(kinds());
    control.handle(submit(uid(1), &spec("job", 4), false), 0);
    let failure = Failure::new(Reason::TableNotFound, "no table");
    control.handle(Event::FactsGathered { job: uid(1), result: Err(failure) }, 0);
    assert_eq!(control.show("job", 0).unwrap().phase, Phase::Failed);
    let again = Done::of(control.handle(submit(uid(2), &spec("job", 4), false), 0));
    assert_eq!(again.answer().unwrap().uid, uid(2));
}

#[test]
fn reduce_reads_every_map_exactly_once_from_where_it_lies() {
    let (mut control, done) = running_job(&[("a", 2), ("b", 2)]);
    let last = finish_maps(&mut control, done);
    let reduces = last.assignments();
    assert_eq!(reduces.len(), BUCKETS as usize);
    for (_, assignment) in reduces {
        let mut maps: Vec<u32> = assignment.sources.iter().map(|source| source.attempt.task.index).collect();
        maps.sort_unstable();
        assert_eq!(maps, (0..MAPS).collect::<Vec<_>>());
    }
}

#[test]
fn a_lost_worker_costs_exactly_the_splits_that_it_held() {
    let (mut control, done) = running_job(&[("a", 2), ("b", 2)]);
    let held_by_a = done.assignments().iter().filter(|(holder, _)| *holder == worker("a")).count();
    let mut waiting: Vec<_> = finish_maps(&mut control, done).assignments();
    waiting.retain(|(holder, _)| *holder == worker("b"));
    let failure = Failure::new(Reason::WorkerLost, "killed");
    let left = Event::WorkerLeft { worker: worker("a"), instance: "1".into(), failure };
    waiting.extend(Done::of(control.handle(left, 2)).assignments());
    assert_eq!(control.show("job", 2).unwrap().report.stages[0].done, MAPS - held_by_a as u32);
    // Reduce tasks that were to read from the lost worker fail and free their slots for the splits that run again.
    let mut now = 2;
    while control.show("job", now).unwrap().phase == Phase::Running {
        now += limits::RETRY_PAUSE.as_millis() as u64;
        assert!(now < 60_000, "the job does not go on");
        control.handle(heartbeat("b", Vec::new()), now);
        waiting.extend(Done::of(control.handle(Event::Tick, now)).assignments());
        let Some((_, assignment)) = waiting.pop() else { continue };
        let gone = assignment.sources.iter().find(|source| source.worker == worker("a"));
        let result = match gone {
            Some(source) => Err(lost(source.attempt)),
            None if assignment.stage == "map" => Ok(map_output()),
            None => Ok(reduce_output(assignment.attempt)),
        };
        waiting.extend(Done::of(control.handle(finished("b", "1", assignment.attempt, result), now)).assignments());
    }
    let status = control.show("job", now).unwrap();
    assert_eq!(status.phase, Phase::Committing);
    assert_eq!(status.report.stages[0].attempts, MAPS + held_by_a as u32);
}

#[test]
fn a_silent_worker_is_taken_out_and_its_late_result_refused() {
    let (mut control, done) = running_job(&[("a", 4)]);
    let late = done.assignments()[0].1.attempt;
    control.handle(joined("b", "1", 1), 4_000);
    let silence = limits::WORKER_SILENCE_MAX.as_millis() as u64;
    let tick = Done::of(control.handle(Event::Tick, silence + 1));
    assert!(
        tick.effects
            .iter()
            .any(|effect| matches!(effect, Effect::Disconnect { worker: gone, .. } if *gone == worker("a")))
    );
    assert_eq!(control.workers().len(), 1);
    let refused = Done::of(control.handle(finished("a", "1", late, Ok(map_output())), silence + 2));
    assert!(!refused.records.iter().any(|record| matches!(record, Record::AttemptFinished { .. })));
}

#[test]
fn a_connected_worker_that_was_given_up_is_sent_away_to_come_back() {
    let (mut control, _) = running_job(&[]);
    let beat = Done::of(control.handle(heartbeat("a", Vec::new()), 1));
    let sent_away = |effect: &Effect| matches!(effect, Effect::Disconnect { instance, .. } if instance == "1");
    assert!(beat.effects.iter().any(sent_away), "{:?}", beat.effects);
    let back = Done::of(control.handle(joined("a", "1", 4), 2));
    assert_eq!(back.assignments().len(), 4);
    let beat = Done::of(control.handle(heartbeat("a", Vec::new()), 3));
    assert!(!beat.effects.iter().any(sent_away));
}

#[test]
fn an_assignment_that_a_broken_connection_swallowed_runs_again() {
    let (mut control, done) = running_job(&[("a", 4)]);
    let attempts: Vec<AttemptId> = done.assignments().iter().map(|(_, assignment)| assignment.attempt).collect();
    control.handle(joined("a", "1", 4), 100);
    let first = Done::of(control.handle(heartbeat("a", attempts[1..].to_vec()), 200));
    let lost: Vec<_> = first
        .records
        .iter()
        .filter(|record| matches!(record, Record::AttemptFailed { attempt, .. } if *attempt == attempts[0]))
        .collect();
    assert_eq!(lost.len(), 1);
    let second = Done::of(control.handle(heartbeat("a", Vec::new()), 300));
    assert!(
        !second.records.iter().any(|record| matches!(record, Record::AttemptFailed { .. })),
        "only what was sent before the break is in doubt"
    );
}

#[test]
fn a_task_that_keeps_failing_ends_its_job_and_a_users_mistake_ends_it_at_once() {
    for (failure, expected_attempts) in
        [(Failure::new(Reason::Io, "disk"), 4), (Failure::new(Reason::MalformedRow, "line 3"), 1)]
    {
        let (mut control, mut done) = running_job(&[("a", 1)]);
        let mut now = 0;
        let mut attempts = 0;
        while control.show("job", now).unwrap().failure.is_none() {
            now += limits::RETRY_PAUSE_MAX.as_millis() as u64;
            control.handle(heartbeat("a", Vec::new()), now);
            let assignments = done.assignments();
            done = Done::default();
            for (_, assignment) in assignments {
                let first = assignment.attempt.task.index == 0;
                attempts += u32::from(first);
                let result = if first { Err(failure.clone()) } else { Ok(map_output()) };
                done = Done::of(control.handle(finished("a", "1", assignment.attempt, result), now));
            }
            if done.assignments().is_empty() {
                now += limits::RETRY_PAUSE_MAX.as_millis() as u64;
                control.handle(heartbeat("a", Vec::new()), now);
                done = Done::of(control.handle(Event::Tick, now));
            }
            assert!(attempts < 100);
        }
        assert_eq!(attempts, expected_attempts, "{failure:?}");
        assert_eq!(control.show("job", now).unwrap().failure.unwrap().reason, failure.reason);
    }
}

#[test]
fn cancel_calls_attempts_back_and_sweeps_before_the_job_ends() {
    let (mut control, done) = running_job(&[("a", 2)]);
    let cancelled = Done::of(control.handle(Event::Cancel { name: "job".into(), reply: ReplyId(9) }, 1));
    assert_eq!(cancelled.answer().unwrap().failure.unwrap().reason, Reason::Cancelled);
    let called_back = cancelled.effects.iter().filter(|effect| matches!(effect, Effect::CancelAttempt { .. })).count();
    assert_eq!(called_back, 2);
    let mut swept = Done::default();
    for (_, assignment) in done.assignments() {
        assert!(
            !swept.effects.iter().any(|effect| matches!(effect, Effect::Discard { .. })),
            "swept while an attempt could still write"
        );
        let failure = Failure::new(Reason::Cancelled, "cancelled");
        swept = Done::of(control.handle(finished("a", "1", assignment.attempt, Err(failure)), 2));
    }
    assert!(swept.effects.iter().any(|effect| matches!(effect, Effect::Discard { tables, .. } if tables == &["/out"])));
    assert_eq!(control.show("job", 3).unwrap().phase, Phase::Running);
    control.handle(Event::Discarded { job: uid(1) }, 3);
    assert_eq!(control.show("job", 3).unwrap().phase, Phase::Failed);
}

#[test]
fn a_job_without_workers_waits_and_then_says_so() {
    let (mut control, _) = running_job(&[]);
    control.handle(Event::Tick, 0);
    let grace = limits::NO_WORKER_DEFAULT.as_millis() as u64;
    control.handle(Event::Tick, grace);
    assert!(control.show("job", grace).unwrap().failure.is_none());
    control.handle(Event::Tick, grace + 1);
    assert_eq!(control.show("job", grace + 1).unwrap().failure.unwrap().reason, Reason::NoWorkers);
}

#[test]
fn a_head_that_is_told_so_waits_longer_for_workers() {
    let (control, _) = running_job(&[]);
    let mut control = control.with_no_worker_max(std::time::Duration::from_secs(3_600));
    control.handle(Event::Tick, 0);
    for now in (0..=3_600_000).step_by(60_000) {
        control.handle(Event::Tick, now);
        assert!(control.show("job", now).unwrap().failure.is_none(), "{now}");
    }
    let done = Done::of(control.handle(joined("a", "1", 2), 3_600_000));
    assert_eq!(done.assignments().len(), 2, "it goes on when a worker comes");
}

#[test]
fn the_time_left_is_told_as_soon_as_a_task_has_ended() {
    let mut head = Head::new();
    head.handle(joined("a", "1", 2), 0);
    head.submit("job", 1, 0);
    let mut running = head.gather(1, 0).assignments();
    let told = |head: &Head, now_ms| {
        let progress = head.control.show("job", now_ms).unwrap().progress;
        (progress.seconds_left, progress.per_second)
    };
    let mut finish_all = |head: &mut Head, now_ms| {
        let ended = std::mem::take(&mut running);
        running = ended.iter().flat_map(|(worker, it)| head.finish(worker, it, now_ms).assignments()).collect();
    };
    assert_eq!(told(&head, 5_000), (None, None));
    // Two of four maps took ten seconds, and half of the job is after them.
    finish_all(&mut head, 10_000);
    assert_eq!(told(&head, 10_000), (Some(30.0), None));
    assert_eq!(told(&head, 15_000), (Some(25.0), None));
    // Nobody knows yet how long a reduce takes: four fifths of what the maps took, and the commit a tenth of all.
    finish_all(&mut head, 20_000);
    assert_eq!(told(&head, 20_000), (Some(20.0), None));
    // It took less.
    finish_all(&mut head, 24_000);
    let (left, per_second) = told(&head, 24_000);
    assert_eq!(per_second, Some(0.5), "two groups in four seconds");
    assert!((left.unwrap() - (4.0 + 28.0 / 9.0)).abs() < 1e-9, "{left:?}");
}
