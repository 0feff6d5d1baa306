//! What a process says, understood.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde::Deserialize;
use shoal_core::functions::{FailedGroup, Groups};
use shoal_core::tally::Tally;

use crate::wire::{Frame, reply};

/// What a process says.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The program is loaded.
    Loaded(Versions),
    /// It cannot be.
    Refused(Refused),
    /// The function was called.
    Applied(Applied),
    /// More about the groups that are answered next.
    Told(Told),
}

/// What a function runs on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Versions {
    pub(crate) python: String,
    pub(crate) pyarrow: String,
    /// Whether the function takes a group piece by piece.
    pub(crate) iterates: bool,
}

/// Why a program cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Refused {
    pub(crate) kind: RefusedKind,
    pub(crate) message: String,
    pub(crate) line: Option<u64>,
    pub(crate) trace: Vec<String>,
}

/// What is to be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RefusedKind {
    Code,
    Environment,
    /// It could look into its worker.
    Isolation,
}

/// What some groups of a message returned. Groups are named by their place in the message.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) sequence: u64,
    pub(crate) groups: usize,
    pub(crate) rows: RecordBatch,
    pub(crate) group_of_row: Vec<u32>,
    pub(crate) failed: Vec<FailedGroup>,
    pub(crate) told: Told,
}

/// What is told of groups beside what they returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// What the function counted.
    pub(crate) counted: Tally,
    /// How long each group took, where somebody asks.
    pub(crate) took: Vec<Duration>,
}

/// The same as the process writes it.
#[derive(Deserialize)]
struct ToldJson {
    counted: BTreeMap<String, u64>,
    seconds: Vec<f64>,
}

impl Told {
    fn read(json: &[u8]) -> io::Result<Self> {
        let ToldJson { counted, seconds } = serde_json::from_slice(json)?;
        let took = seconds.into_iter().map(Duration::try_from_secs_f64).collect::<Result<_, _>>();
        let counted = counted.iter().map(|(name, amount)| (name.as_str(), *amount)).collect();
        Ok(Self { counted, took: took.map_err(io::Error::other)? })
    }
}

impl TryFrom<Frame> for Answer {
    type Error = io::Error;

    fn try_from(frame: Frame) -> io::Result<Self> {
        let Frame { kind, sequence, groups, first, second } = frame;
        match kind {
            reply::LOADED => Ok(Self::Loaded(serde_json::from_slice(&first)?)),
            reply::REFUSED => Ok(Self::Refused(serde_json::from_slice(&first)?)),
            reply::APPLIED => {
                let (group_of_row, rows) = rows(decode(&first)?)?;
                let groups = usize::try_from(groups).map_err(io::Error::other)?;
                let failed = failed(&decode(&second)?)?;
                Ok(Self::Applied(Applied { sequence, groups, rows, group_of_row, failed, told: Told::default() }))
            }
            reply::TOLD => Ok(Self::Told(Told::read(&first)?)),
            other => Err(io::Error::other(format!("an answer of kind {other}"))),
        }
    }
}

/// The column that says which group a row is of, and the others.
fn rows(batch: RecordBatch) -> io::Result<(Vec<u32>, RecordBatch)> {
    let groups = batch.columns().first().and_then(|column| column.as_primitive_opt::<UInt32Type>());
    let groups = groups.ok_or_else(|| io::Error::other("rows do not say which group they are of"))?.values().to_vec();
    let others: Vec<usize> = (1..batch.num_columns()).collect();
    Ok((groups, batch.project(&others).map_err(not_read)?))
}

fn failed(batch: &RecordBatch) -> io::Result<Vec<FailedGroup>> {
    let wrong = || io::Error::other("failed groups are told of in another way");
    let text =
        |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>()).ok_or_else(wrong);
    let groups = batch.column_by_name("group").and_then(|column| column.as_primitive_opt::<UInt32Type>());
    let groups = groups.ok_or_else(wrong)?;
    let (status, error_type, message, trace) = (text("status")?, text("error_type")?, text("message")?, text("trace")?);
    let failed = (0..batch.num_rows()).map(|row| FailedGroup {
        group: groups.value(row),
        status: status.value(row).to_owned(),
        error_type: error_type.is_valid(row).then(|| error_type.value(row).to_owned()),
        message: message.value(row).to_owned(),
        trace: trace.is_valid(row).then(|| trace.value(row).to_owned()),
    });
    Ok(failed.collect())
}

/// A batch as a stream of Arrow IPC.
pub(crate) fn encode(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    writer.into_inner()
}

fn decode(stream: &[u8]) -> io::Result<RecordBatch> {
    let mut reader = StreamReader::try_new(stream, None).map_err(not_read)?;
    reader.next().ok_or_else(|| io::Error::other("a stream without a batch"))?.map_err(not_read)
}

fn not_read(error: ArrowError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Where groups end, then their keys, and then their models, where the function predicts: what a process gets beside their rows.
pub(crate) fn keys_and_ends(groups: &Groups) -> Result<RecordBatch, ArrowError> {
    let ends = Int64Array::from_iter_values(groups.ends.iter().map(|end| *end as i64));
    // Names of keys do not count: the program has them.
    let mut fields = vec![Arc::new(Field::new("ends", DataType::Int64, false))];
    let mut columns: Vec<ArrayRef> = vec![Arc::new(ends)];
    let models = groups.predicting.iter().map(|predicting| &predicting.models);
    for batch in std::iter::once(&groups.keys).chain(models) {
        fields.extend(batch.schema().fields().iter().cloned());
        columns.extend(batch.columns().iter().cloned());
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_groups_is_understood_or_refused() {
        let told = Told::read(br#"{"counted": {"skipped": 3, "no name": 1}, "seconds": [0.5]}"#).unwrap();
        assert_eq!(told.counted.iter().collect::<Vec<_>>(), [("skipped", 3)]);
        assert_eq!(told.took, [Duration::from_millis(500)]);
        for wrong in [r#"{"counted": {"a": -1}, "seconds": []}"#, r#"{"counted": {}, "seconds": [-1.0]}"#, "{}"] {
            assert!(Told::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
