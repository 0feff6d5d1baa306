//! Records as bytes: JSON behind the version of its format.
//!
//! ```text
//!   {"v": 3, "record": {"attemptStarted": {...}}}
//! ```
//!
//! Version 1 had no envelope: the record alone. Version 3 keeps the time that jobs with a deadline have used, and lets
//! deadlines be changed. A build reads its own version and all before it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Record;
use crate::failure::{Failure, Reason};
use crate::id::JobUid;

/// Version of the records that this build writes.
pub const RECORD_VERSION: u32 = 3;

/// A record as a journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The job under which it is kept.
    pub job: JobUid,
    /// Where it lies, in the store's own words: for people who look there.
    pub key: String,
    /// Whether it is kept apart from the job's other records: see [`super::Retention::Apart`].
    pub is_apart: bool,
    /// What [`encode`] made of it, in this build or an older one.
    pub bytes: Vec<u8>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    v: u32,
    record: &'a Record,
}

#[derive(Deserialize)]
struct StoredEnvelope {
    v: u32,
    record: Value,
}

/// A record as it is stored.
///
/// # Errors
/// [`Reason::Internal`]: every record can be written as JSON.
pub fn encode(record: &Record) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(&Envelope { v: RECORD_VERSION, record })
        .map_err(|error| Failure::internal("a record cannot be written as JSON").because(&error))
}

/// A stored record, of this version or an older one.
///
/// # Errors
/// [`Reason::IncompatibleVersion`] for a newer one, [`Reason::CorruptFile`] for what is no record.
pub fn decode(bytes: &[u8]) -> Result<Record, Failure> {
    let corrupt = |error: serde_json::Error| {
        Failure::new(Reason::CorruptFile, "a record of the journal cannot be read").because(&error)
    };
    let value: Value = serde_json::from_slice(bytes).map_err(corrupt)?;
    let (version, mut record) = match value {
        // No record of version 1 has a member called `v`.
        Value::Object(ref members) if members.contains_key("v") => {
            let StoredEnvelope { v, record } = serde_json::from_value(value).map_err(corrupt)?;
            (v, record)
        }
        bare => (1, bare),
    };
    if version > RECORD_VERSION {
        return Err(Failure::new(
            Reason::IncompatibleVersion,
            format!("the journal has records of version {version}; this build reads up to {RECORD_VERSION}"),
        )
        .next("use the newer build that wrote it, or start with empty state"));
    }
    if version < 2 {
        migrate_1_to_2(&mut record);
    }
    serde_json::from_value(record).map_err(corrupt)
}

/// The version of a stored record; none for what is no record at all.
pub fn version_of(bytes: &[u8]) -> Option<u32> {
    match serde_json::from_slice(bytes).ok()? {
        Value::Object(members) => match members.get("v") {
            Some(version) => u32::try_from(version.as_u64()?).ok(),
            None => Some(1),
        },
        _ => None,
    }
}

/// Version 2 says which start of a worker runs an attempt. No worker has an empty one, so such attempts count as lost.
fn migrate_1_to_2(record: &mut Value) {
    if let Some(started) = record.get_mut("attemptStarted").and_then(Value::as_object_mut) {
        started.entry("instance").or_insert_with(|| Value::String(String::new()));
    }
}
