//! Reads what an export wrote: all of it or nothing.

use std::collections::BTreeSet;
use std::io::BufRead;

use serde::Deserialize;
use shoal_core::control::Control;
use shoal_core::journal::{Journal, Record, decode};
use shoal_core::kind::Kinds;
use shoal_core::{Failure, JobUid, Reason};

use super::EXPORT_VERSION;

/// What was read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Jobs.
    pub jobs: usize,
    /// Records, histories included.
    pub records: usize,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "shoalState")]
    version: u32,
    /// Absent where an older build wrote it.
    #[serde(default)]
    epoch: u64,
}

#[derive(Deserialize)]
struct Footer {
    end: Counts,
}

#[derive(Deserialize)]
struct Counts {
    jobs: usize,
    records: usize,
}

/// What an export holds.
pub(super) struct Parsed {
    pub(super) records: Vec<Record>,
    /// No head had led under a higher epoch.
    pub(super) epoch: u64,
}

/// The highest epoch that an export may have: far more than heads or revisions ever count to, with room to count on.
const EPOCH_MAX: u64 = 1 << 62;

/// An export that is whole.
pub(super) fn parse(export: impl BufRead, name: &str) -> Result<Parsed, Failure> {
    let corrupt = |message: String| {
        Failure::new(Reason::CorruptFile, message).file(name).next("write it anew with `shoal state export`")
    };
    let (mut records, mut highest) = (Vec::new(), 0);
    let mut is_whole = false;
    for (line, number) in export.lines().zip(1..) {
        let line =
            line.map_err(|error| corrupt("the export cannot be read".to_owned()).line(number).because(&error))?;
        if number == 1 {
            let header = serde_json::from_str::<Header>(&line);
            let Header { version, epoch } = header.map_err(|error| {
                corrupt("this is no export: its first line does not say so".to_owned()).line(number).because(&error)
            })?;
            known(version).map_err(|failure| failure.file(name))?;
            if epoch > EPOCH_MAX {
                return Err(corrupt(format!("no head has led under epoch {epoch}")).line(number));
            }
            highest = epoch;
        } else if is_whole {
            return Err(corrupt("something stands behind the export's end".to_owned()).line(number));
        } else if let Ok(Footer { end }) = serde_json::from_str(&line) {
            let counts = counts(&records);
            if (end.jobs, end.records) != (counts.jobs, counts.records) {
                let Imported { jobs, records } = counts;
                return Err(corrupt(format!(
                    "the export has {records} records of {jobs} jobs, and its end says {} of {}",
                    end.records, end.jobs
                ))
                .line(number));
            }
            is_whole = true;
        } else {
            records.push(decode(line.as_bytes()).map_err(|failure| failure.file(name).line(number))?);
        }
    }
    if !is_whole {
        return Err(corrupt("the export was cut off: its end is missing".to_owned()));
    }
    Ok(Parsed { records, epoch: highest })
}

fn known(version: u32) -> Result<(), Failure> {
    if (1..=EXPORT_VERSION).contains(&version) {
        return Ok(());
    }
    let message = format!("the export has format {version}; this build reads up to {EXPORT_VERSION}");
    Err(Failure::new(Reason::IncompatibleVersion, message).next("import it with the newer build that wrote it"))
}

fn counts(records: &[Record]) -> Imported {
    let jobs: BTreeSet<JobUid> = records.iter().map(Record::job).collect();
    Imported { jobs: jobs.len(), records: records.len() }
}

/// Whether a head would start with these records.
pub(super) fn verify(records: &[Record], kinds: &Kinds, now_ms: u64) -> Result<(), Failure> {
    let decisive = records.iter().filter(|record| !matches!(record, Record::History { .. }));
    Control::recover(kinds.clone(), decisive.cloned().collect(), now_ms).map(drop)
}

/// Refuses a journal that has records.
pub(super) async fn check_empty(journal: &dyn Journal) -> Result<(), Failure> {
    if journal.scan().await?.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Reason::NotPossible, "there are jobs already: an import does not mix them")
        .next("name a state that is empty, or that is not there yet"))
}

/// Stores records in a journal that has none.
pub(super) async fn store(journal: &dyn Journal, epoch: u64, records: Vec<Record>) -> Result<Imported, Failure> {
    check_empty(journal).await?;
    let counts = counts(&records);
    let jobs: BTreeSet<JobUid> = records.iter().map(Record::job).collect();
    match journal.append(epoch, records).await {
        Ok(()) => Ok(counts),
        Err(mut failure) => {
            // A store that takes it in several parts may have taken some.
            let undo = journal.append(epoch, jobs.into_iter().map(|job| Record::Forgotten { job }).collect()).await;
            if let Err(undo) = undo {
                failure.message.push_str("; a part of the import is stored, and cannot be taken back");
                failure.causes.push(undo.message);
                let first = failure.next.take().map(|next| format!("{next}; then ")).unwrap_or_default();
                failure.next = Some(format!(
                    "{first}empty the state before the import is tried again, and start no head on it before that"
                ));
            }
            Err(failure)
        }
    }
}
