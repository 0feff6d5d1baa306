//! A state is written out, read in, and looked at; also one that is broken.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shoal_core::Job;
use shoal_core::Payload;
use shoal_core::journal::{RECORD_VERSION, Record, StoredRecord};
use shoal_core::kind::{Capacity, JobKind, Planned, StageOutcome};

use super::*;

struct NoKind;

#[async_trait]
impl JobKind for NoKind {
    fn name(&self) -> &'static str {
        "groupedTraining"
    }

    async fn facts(&self, _: &Job) -> Result<Payload, Failure> {
        Err(Failure::internal("nothing is run here"))
    }

    fn plan(&self, _: &Job, _: &Payload, _: &[StageOutcome], _: Capacity) -> Result<Planned, Failure> {
        Err(Failure::internal("nothing is planned here"))
    }
}

pub(super) fn at(folder: &Path) -> StateConfig {
    StateConfig::Folder(folder.to_owned())
}

pub(super) fn kinds() -> Kinds {
    Kinds::new([Arc::new(NoKind) as Arc<dyn JobKind>])
}

/// An export as a build of that version wrote it.
pub(super) fn corpus(version: u32) -> String {
    let file = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join(format!("tests/state/v{version}.jsonl"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What an export holds of jobs: its first line is about the state.
pub(super) fn body(export: &Export) -> Vec<&str> {
    export.lines.lines().skip(1).collect()
}

pub(super) async fn imported(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    import(at(folder.path()), text.as_bytes(), "export", &kinds()).await.unwrap();
    folder
}

async fn refused(text: &str) -> Failure {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let failure = import(at(&state), text.as_bytes(), "export", &kinds()).await.unwrap_err();
    assert!(!state.exists(), "a refusal leaves nothing behind");
    failure
}

#[tokio::test]
async fn exports_of_every_version_load() {
    let later = json!({"Succeeded": 1, "Running": 1, "Failed": 1});
    for (version, jobs) in [(1, json!({"Succeeded": 1, "Running": 1})), (2, later.clone()), (RECORD_VERSION, later)] {
        let folder = imported(&corpus(version)).await;
        let report = check(at(folder.path()), &kinds()).await.unwrap();
        assert_eq!(report.problems, [], "version {version}");
        assert_eq!(json!(report.jobs), jobs, "version {version}");
        assert!(
            report.bytes > 0 && report.versions.keys().eq([&RECORD_VERSION]),
            "stored in the present version: {report:?}"
        );
        let again = export(at(folder.path()), &[]).await.unwrap();
        let third = imported(&again.lines).await;
        let and_again = export(at(third.path()), &[]).await.unwrap();
        assert_eq!(body(&and_again), body(&again), "version {version}: there and back again");
        assert_eq!((and_again.jobs, and_again.records), (again.jobs, again.records));
    }
    // The present one is written as it was: nothing of it is lost.
    let lines = corpus(RECORD_VERSION);
    let folder = imported(&lines).await;
    let written = export(at(folder.path()), &[]).await.unwrap().lines;
    let records = |text: &str| -> Vec<Value> {
        let all = text.lines().map(|line| serde_json::from_str(line).unwrap());
        all.filter(|line: &Value| line["v"] == RECORD_VERSION).collect()
    };
    assert_eq!(records(&written), records(&lines));
}

#[tokio::test]
async fn a_state_with_jobs_is_not_mixed_with_an_import() {
    let folder = imported(&corpus(2)).await;
    let before = export(at(folder.path()), &[]).await.unwrap();
    let failure = import(at(folder.path()), corpus(1).as_bytes(), "export", &kinds()).await.unwrap_err();
    assert!(failure.reason == Reason::NotPossible && failure.next.is_some(), "{failure:?}");
    assert_eq!(body(&export(at(folder.path()), &[]).await.unwrap()), body(&before));
}

#[tokio::test]
async fn an_export_that_is_not_whole_is_refused() {
    let whole = corpus(2);
    let lines: Vec<&str> = whole.lines().collect();
    for keep in 0..lines.len() {
        assert_eq!(refused(&lines[..keep].join("\n")).await.reason, Reason::CorruptFile, "{keep} lines");
    }
    assert_eq!(refused(&whole[..whole.len() / 2]).await.reason, Reason::CorruptFile);
    for without in 1..lines.len() {
        let mut lines = lines.clone();
        lines.remove(without);
        assert_eq!(refused(&lines.join("\n")).await.reason, Reason::CorruptFile, "without line {without}");
    }
    let damaged = whole.replacen("\"accepted\"", "\"excepted\"", 1);
    let failure = refused(&damaged).await;
    assert_eq!((failure.reason, failure.location.line), (Reason::CorruptFile, Some(2)));
    assert_eq!(refused(&format!("{whole}{}\n", lines[1])).await.reason, Reason::CorruptFile, "behind the end");
    assert_eq!(refused("{}\n").await.reason, Reason::CorruptFile);
    for newer in [whole.replacen("\"shoalState\":1", "\"shoalState\":2", 1), whole.replacen("\"v\":2", "\"v\":9", 1)] {
        let failure = refused(&newer).await;
        assert!(failure.reason == Reason::IncompatibleVersion && failure.next.is_some(), "{failure:?}");
    }
}

#[tokio::test]
async fn what_a_head_would_refuse_is_not_imported() {
    // A job that was never accepted.
    let lines = "{\"shoalState\":1}\n{\"v\":2,\"record\":{\"facts\":{\"job\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\
                 \"facts\":{}}}}\n{\"end\":{\"jobs\":1,\"records\":1}}\n";
    assert_eq!(refused(lines).await.location.file.as_deref(), Some("export"));
}

#[tokio::test]
async fn a_folder_without_a_state_and_one_in_use_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let failure = check(at(folder.path()), &kinds()).await.unwrap_err();
    assert_eq!(failure.reason, Reason::InvalidValue);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "looking makes none");
    let _held = crate::RedbJournal::open(folder.path()).await.unwrap();
    for failure in [
        check(at(folder.path()), &kinds()).await.unwrap_err(),
        export(at(folder.path()), &[]).await.unwrap_err(),
        import(at(folder.path()), corpus(2).as_bytes(), "export", &kinds()).await.unwrap_err(),
    ] {
        assert_eq!(failure.reason, Reason::StateLocked);
    }
}

/// As a store gives it.
fn stored(record: &Record, number: usize) -> StoredRecord {
    let is_apart = matches!(record, Record::History { .. });
    let bytes = shoal_core::journal::encode(record).unwrap();
    StoredRecord { job: record.job(), key: format!("key-{number}"), is_apart, bytes }
}

fn stored_corpus() -> (Vec<Record>, Vec<StoredRecord>) {
    let records = import::parse(corpus(2).as_bytes(), "export").unwrap().records;
    let stored = records.iter().zip(0..).map(|(record, number)| stored(record, number)).collect();
    (records, stored)
}

#[test]
fn a_clock_that_jumps_changes_nothing_of_what_a_state_holds() {
    const HOUR_MS: u64 = 60 * 60 * 1_000;
    let (_, stored) = stored_corpus();
    // When the records were written.
    let then = 1_700_000_000_000;
    let expected = check::check(&stored, &kinds(), then);
    assert_eq!((expected.problems.len(), expected.jobs.len()), (0, 3));
    for now_ms in [0, then - HOUR_MS, then + HOUR_MS, then + 24 * HOUR_MS] {
        assert_eq!(check::check(&stored, &kinds(), now_ms), expected, "at {now_ms}");
    }
}

#[test]
fn a_check_counts_what_it_looked_at() {
    let (records, mut stored) = stored_corpus();
    let good = check::check(&stored, &kinds(), 0);
    let histories: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::History { history, .. } => Some(history),
            _ => None,
        })
        .collect();
    assert_eq!((good.finished, good.histories), (2, histories.len() as u64), "{good:?}");
    let of = |count: fn(&shoal_core::history::JobHistory) -> usize| {
        histories.iter().map(|history| count(history) as u64).sum::<u64>()
    };
    assert_eq!((good.attempts, good.log_lines), (of(|it| it.attempts.len()), of(|it| it.lines.len())));
    assert!(good.attempts > 0 && good.log_lines > 0, "the corpus has some: {good:?}");

    // A head goes on without a history, and so does the check.
    let history = stored.iter_mut().find(|record| record.is_apart).unwrap();
    history.bytes.truncate(20);
    let (job, key) = (history.job, history.key.clone());
    let report = check::check(&stored, &kinds(), 0);
    assert_eq!((report.finished, report.histories, report.problems.len()), (2, good.histories, 1), "{report:?}");
    assert_eq!((report.problems[0].job, report.problems[0].key.as_ref()), (Some(job), Some(&key)));
}

#[test]
fn a_broken_record_is_told_with_its_job_and_does_not_hide_the_others() {
    let (records, mut stored) = stored_corpus();
    let good = check::check(&stored, &kinds(), 0);
    assert_eq!((good.problems.len(), good.jobs.len()), (0, 3));
    assert_eq!(good.records + good.histories, records.len() as u64);

    let broken = stored.iter().position(|record| record.job == records[0].job()).unwrap();
    let (job, bytes) = (stored[broken].job, stored[broken].bytes.clone());
    for (damage, reason) in [
        (bytes[..bytes.len() / 2].to_vec(), Reason::CorruptFile),
        (b"{\"v\":9,\"record\":{}}".to_vec(), Reason::IncompatibleVersion),
        (
            shoal_core::journal::encode(&Record::Forgotten { job: JobUid(uuid::Uuid::nil()) }).unwrap(),
            Reason::CorruptFile,
        ),
    ] {
        stored[broken].bytes = damage;
        let report = check::check(&stored, &kinds(), 0);
        assert_eq!(report.problems.len(), 1, "{report:?}");
        let problem = &report.problems[0];
        assert_eq!((problem.job, problem.failure.reason), (Some(job), reason));
        assert_eq!(problem.key.as_ref(), Some(&stored[broken].key));
        assert!(
            problem.failure.next.is_some() && problem.failure.message.contains("record 1 of the job's"),
            "{problem:?}"
        );
        assert_eq!(report.jobs.values().sum::<u64>(), 2, "the others are there");
        // What the check advises works.
        let failure = export::export(&stored, &[], 1).unwrap_err();
        assert_eq!(failure.reason, reason);
        let rest = export::export(&stored, &[job], 1).unwrap();
        assert_eq!(rest.jobs, 2);
        import::parse(rest.lines.as_bytes(), "export").unwrap();
    }
    // Its acceptance is gone.
    stored.remove(broken);
    let report = check::check(&stored, &kinds(), 0);
    assert_eq!(report.problems.len(), 1, "{report:?}");
}
