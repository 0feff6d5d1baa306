//! Columns of files with a JSON object in each line, guessed from their first lines.

use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::json::reader::infer_json_schema;
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use shoal_core::{Failure, Reason};

use super::InputFile;
use super::widen::widen;
use crate::error::no_rows;
use crate::ndjson_diagnosis::no_object;
use crate::storage::Location;

/// Bytes that are read of a file to guess from.
const HEAD_BYTES: u64 = 1 << 20;

/// Files that are looked into at the same time.
const CONCURRENCY: usize = 16;

/// The table's schema and the files that have lines.
pub(super) async fn pin(files: &[InputFile]) -> Result<(SchemaRef, Vec<InputFile>), Failure> {
    let files: Vec<InputFile> = files.iter().filter(|file| file.bytes > 0).cloned().collect();
    let heads: Vec<(String, Schema)> =
        futures::stream::iter(files.iter().cloned().map(|file| async move { read_head(file).await }))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
    if heads.iter().all(|(_, schema)| schema.fields().is_empty()) {
        return Err(no_rows());
    }
    Ok((Arc::new(merge(&heads)?), files))
}

async fn read_head(file: InputFile) -> Result<(String, Schema), Failure> {
    let end = file.bytes.min(HEAD_BYTES);
    let bytes = Location::parse(&file.path)?.read(0..end).await?;
    let schema = infer(&file.path, &bytes, end == file.bytes)?;
    Ok((file.path, schema))
}

/// Guesses types from the first bytes of a file; `complete` where they are the whole of it.
fn infer(path: &str, bytes: &[u8], complete: bool) -> Result<Schema, Failure> {
    // The last line of an incomplete head may be cut anywhere.
    let lines = if complete { Some(bytes.len()) } else { bytes.iter().rposition(|byte| *byte == b'\n') };
    let Some(lines) = lines else {
        return Err(Failure::new(
            Reason::MalformedRow,
            format!("the first line does not end within {} KiB", HEAD_BYTES / 1024),
        )
        .file(path)
        .line(1)
        .next("write one JSON object in each line"));
    };
    let bytes = &bytes[..lines];
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if !line.trim_ascii().is_empty() && !serde_json::from_slice::<Value>(line).is_ok_and(|value| value.is_object())
        {
            return Err(no_object(line).file(path).line(index as u64 + 1));
        }
    }
    let (schema, _) = infer_json_schema(Cursor::new(bytes), None).map_err(|error| {
        Failure::new(Reason::TableUnreadable, "the first lines do not make one table").file(path).because(&error)
    })?;
    Ok(schema)
}

/// One schema for all files, by the names of the members.
fn merge(heads: &[(String, Schema)]) -> Result<Schema, Failure> {
    let mut fields: Vec<Field> = Vec::new();
    for (path, schema) in heads {
        for field in schema.fields() {
            let Some(known) = fields.iter_mut().find(|known| known.name() == field.name()) else {
                fields.push(Field::new(field.name(), field.data_type().clone(), true));
                continue;
            };
            let both = widen(known.data_type(), field.data_type()).ok_or_else(|| {
                let message =
                    format!("`{}` is {} and in other files {}", field.name(), field.data_type(), known.data_type());
                Failure::new(Reason::TableUnreadable, message)
                    .file(path)
                    .column(field.name())
                    .next("write the member with values of one type")
            })?;
            *known = Field::new(field.name(), both, true);
        }
    }
    let fields = fields.into_iter().map(|field| match field.data_type() {
        // A member without a value so far may hold anything: as text it can always be read.
        DataType::Null => field.with_data_type(DataType::Utf8),
        _ => field,
    });
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Schema {
        infer("f", text.as_bytes(), true).unwrap()
    }

    #[test]
    fn members_are_columns_whatever_line_they_are_in() {
        let first = schema("{\"a\": 1, \"b\": null}\n\n{\"a\": 2.5, \"c\": {\"d\": true}}\n");
        let second = schema("{\"b\": \"x\", \"e\": null}\n");
        let merged = merge(&[("f".into(), first), ("g".into(), second)]).unwrap();
        let types: Vec<_> = merged.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        assert_eq!(types[..2], [("a", &DataType::Float64), ("b", &DataType::Utf8)]);
        assert!(matches!(types[2], ("c", DataType::Struct(_))));
        assert_eq!(types[3], ("e", &DataType::Utf8));
    }

    #[test]
    fn a_line_that_is_no_object_is_named() {
        for (text, line) in [("{\"a\": 1}\n[1]\n", 2), ("[\n{\"a\": 1}]", 1), ("{\"a\": 1}\n\n{\"a\":\n", 3)] {
            let failure = infer("f", text.as_bytes(), true).unwrap_err();
            assert_eq!((failure.reason, failure.location.line), (Reason::MalformedRow, Some(line)), "{text}");
        }
        assert_eq!(infer("f", b"{\"a\": 1}\n{\"a\": ", false).unwrap().fields().len(), 1, "cut off by the head");
        assert_eq!(infer("f", b"{\"a\": 1, \"b", false).unwrap_err().location.line, Some(1));
    }

    #[test]
    fn files_that_disagree_are_named() {
        let heads = [("f".into(), schema("{\"a\": 1}")), ("g".into(), schema("{\"a\": \"x\"}"))];
        let failure = merge(&heads).unwrap_err();
        assert_eq!((failure.location.file.as_deref(), failure.location.column.as_deref()), (Some("g"), Some("a")));
    }
}
