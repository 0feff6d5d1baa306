//! Histories of several jobs.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use shoal_core::journal::Leadership;
use shoal_core::task::LogLevel;
use shoal_core::{AttemptId, TaskId};

use super::*;
use crate::RedbJournal;

const START: u64 = 1_700_000_000_000;

fn uid(number: u128) -> JobUid {
    JobUid(uuid::Uuid::from_u128(number))
}

fn accepted(job: JobUid) -> Record {
    let spec = json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": "j"},
        "spec": {"groupedTraining": {
            "input": {"table": "/in"}, "groupBy": ["k"], "output": {"table": "/out"},
            "model": {"ols": {"target": "y", "features": ["x"]}},
        }},
    });
    Record::Accepted { job, at_ms: START, spec: serde_json::from_value(spec).unwrap() }
}

fn started(job: JobUid) -> Record {
    let worker = WorkerId("w".into());
    Record::AttemptStarted {
        attempt: attempt(job),
        worker,
        instance: "1".into(),
        queued_ms: 0,
        at_ms: START,
        duplicate: false,
    }
}

fn attempt(job: JobUid) -> AttemptId {
    AttemptId { task: TaskId { job, stage: 0, index: 0 }, number: 1 }
}

fn ended(job: JobUid, resumable: bool) -> Record {
    let status = json!({
        "name": "j", "uid": job, "kind": "groupedTraining", "phase": "Failed", "progress": {}, "outputs": [],
        "report": {"finishedMs": START + 9_000},
    });
    Record::Ended { job, status: serde_json::from_value(status).unwrap(), resumable }
}

fn write(histories: &Histories, job: JobUid, text: &str) {
    let log = AttemptLog { lines: vec![(START, LogLevel::Info, text.to_owned())], left_out: 0 };
    histories.take_lines(attempt(job), &WorkerId("w".into()), log, LogOf::Succeeded, START);
}

fn texts(history: &JobHistory) -> Vec<&str> {
    history.lines.iter().map(|line| line.text.as_str()).collect()
}

#[tokio::test]
async fn a_jobs_history_is_stored_with_its_end_and_goes_with_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let journal = RedbJournal::open(folder.path()).await.unwrap();
    let epoch = journal.campaign().await.unwrap();
    let histories = Histories::load(&[], &journal).await;
    let job = uid(1);
    let records = vec![accepted(job), started(job)];
    histories.observe(&records, START);
    assert_eq!(histories.complete(records.clone(), START), records, "nothing is due yet");
    journal.append(epoch, records).await.unwrap();
    write(&histories, job, "hello");
    assert_eq!(texts(&histories.view(job).unwrap()), ["accepted", "hello"]);

    let end = vec![ended(job, false)];
    histories.observe(&end, START + 9_000);
    let end = histories.complete(end, START + 9_000);
    assert_eq!(end.len(), 2, "the history goes with the end");
    journal.append(epoch, end).await.unwrap();
    histories.stored(&[job]);
    assert_eq!(histories.view(job), None);
    let stored = journal.load_history(job).await.unwrap().unwrap();
    assert_eq!(texts(&stored), ["accepted", "hello", "succeeded"]);
    assert_eq!(stored.attempts[0].seconds, Some(9.0));
    assert_eq!(journal.load().await.unwrap().len(), 2, "a head that starts does not read it");
    assert_eq!(journal.scan().await.unwrap().len(), 3);

    journal.append(epoch, vec![Record::Forgotten { job }]).await.unwrap();
    assert_eq!(journal.load_history(job).await.unwrap(), None);
    assert_eq!(journal.scan().await.unwrap(), []);
}

#[tokio::test]
async fn what_workers_wrote_survives_the_head() {
    let folder = tempfile::tempdir().unwrap();
    let journal = RedbJournal::open(folder.path()).await.unwrap();
    let epoch = journal.campaign().await.unwrap();
    let histories = Histories::load(&[], &journal).await;
    let (job, done) = (uid(1), uid(2));
    let records = vec![accepted(job), started(job), accepted(done), ended(done, false)];
    histories.observe(&records[..2], START);
    journal.append(epoch, records.clone()).await.unwrap();
    write(&histories, job, "before");
    let later = START + STORE_INTERVAL.as_millis() as u64;
    let facts = Record::Facts { job, facts: json!({}).into() };
    let due = histories.complete(vec![facts.clone()], later);
    assert_eq!(due.len(), 2, "what workers wrote is stored once in a while");
    assert_eq!(histories.complete(vec![facts.clone()], later + 1).len(), 1, "and not more often");
    journal.append(epoch, due).await.unwrap();

    let again = Histories::load(&journal.load().await.unwrap(), &journal).await;
    let history = again.view(job).unwrap();
    assert_eq!(
        texts(&history),
        ["accepted", "its input was looked at", "before"],
        "what has no time of its own comes early"
    );
    assert_eq!(history.attempts.len(), 1);
    assert_eq!(again.view(done), None, "the history of a job that has ended stays in the journal");
}

#[tokio::test]
async fn a_job_that_goes_on_keeps_its_history() {
    let histories = Histories::default();
    let job = uid(1);
    let before = vec![accepted(job), started(job), ended(job, true)];
    let mut first = JobLog::replay(&before[..2]);
    let log = AttemptLog { lines: vec![(START, LogLevel::Warn, "slow disk".to_owned())], left_out: 0 };
    first.take_lines(attempt(job), "w", log, LogOf::Failed, START);

    histories.recall(job, &before, Some(first.history()));
    assert_eq!(histories.view(job), None, "whether it goes on is not decided");
    histories.observe(&[Record::Resumed { job, at_ms: START + 20_000 }], START + 20_000);
    histories.forget_recalled(job);
    let history = histories.view(job).unwrap();
    assert_eq!(history.attempts.len(), 1);
    let expected = ["accepted", "slow disk", "succeeded", "it goes on from what it had done"];
    assert_eq!(texts(&history), expected);

    histories.recall(uid(2), &before, None);
    histories.forget_recalled(uid(2));
    histories.observe(&[Record::Resumed { job: uid(2), at_ms: START }], START);
    assert_eq!(histories.view(uid(2)).unwrap().attempts.len(), 0);
}
