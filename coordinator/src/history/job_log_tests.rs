//! A job's log from records and workers.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use shoal_core::task::{Counters, ExchangeTimes, TaskOutput};
use shoal_core::{JobUid, TaskId, WorkerId};

use super::*;

const JOB: JobUid = JobUid(uuid::Uuid::from_u128(7));
const START: u64 = 1_700_000_000_000;

fn attempt(index: u32, number: u32) -> AttemptId {
    AttemptId { task: TaskId { job: JOB, stage: 0, index }, number }
}

fn planned() -> Record {
    let plan = json!({"name": "map", "reads": null, "percent_after": 50, "tasks": []});
    Record::StagePlanned { job: JOB, stage: 0, plan: serde_json::from_value(plan).unwrap() }
}

fn started(attempt: AttemptId, at_ms: u64) -> Record {
    Record::AttemptStarted {
        attempt,
        worker: WorkerId("w".into()),
        instance: "1".into(),
        queued_ms: 0,
        at_ms,
        duplicate: false,
    }
}

fn finished(attempt: AttemptId, at_ms: u64) -> Record {
    Record::AttemptFinished { attempt, worker: WorkerId("w".into()), output: Default::default(), at_ms }
}

fn failed(attempt: AttemptId, failure: Failure, at_ms: u64) -> Record {
    Record::AttemptFailed { attempt, failure, at_ms }
}

fn wrote(texts: &[&str]) -> AttemptLog {
    AttemptLog { lines: texts.iter().map(|text| (START, LogLevel::Info, (*text).to_owned())).collect(), left_out: 0 }
}

fn texts(log: &JobLog) -> Vec<String> {
    log.lines.iter().map(|line| line.text.clone()).collect()
}

#[test]
fn attempts_are_told_with_their_time_and_outcome() {
    let lost = Failure::new(Reason::WorkerLost, "it is gone");
    let handed = Failure::new(Reason::HandedBack, "suspended");
    let log = JobLog::replay(&[
        planned(),
        started(attempt(0, 1), START),
        started(attempt(1, 1), START),
        started(attempt(2, 1), START + 10),
        finished(attempt(0, 1), START + 1_500),
        failed(attempt(1, 1), lost, START + 2_000),
        failed(attempt(2, 1), handed, START + 2_000),
        started(attempt(1, 2), START + 3_000),
    ]);
    let told: Vec<_> = log
        .history()
        .attempts
        .into_iter()
        .map(|it| (it.stage, it.task, it.attempt, it.worker, it.seconds, it.outcome, it.reason))
        .collect();
    let of = |task, number, seconds, outcome, reason| {
        ("map".to_owned(), task, number, "w".to_owned(), seconds, outcome, reason)
    };
    let expected = [
        of(0, 1, Some(1.5), AttemptOutcome::Succeeded, None),
        of(1, 1, Some(2.0), AttemptOutcome::Failed, Some(Reason::WorkerLost)),
        of(2, 1, Some(1.99), AttemptOutcome::HandedBack, Some(Reason::HandedBack)),
        of(1, 2, None, AttemptOutcome::Running, None),
    ];
    assert_eq!(told, expected);
    let texts = texts(&log);
    assert!(texts.iter().any(|text| text.contains("WorkerLost: it is gone (on w)")), "{texts:?}");
}

#[test]
fn an_attempt_that_succeeded_says_what_it_took() {
    let mut log = JobLog::replay(&[planned(), started(attempt(0, 1), START)]);
    let output = TaskOutput {
        counters: Counters { rows_in: 7, bytes_local: 9, ..Counters::default() },
        peak_memory_bytes: 11,
        exchange: Some(ExchangeTimes { from_ms: 1, to_ms: 5, waited_ms: 3 }),
        ..TaskOutput::default()
    };
    let worker = WorkerId("w".into());
    log.observe(&Record::AttemptFinished { attempt: attempt(0, 1), worker, output, at_ms: START }, START);
    let told = serde_json::to_value(log.history().attempts[0].took.clone()).unwrap();
    let exchange = json!({"fromMs": 1, "toMs": 5, "waitedMs": 3});
    assert_eq!(told, json!({"rowsIn": 7, "bytesLocal": 9, "peakMemoryBytes": 11, "exchange": exchange}));
}

#[test]
fn lines_are_taken_once_and_from_who_runs_the_attempt() {
    let mut log = JobLog::replay(&[planned(), started(attempt(0, 1), START)]);
    log.take_lines(attempt(0, 1), "another", wrote(&["stolen"]), LogOf::Succeeded, START);
    log.take_lines(attempt(9, 1), "w", wrote(&["unknown"]), LogOf::Succeeded, START);
    assert!(!log.is_fresh);
    for _ in 0..2 {
        log.take_lines(attempt(0, 1), "w", wrote(&["read 3 rows", "done"]), LogOf::Succeeded, START);
    }
    log.observe(&finished(attempt(0, 1), START), START);
    log.take_lines(attempt(0, 1), "w", wrote(&["late"]), LogOf::Succeeded, START);
    assert_eq!(texts(&log), ["stage map is planned: 0 tasks", "read 3 rows", "done"]);
    assert!(log.is_fresh);
    let line = log.lines.iter().last().unwrap();
    assert_eq!((line.stage.as_deref(), line.task, line.attempt), (Some("map"), Some(0), Some(1)));
    assert_eq!(line.worker.as_deref(), Some("w"));
}

#[test]
fn lines_of_a_running_attempt_are_there_at_once_and_not_twice() {
    let told = |texts: &[&str], before| AttemptLog { left_out: before, ..wrote(texts) };
    let mut log = JobLog::replay(&[planned(), started(attempt(0, 1), START)]);
    let take = |log: &mut JobLog, told, of| log.take_lines(attempt(0, 1), "w", told, of, START);
    take(&mut log, told(&["one", "two"], 0), LogOf::Running);
    assert_eq!(texts(&log)[1..], ["one", "two"]);
    // A line was lost with a stream; the end has what its worker still has.
    take(&mut log, told(&["four"], 3), LogOf::Running);
    take(&mut log, told(&["three", "four", "five"], 2), LogOf::Succeeded);
    assert_eq!(texts(&log)[1..], ["one", "two", "four", "five"]);
    assert_eq!(log.history().lines_left_out, 1);

    // Another head has what was stored, and hears of the end.
    let mut log = JobLog::replay(&[planned(), started(attempt(0, 1), START)]);
    take(&mut log, told(&["one", "two"], 0), LogOf::Running);
    let stored = log.lines_only();
    let mut log = JobLog::replay(&[planned(), started(attempt(0, 1), START)]);
    log.remember(stored);
    take(&mut log, told(&["one", "two", "three"], 0), LogOf::Failed);
    assert_eq!(texts(&log)[1..], ["one", "two", "three"]);
}

#[test]
fn places_rise_also_over_a_restart() {
    let records = [planned(), started(attempt(0, 1), START), started(attempt(1, 1), START)];
    let mut before = JobLog::replay(&records);
    before.take_lines(attempt(0, 1), "w", wrote(&["one", "two"]), LogOf::Succeeded, START + 500);
    before.observe(&finished(attempt(0, 1), START + 500), START + 500);
    let stored = before.lines_only();

    let mut after = JobLog::replay(records.iter().chain(&[finished(attempt(0, 1), START + 500)]));
    after.remember(stored.clone());
    assert_eq!(texts(&after), texts(&before), "nothing is lost, nothing is there twice");
    after.take_lines(attempt(1, 1), "w", wrote(&["three"]), LogOf::Succeeded, START + 500);
    let places: Vec<u64> = after.lines.iter().map(|line| line.seq).collect();
    assert!(places.is_sorted_by(|one, other| one < other), "{places:?}");
    assert!(after.lines.iter().last().unwrap().seq > stored.lines.last().unwrap().seq);
}

#[test]
fn a_history_stays_small_whatever_happens() {
    let mut log = JobLog::replay(&[planned()]);
    let long = "\"\\\u{7}long ".repeat(1_000);
    for index in 0..5_000 {
        let attempt = attempt(index, 1);
        log.observe(&started(attempt, START), START);
        let failed_one = index % 100 == 0;
        let of = if failed_one { LogOf::Failed } else { LogOf::Succeeded };
        log.take_lines(attempt, "w", wrote(&[&long, "end"]), of, START);
        log.observe(
            &if failed_one {
                failed(attempt, Failure::new(Reason::Io, format!("number {index}")), START)
            } else {
                finished(attempt, START)
            },
            START,
        );
    }
    let history = log.history();
    let record = Record::History { job: JOB, history: Box::new(history.clone()) };
    let bytes = shoal_core::journal::encode(&record).unwrap().len();
    assert!((20_000..96 << 10).contains(&bytes), "{bytes} bytes");
    let failures = history.attempts.iter().filter(|it| it.outcome == AttemptOutcome::Failed).count();
    assert_eq!(failures, 50, "those that failed are all there");
    assert_eq!(history.attempts.len() as u64 + history.attempts_left_out, 5_000);
    assert!(history.lines_left_out > 9_000);
    // What is left of the room takes a few short ones of others.
    let (of_failed, of_others): (Vec<_>, Vec<_>) =
        history.lines.iter().partition(|line| line.task.is_none_or(|task| task % 100 == 0));
    let bytes = |lines: &[&JobLine]| lines.iter().map(|line| line.text.len()).sum::<usize>();
    assert!(bytes(&of_failed) > 20 * bytes(&of_others), "lines of failed ones stay");
}

#[test]
fn what_runs_when_the_job_ends_was_called_back() {
    let mut log = JobLog::replay(&[planned(), started(attempt(0, 1), START)]);
    log.observe(&Record::Resumed { job: JOB, at_ms: START + 2_000 }, 0);
    let report = &log.history().attempts[0];
    assert_eq!((report.outcome, report.seconds), (AttemptOutcome::CalledBack, Some(2.0)));
}

#[test]
fn a_worker_that_sends_too_much_is_cut() {
    let mut log = JobLog::replay(&[planned(), started(attempt(0, 1), START)]);
    let many: Vec<String> = (0..ATTEMPT_LINES_MAX + 20).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    log.take_lines(attempt(0, 1), "w", wrote(&many), LogOf::Succeeded, START);
    assert_eq!(log.history().lines_left_out, 20);
    assert_eq!(texts(&log).last().map(String::as_str), many.last().copied());
}
