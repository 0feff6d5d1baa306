//! Finds the line of a file of JSON lines that does not fit its table.

use std::io::{BufRead, BufReader};
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::json::ReaderBuilder;
use serde_json::Value;
use shoal_core::{Failure, Reason};

use crate::csv_diagnosis::misfit_failure;
use crate::storage::{Location, ObjectReader};
use crate::table::{FileSlice, PinnedTable, Split};

/// The characters that are shown of a line.
const LINE_CHARS: usize = 80;

/// The first line of a split's files that is no JSON object, or has a value that does not fit its column's pinned type:
/// file, line, column, value, expected type, and what to do.
///
/// Reads files again from the start, since lines are counted from there, and blocks.
pub(crate) fn locate_in(table: &PinnedTable, split: &Split) -> Option<Failure> {
    split.slices.iter().find_map(|slice| locate_in_file(slice, &table.schema))
}

fn locate_in_file(file: &FileSlice, schema: &Schema) -> Option<Failure> {
    // A place that cannot be reached is another failure, which has been reported as such.
    let place = Location::parse(&file.path).ok()?;
    let lines = BufReader::new(ObjectReader::new(place, 0, file.file_bytes)).split(b'\n');
    for (index, line) in lines.map_while(Result::ok).enumerate() {
        if let Some(failure) = wrong_with(&line, schema) {
            return Some(failure.file(&file.path).line(index as u64 + 1));
        }
    }
    None
}

fn wrong_with(line: &[u8], schema: &Schema) -> Option<Failure> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    let Ok(Value::Object(members)) = serde_json::from_slice(line) else { return Some(no_object(line)) };
    schema.fields().iter().find_map(|field| {
        let value = members.get(field.name())?;
        let alone = Arc::new(Schema::new(vec![Arc::clone(field)]));
        let mut decoder = ReaderBuilder::new(alone).build_decoder().ok()?;
        let fits = decoder.decode(line).is_ok() && decoder.flush().is_ok();
        (!fits).then(|| misfit_failure(field, &value.to_string()))
    })
}

/// A line that is no object.
pub(crate) fn no_object(line: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(line.trim_ascii());
    let shown: String = text.chars().take(LINE_CHARS).collect();
    let dots = if shown.len() < text.len() { "..." } else { "" };
    Failure::new(Reason::MalformedRow, format!("`{shown}{dots}` is no JSON object"))
        .next("write one JSON object in each line, as `jq --compact-output '.[]'` makes of an array")
}
