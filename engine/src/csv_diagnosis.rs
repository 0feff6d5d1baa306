//! Finds the line of a CSV file that does not fit its table.

use std::io::{BufRead, BufReader};

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use datafusion::arrow::datatypes::{DataType, Date32Type, Field, Float64Type, Int64Type, Schema};
use shoal_core::{Failure, Reason};

use crate::storage::{Location, ObjectReader};
use crate::table::{FileSlice, PinnedTable, Split, dialect};

/// The characters that are shown of a value.
const VALUE_CHARS: usize = 80;

/// The first record of a split's CSV files that has another number of values than the header, or a value that does not
/// fit its column's pinned type: file, line, column, value, expected type, and what to do. The types were guessed from
/// the first lines only, so a later line may well break them.
///
/// Where a column is given by its index, it is looked at first: columns that nobody read are not to blame.
///
/// Reads files again from the start and blocks: for the path where reading has already failed, on a thread of a runtime
/// that may block.
pub(crate) fn locate_in(table: &PinnedTable, split: &Split, column: Option<usize>) -> Option<Failure> {
    let search = |column| split.slices.iter().find_map(|slice| locate_in_file(slice, &table.schema, column));
    match column {
        Some(_) => search(column).or_else(|| search(None)),
        None => search(None),
    }
}

fn locate_in_file(file: &FileSlice, schema: &Schema, only: Option<usize>) -> Option<Failure> {
    let path = file.path.as_str();
    // A place that cannot be reached is another failure, which has been reported as such.
    let place = Location::parse(path).ok()?;
    let read_from = |start: u64| ObjectReader::new(place.clone(), start, file.file_bytes);
    let blank_lines_from = |start: u64| blank_lines(BufReader::new(read_from(start)));
    let mut reader =
        csv::ReaderBuilder::new().delimiter(dialect::DELIMITER).quote(dialect::QUOTE).from_reader(read_from(0));
    let failed = |error: &csv::Error| record_failure(path, error, blank_lines_from);
    // Asked for first, because the reader places errors of the first record in the header otherwise.
    if let Err(error) = reader.headers() {
        return Some(failed(&error));
    }
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return None,
            Ok(true) => {}
            Err(error) => return Some(failed(&error)),
        }
        let misfit = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(index, _)| only.is_none_or(|only| only == *index))
            .filter_map(|(index, field)| Some((field, record.get(index)?)))
            .find(|(field, value)| !fits(field.data_type(), value));
        if let Some((field, value)) = misfit {
            let failure = misfit_failure(field, value).file(path);
            return Some(match record.position() {
                Some(position) => failure.line(position.line() + blank_lines_from(position.byte())),
                None => failure,
            });
        }
    }
}

/// Lines without a character that the text begins with: the reader skips them, but counts them to the record that
/// follows.
pub(crate) fn blank_lines(text: impl BufRead) -> u64 {
    let breaks = text.bytes().map_while(Result::ok).take_while(|byte| matches!(byte, b'\n' | b'\r'));
    breaks.filter(|byte| *byte == b'\n').count() as u64
}

pub(crate) fn misfit_failure(field: &Field, value: &str) -> Failure {
    let shown: String = value.chars().take(VALUE_CHARS).collect();
    let dots = if shown.len() < value.len() { "..." } else { "" };
    let expected = describe(field.data_type());
    Failure::new(
        Reason::MalformedRow,
        format!("`{shown}{dots}` is no {expected}, which column `{}` has in the lines before", field.name()),
    )
    .column(field.name())
    .next(
        "mend the value, or leave it empty where it is missing; where the whole column is meant to be of another type, \
         give one of the first lines such a value, or convert the table to Parquet",
    )
}

fn describe(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean (true or false)".to_owned(),
        DataType::Int64 => "whole number".to_owned(),
        DataType::Float64 => "number".to_owned(),
        DataType::Date32 => "date (as 2026-11-30)".to_owned(),
        DataType::Timestamp(..) => "timestamp (as 2026-11-30T12:00:00)".to_owned(),
        other => format!("value of type {other}"),
    }
}

/// Whether the reader takes the value for a column of that type; an empty value is null in any.
fn fits(kind: &DataType, value: &str) -> bool {
    if value.is_empty() {
        return true;
    }
    match kind {
        DataType::Boolean => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
        DataType::Int64 => Int64Type::parse(value).is_some(),
        DataType::Float64 => Float64Type::parse(value).is_some(),
        DataType::Date32 => Date32Type::parse(value).is_some(),
        DataType::Timestamp(..) => "+00:00".parse::<Tz>().is_ok_and(|zone| string_to_datetime(&zone, value).is_ok()),
        // No other type is ever guessed, and text takes anything.
        _ => true,
    }
}

/// What is wrong with a record that is no record. `blank_lines` counts the lines without a character from a byte on.
pub(crate) fn record_failure(path: &str, error: &csv::Error, blank_lines: impl FnOnce(u64) -> u64) -> Failure {
    let failure = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Failure::new(Reason::MalformedRow, format!("the line has {len} values, but the header has {expected_len}"))
                .next("mend the line: a value that holds a comma or a line break needs quotes around it")
        }
        csv::ErrorKind::Utf8 { err, .. } => {
            Failure::new(Reason::MalformedRow, format!("value {} of the line is not UTF-8", err.field() + 1))
                .next("convert the file to UTF-8, as with `iconv -f latin1 -t utf-8`")
        }
        csv::ErrorKind::Io(inner) => Failure::new(Reason::Io, "reading failed").because(inner),
        _ => Failure::new(Reason::MalformedRow, "the file cannot be read as CSV").because(error),
    }
    .file(path);
    match error.position() {
        Some(position) => failure.line(position.line() + blank_lines(position.byte())),
        None => failure,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::TimeUnit;
    use shoal_core::spec::v1alpha1::TableFormat;

    use super::*;
    use crate::table::InputFile;

    async fn first_misfit(text: &[u8], column: Option<usize>) -> Option<Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        let fields = vec![Field::new("id", DataType::Int64, true), Field::new("x", DataType::Float64, true)];
        let file = InputFile { path: path.to_str().unwrap().to_owned(), bytes: text.len() as u64, rows: None };
        let table = PinnedTable {
            location: file.path.clone(),
            format: TableFormat::Csv,
            version: None,
            schema: Arc::new(Schema::new(fields)),
        };
        tokio::task::spawn_blocking(move || locate_in(&table, &Split::whole(&[file]), column)).await.unwrap()
    }

    #[tokio::test]
    async fn a_value_of_another_type_is_named_with_its_line_and_column() {
        let failure = first_misfit(b"id,x\n1,2.5\n2,\"\n\"\n", None).await.unwrap();
        assert_eq!((failure.location.line, failure.location.column.as_deref()), (Some(3), Some("x")));
        let failure = first_misfit(b"id,x\n1,2.5\n2.5,n/a\n", None).await.unwrap();
        assert_eq!((failure.location.line, failure.location.column.as_deref()), (Some(3), Some("id")));
        assert!(failure.message.contains("`2.5` is no whole number"), "{}", failure.message);
        let failure = first_misfit(b"id,x\noops,1\n1,n/a\n", Some(1)).await.unwrap();
        assert_eq!((failure.location.line, failure.location.column.as_deref()), (Some(3), Some("x")));
    }

    #[tokio::test]
    async fn a_line_with_another_number_of_values_is_named() {
        let failure = first_misfit(b"id,x\n1,2\n\n\r\n3\n", None).await.unwrap();
        assert_eq!((failure.reason, failure.location.line), (Reason::MalformedRow, Some(5)));
        let failure = first_misfit(b"id,x\n1,2\n\n3,x\n", None).await.unwrap();
        assert_eq!((failure.reason, failure.location.line), (Reason::MalformedRow, Some(4)));
        let failure = first_misfit(b"id,x\n1,\xff\n", None).await.unwrap();
        assert_eq!((failure.reason, failure.location.line), (Reason::MalformedRow, Some(2)));
    }

    #[tokio::test]
    async fn lines_that_fit_are_not_blamed() {
        assert_eq!(first_misfit(b"id,x\n1,\n-2,1e5\n,NaN\n+3,inf\n", None).await, None);
    }

    #[test]
    fn values_are_judged_as_the_reader_judges_them() {
        assert!(fits(&DataType::Timestamp(TimeUnit::Second, None), "2020-01-01 10:00:00"));
        assert!(!fits(&DataType::Timestamp(TimeUnit::Second, None), "yesterday"));
        assert!(fits(&DataType::Date32, "2020-01-01"));
        assert!(!fits(&DataType::Boolean, "yes"));
    }
}
