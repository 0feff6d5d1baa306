//! Records as earlier builds wrote them: every line of `journal/vN.jsonl` must load in every later build. A new version
//! adds a file; no line is ever changed.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use shoal_core::Reason;
use shoal_core::journal::{RECORD_VERSION, Record, decode, encode};

fn lines(version: u32) -> Vec<String> {
    let folder = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("tests/journal");
    let file = folder.join(format!("v{version}.jsonl"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(str::to_owned).collect()
}

/// The name of a record's variant, as it is stored.
fn variant(record: &Record) -> String {
    let stored: Value = serde_json::from_slice(&encode(record).unwrap()).unwrap();
    stored["record"].as_object().unwrap().keys().next().unwrap().clone()
}

#[test]
fn every_version_loads_and_is_written_again_as_the_present_one() {
    for version in 1..=RECORD_VERSION {
        for line in lines(version) {
            let record = decode(line.as_bytes()).unwrap_or_else(|failure| panic!("{failure:?}: {line}"));
            let again = encode(&record).unwrap();
            let stored: Value = serde_json::from_slice(&again).unwrap();
            assert_eq!(stored["v"], RECORD_VERSION);
            assert_eq!(decode(&again).unwrap(), record);
        }
    }
}

#[test]
fn the_present_version_has_a_line_for_every_record() {
    let seen: BTreeSet<String> =
        lines(RECORD_VERSION).iter().map(|line| variant(&decode(line.as_bytes()).unwrap())).collect();
    // Exhaustive, so that a new record has to be added here, and to the newest file.
    let all = |record: &Record| match record {
        Record::Accepted { .. }
        | Record::Facts { .. }
        | Record::StagePlanned { .. }
        | Record::AttemptStarted { .. }
        | Record::AttemptFinished { .. }
        | Record::AttemptFailed { .. }
        | Record::PartitionsMoved { .. }
        | Record::Updated { .. }
        | Record::Ending { .. }
        | Record::Resumed { .. }
        | Record::Intent { .. }
        | Record::Published { .. }
        | Record::Ended { .. }
        | Record::History { .. }
        | Record::TimeUsed { .. }
        | Record::Forgotten { .. } => 16,
    };
    let expected = all(&decode(lines(RECORD_VERSION)[0].as_bytes()).unwrap());
    assert_eq!(seen.len(), expected, "{seen:?}");
}

#[test]
fn nothing_of_a_line_is_lost() {
    for line in lines(RECORD_VERSION) {
        let stored: Value = serde_json::from_str(&line).unwrap();
        let again: Value = serde_json::from_slice(&encode(&decode(line.as_bytes()).unwrap()).unwrap()).unwrap();
        assert!(contains(&again, &stored), "{line}\nis now {again}");
    }
}

/// Whether a value has all that another has: defaults may have been added.
fn contains(value: &Value, other: &Value) -> bool {
    match (value, other) {
        (Value::Object(value), Value::Object(other)) => {
            other.iter().all(|(name, other)| value.get(name).is_some_and(|value| contains(value, other)))
        }
        (Value::Array(value), Value::Array(other)) => {
            value.len() == other.len() && value.iter().zip(other).all(|(value, other)| contains(value, other))
        }
        _ => value == other,
    }
}

#[test]
fn a_newer_version_is_refused_and_damage_is_named() {
    let newer = format!(r#"{{"v": {}, "record": {{"teleported": {{}}}}}}"#, RECORD_VERSION + 1);
    let failure = decode(newer.as_bytes()).unwrap_err();
    assert_eq!(failure.reason, Reason::IncompatibleVersion);
    assert!(failure.next.is_some());
    for line in lines(RECORD_VERSION) {
        let cut = &line.as_bytes()[..line.len() / 2];
        assert_eq!(decode(cut).unwrap_err().reason, Reason::CorruptFile);
    }
}
