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
    /// How many of both were written in which version, the oldest first.
    pub versions: BTreeMap<u32, u64>,
    /// How many jobs are in which phase.
    pub jobs: BTreeMap<String, u64>,
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
    /// What is wrong, and what to do.
    pub failure: Failure,
}

impl StateReport {
    /// The report of a state of which nothing can be read.
    pub fn unreadable(failure: Failure) -> Self {
        Self { problems: vec![StateProblem { job: None, name: None, failure }], ..Self::default() }
    }
}

/// Reads records and replays each job's, at `now_ms`.
pub(super) fn check(stored: &[StoredRecord], kinds: &Kinds, now_ms: u64) -> StateReport {
    let mut jobs: BTreeMap<JobUid, Vec<&[u8]>> = BTreeMap::new();
    for StoredRecord { job, bytes } in stored {
        jobs.entry(*job).or_default().push(bytes);
    }
    let bytes = stored.iter().map(|record| record.bytes.len() as u64).sum();
    let mut report = StateReport { bytes, ..StateReport::default() };
    for (job, stored) in jobs {
        check_job(job, &stored, kinds, now_ms, &mut report);
    }
    report
}

fn check_job(job: JobUid, stored: &[&[u8]], kinds: &Kinds, now_ms: u64, report: &mut StateReport) {
    let (mut records, mut broken) = (Vec::new(), None);
    for (number, bytes) in (1..).zip(stored) {
        if let Some(version) = version_of(bytes) {
            *report.versions.entry(version).or_default() += 1;
        }
        match decode(bytes).and_then(|record| belongs(record, job)) {
            Ok(Record::History { .. }) => report.histories += 1,
            Ok(record) => {
                report.records += 1;
                records.push(record);
            }
            Err(failure) => {
                report.records += 1;
                broken.get_or_insert_with(|| numbered(failure, number, stored.len()));
            }
        }
    }
    let name = records.iter().find_map(|record| match record {
        Record::Accepted { spec, .. } => Some(spec.metadata.name.clone()),
        _ => None,
    });
    // A history alone is of no harm: nobody asks for it.
    let replayed = match broken {
        None if records.is_empty() => return,
        None => Control::recover(kinds.clone(), records, now_ms),
        Some(failure) => Err(failure),
    };
    match replayed {
        Ok((control, _)) => {
            for status in control.list(now_ms) {
                *report.jobs.entry(format!("{:?}", status.phase)).or_default() += 1;
            }
        }
        Err(failure) => {
            report.problems.push(StateProblem { job: Some(job), name, failure: advised(failure, job) });
        }
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
