#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::history::AttemptOutcome;

/// Files of a job as version 1 has them. Frozen: every later build reads them.
const JOB_V1: &str = r#"{
  "shoalJob": 1, "build": "0.1.0",
  "status": {
    "name": "grunfeld", "uid": "01890a5d-ac96-774b-bcce-b302099a8057", "kind": "groupedTraining", "phase": "Failed",
    "progress": {"unit": "groups", "total": 11, "done": 3, "succeeded": 3, "failed": 0, "running": 0, "percent": 27},
    "outputs": [],
    "failure": {"reason": "NoWorkers", "actor": "Platform", "message": "no worker is left", "next": "start some"},
    "report": {
      "submittedMs": 1700000000000, "finishedMs": 1700000060000, "seconds": 60.0, "stages": [], "notes": ["aggregate"],
      "counters": {}, "peakMemoryBytes": 0, "failedAttempts": []
    }
  },
  "spec": {
    "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": "grunfeld"},
    "spec": {"groupedTraining": {
      "input": {"table": "s3://b/t"}, "groupBy": ["firm"], "model": {"ols": {"target": "y", "features": ["x"]}},
      "output": {"table": "s3://b/m"}
    }}
  },
  "attemptsLeftOut": 7, "linesLeftOut": 9
}"#;
const ATTEMPTS_V1: &str = r#"{"stage":"map","task":3,"attempt":1,"worker":"w","startedMs":1700000000123,"seconds":1.5,"outcome":"Succeeded"}
{"stage":"map","task":4,"attempt":1,"worker":"w","startedMs":1700000000123,"outcome":"Failed","reason":"WorkerLost","message":"it is gone"}
"#;
const LOG_V1: &str = r#"{"seq":1,"atMs":1700000000000,"level":"Warn","worker":"w","stage":"map","task":3,"attempt":1,"text":"slow disk"}
{"seq":2,"atMs":1700000000001,"level":"Info","text":"accepted"}
"#;

fn sample() -> ArchivedJob {
    ArchivedJob::parse(JOB_V1.as_bytes(), Some(ATTEMPTS_V1.as_bytes()), Some(LOG_V1.as_bytes())).unwrap()
}

#[test]
fn files_of_the_first_version_are_read() {
    let job = sample();
    assert_eq!((job.status.name.as_str(), job.spec.metadata.name.as_str()), ("grunfeld", "grunfeld"));
    assert_eq!(job.status.failure.as_ref().unwrap().reason, Reason::NoWorkers);
    let JobHistory { attempts, attempts_left_out, lines, lines_left_out } = &job.history;
    assert_eq!((attempts.len(), *attempts_left_out, lines.len(), *lines_left_out), (2, 7, 2, 9));
    assert_eq!((attempts[1].outcome, attempts[1].reason), (AttemptOutcome::Failed, Some(Reason::WorkerLost)));
    assert_eq!((lines[0].text.as_str(), lines[1].worker.as_ref()), ("slow disk", None));
}

#[test]
fn what_is_written_is_read_and_the_file_that_says_so_comes_last() {
    let job = sample();
    let files = job.files("0.1.0").unwrap();
    let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [LOG_FILE, ATTEMPTS_FILE, JOB_FILE]);
    assert_eq!(std::str::from_utf8(&files[0].1).unwrap(), LOG_V1);
    assert_eq!(std::str::from_utf8(&files[1].1).unwrap(), ATTEMPTS_V1);
    assert_eq!(ArchivedJob::parse(&files[2].1, Some(&files[1].1), Some(&files[0].1)).unwrap(), job);
    assert_eq!(ArchivedJob::parse(&files[2].1, None, None).unwrap().history.lines_left_out, 9);
}

#[test]
fn what_cannot_be_read_is_refused_by_its_file_and_line() {
    let newer = json!({"shoalJob": 2, "build": "9.9.9", "whatever": true}).to_string();
    let failure = ArchivedJob::parse(newer.as_bytes(), None, None).unwrap_err();
    assert_eq!(failure.reason, Reason::IncompatibleVersion);
    assert!(failure.next.unwrap().contains("9.9.9"));
    for (job, log, file, line) in [
        ("", LOG_V1.to_owned(), JOB_FILE, None),
        ("{\"shoalJob\": 1, \"build\": \"\"}", LOG_V1.to_owned(), JOB_FILE, None),
        (JOB_V1, format!("{LOG_V1}{{\"seq\":"), LOG_FILE, Some(3)),
    ] {
        let failure = ArchivedJob::parse(job.as_bytes(), None, Some(log.as_bytes())).unwrap_err();
        assert_eq!((failure.reason, failure.location.line), (Reason::CorruptFile, line), "{failure:?}");
        assert_eq!(failure.location.file.as_deref(), Some(file));
    }
}

#[test]
fn members_that_a_later_build_adds_are_no_hindrance() {
    let mut job: Value = serde_json::from_str(JOB_V1).unwrap();
    job["later"] = json!({"more": 1});
    ArchivedJob::parse(job.to_string().as_bytes(), None, None).unwrap();
}

#[test]
fn a_job_has_a_folder_of_its_own() {
    let uid = sample().status.uid;
    assert_eq!(folder(Some("team"), "a", uid), format!("jobs/team/a/{uid}"));
    assert_eq!(folder(None, "a", uid), format!("jobs/none/a/{uid}"));
}
