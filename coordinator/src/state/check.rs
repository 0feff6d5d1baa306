//! Verifies what is stored, job by job, so that one that is broken does not hide the others.

use std::collections::BTreeMap;

use serde::Serialize;
use shoal_core::control::Control;
use shoal_core::journal::{Record, StoredRecord, decode, version_of};
use shoal_core::kind::Kinds;
use shoal_core::{Failure, JobUid, Reason};

/// What is in a state, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateReport {
    /// Bytes of all records.
    pub bytes: u64,
    /// Records that heads read when they start.
    pub records: u64,
    /// Attempts and logs of jobs, which are kept apart.
    pub histories: u64,
    /// Attempts in those that can be read.
    pub attempts: u64,
    /// Lines of logs in those that can be read.
    pub log_lines: u64,
    /// How many of both were written in which version, the oldest first.
    pub versions: BTreeMap<u32, u64>,
    /// How many jobs are in which phase, of those that can be replayed.
    pub jobs: BTreeMap<String, u64>,
    /// How many of them have ended.
    pub finished: u64,
    /// What is broken.
    pub problems: Vec<StateProblem>,
}

/// Something that is broken.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateProblem {
    /// The job, where it is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobUid>,
    /// Its name, where that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the damaged record lies in the store, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong, and what to do.
    pub failure: Failure,
}

impl StateReport {
    /// The report of a state of which nothing can be read.
    pub fn unreadable(failure: Failure) -> Self {
        Self { problems: vec![StateProblem { job: None, name: None, key: None, failure }], ..Self::default() }
    }
}

/// Reads records and replays each job's, at `now_ms`.
pub(super) fn check(stored: &[StoredRecord], kinds: &Kinds, now_ms: u64) -> StateReport {
    let mut jobs: BTreeMap<JobUid, Vec<&StoredRecord>> = BTreeMap::new();
    for record in stored {
        jobs.entry(record.job).or_default().push(record);
    }
    let bytes = stored.iter().map(|record| record.bytes.len() as u64).sum();
    let mut report = StateReport { bytes, ..StateReport::default() };
    for (job, stored) in jobs {
        check_job(job, &stored, kinds, now_ms, &mut report);
    }
    report
}

fn check_job(job: JobUid, stored: &[&StoredRecord], kinds: &Kinds, now_ms: u64, report: &mut StateReport) {
    let (mut records, mut broken) = (Vec::new(), Vec::new());
    for (number, stored_record) in (1..).zip(stored) {
        let StoredRecord { job: _, key, is_apart, bytes } = stored_record;
        if let Some(version) = version_of(bytes) {
            *report.versions.entry(version).or_default() += 1;
        }
        *(if *is_apart { &mut report.histories } else { &mut report.records }) += 1;
        match decode(bytes).and_then(|record| belongs(record, job)) {
            Ok(Record::History { history, .. }) => {
                report.attempts += history.attempts.len() as u64;
                report.log_lines += history.lines.len() as u64;
            }
            Ok(record) => records.push(record),
            Err(failure) => broken.push((key, *is_apart, numbered(failure, number, stored.len()))),
        }
    }
    let name = records.iter().find_map(|record| match record {
        Record::Accepted { spec, .. } => Some(spec.metadata.name.clone()),
        _ => None,
    });
    // Heads start without a history that cannot be read: it decides nothing. One alone is of no harm: nobody asks for it.
    let is_decidable = broken.iter().all(|(_, is_apart, _)| *is_apart);
    let mut problem = |key: Option<&String>, failure| {
        let failure = advised(failure, job);
        report.problems.push(StateProblem { job: Some(job), name: name.clone(), key: key.cloned(), failure });
    };
    for (key, _, failure) in broken {
        problem(Some(key), failure);
    }
    if records.is_empty() || !is_decidable {
        return;
    }
    match Control::recover(kinds.clone(), records, now_ms) {
        Ok((control, _)) => {
            for status in control.list(now_ms) {
                *report.jobs.entry(format!("{:?}", status.phase)).or_default() += 1;
                report.finished += u64::from(status.phase.is_final());
            }
        }
        Err(failure) => problem(None, failure),
    }
}

/// A record, unless it is about another job than the one that it is stored under.
pub(super) fn belongs(record: Record, job: JobUid) -> Result<Record, Failure> {
    if record.job() == job {
        return Ok(record);
    }
    Err(Failure::new(Reason::CorruptFile, format!("a record of job {} is stored under another", record.job())))
}

pub(super) fn numbered(mut failure: Failure, number: usize, of: usize) -> Failure {
    failure.message = format!("{} (record {number} of the job's {of})", failure.message);
    failure
}

/// Says how to go on without the job, unless a newer build can read it.
pub(super) fn advised(failure: Failure, job: JobUid) -> Failure {
    if failure.reason == Reason::IncompatibleVersion {
        return failure;
    }
    failure.next(format!(
        "restore the state from a backup; or go on without the job, which is unknown then: `shoal state export --without \
         {job}`, and import that into an empty state"
    ))
}
