//! Records.

use serde_json::json;
use shoal_core::history::JobHistory;
use shoal_core::journal::Record;
use shoal_core::{AttemptId, JobUid, TaskId, WorkerId};
use uuid::Uuid;

pub(crate) fn uid(job: u128) -> JobUid {
    JobUid(Uuid::from_u128(job))
}

/// The first record of a job. Stores look at nothing but its job.
pub(crate) fn facts(job: u128, bytes: usize) -> Record {
    Record::Facts { job: uid(job), facts: json!("x".repeat(bytes)).into() }
}

pub(crate) fn started(job: u128, number: u32) -> Record {
    let attempt = AttemptId { task: TaskId { job: uid(job), stage: 0, index: 0 }, number };
    Record::AttemptStarted {
        attempt,
        worker: WorkerId("w".into()),
        instance: "i".into(),
        queued_ms: 0,
        at_ms: 0,
        duplicate: false,
    }
}

pub(crate) fn ended(job: u128, resumable: bool) -> Record {
    let status = json!({
        "name": "j", "uid": uid(job), "kind": "k", "phase": "Succeeded", "progress": {}, "outputs": [], "report": {},
    });
    Record::Ended { job: uid(job), status: serde_json::from_value(status).unwrap(), resumable }
}

/// What is kept apart of a job, to be told by a number.
pub(crate) fn history(job: u128, number: u64) -> Record {
    Record::History { job: uid(job), history: Box::new(JobHistory { attempts_left_out: number, ..Default::default() }) }
}

/// What earlier builds wrote, version by version.
pub(crate) fn corpus(version: u32) -> Vec<String> {
    let folder = std::path::PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../core/tests/journal");
    let text = std::fs::read_to_string(folder.join(format!("v{version}.jsonl"))).unwrap();
    text.lines().map(str::to_owned).collect()
}
