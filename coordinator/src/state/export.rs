//! A state as text: JSON lines, which every later build reads.
//!
//! ```text
//!   {"shoalState": 1, "build": "0.1.0", "epoch": 7}    no head had led under a higher one; builds before had none here
//!   {"v": 3, "record": {"accepted": {...}}}            each job's records in their order
//!   ...
//!   {"end": {"jobs": 3, "records": 12}}                so that a file that was cut off is noticed
//! ```

use std::collections::BTreeSet;

use serde_json::json;
use shoal_core::journal::{StoredRecord, decode, encode};
use shoal_core::{Failure, JobUid, Reason};

use super::EXPORT_VERSION;
use super::check::{advised, belongs};

/// A state as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The text.
    pub lines: String,
    /// Jobs in it.
    pub jobs: usize,
    /// Records in it, histories included.
    pub records: usize,
}

pub(super) fn export(stored: &[StoredRecord], without: &[JobUid], epoch: u64) -> Result<Export, Failure> {
    let build = env!("CARGO_PKG_VERSION");
    let mut lines = format!("{}\n", json!({"shoalState": EXPORT_VERSION, "build": build, "epoch": epoch}));
    let (mut jobs, mut records) = (BTreeSet::new(), 0);
    for StoredRecord { job, bytes, .. } in stored.iter().filter(|stored| !without.contains(&stored.job)) {
        // Written anew, so that an export has records of one version only.
        let written = decode(bytes).and_then(|record| encode(&belongs(record, *job)?));
        let text = written.and_then(|bytes| String::from_utf8(bytes).map_err(|error| no_text(&error)));
        lines.push_str(&text.map_err(|failure| advised(failure, *job))?);
        lines.push('\n');
        jobs.insert(*job);
        records += 1;
    }
    let jobs = jobs.len();
    lines.push_str(&format!("{}\n", json!({"end": {"jobs": jobs, "records": records}})));
    Ok(Export { lines, jobs, records })
}

fn no_text(error: &std::string::FromUtf8Error) -> Failure {
    Failure::new(Reason::Internal, "a record is no text").because(error)
}
