//! Columns of CSV files, guessed from their first lines.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt};
use shoal_core::{Failure, Reason};

use super::widen::widen;
use super::{InputFile, dialect};
use crate::csv_diagnosis::{blank_lines, record_failure};
use crate::error::no_rows;
use crate::storage::Location;

/// Records that types are guessed from, over all files of a table: seconds even in a slow build, and enough that a
/// column of mostly whole numbers shows a broken one.
const RECORDS: usize = 10_000;

/// Records that each file has a say with, however many files there are.
const RECORDS_PER_FILE_MIN: usize = 200;

/// Bytes that are read of a file to get at those records.
const HEAD_BYTES: u64 = 1 << 20;

/// Files that are looked into at the same time.
const CONCURRENCY: usize = 16;

/// The table's schema and the files that have a header.
pub(super) async fn pin(files: &[InputFile]) -> Result<(SchemaRef, Vec<InputFile>), Failure> {
    let records = (RECORDS / files.len().max(1)).max(RECORDS_PER_FILE_MIN);
    // A file without a byte has no header to disagree with.
    let files: Vec<InputFile> = files.iter().filter(|file| file.bytes > 0).cloned().collect();
    let heads: Vec<Head> =
        futures::stream::iter(files.iter().cloned().map(|file| async move { read_head(file, records).await }))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
    if heads.iter().all(|head| head.records == 0) {
        return Err(no_rows());
    }
    Ok((Arc::new(merge(&heads)?), files))
}

/// What the first lines of a file say.
#[derive(Debug)]
struct Head {
    path: String,
    schema: Schema,
    records: usize,
}

async fn read_head(file: InputFile, max_records: usize) -> Result<Head, Failure> {
    let end = file.bytes.min(HEAD_BYTES);
    let bytes = Location::parse(&file.path)?.read(0..end).await?;
    infer(&file.path, &bytes, end == file.bytes, max_records)
}

/// Guesses types from the first bytes of a file; `complete` where they are the whole of it.
fn infer(path: &str, bytes: &[u8], complete: bool, max_records: usize) -> Result<Head, Failure> {
    let (names, records) = count_records(path, bytes, complete, max_records)?;
    let format = Format::default()
        .with_header(dialect::HAS_HEADER)
        .with_delimiter(dialect::DELIMITER)
        .with_quote(dialect::QUOTE);
    let (schema, _) = format.infer_schema(bytes, Some(records)).map_err(|error| {
        Failure::new(Reason::MalformedRow, "the first lines cannot be read").file(path).because(&error)
    })?;
    refuse_twins(path, &names)?;
    Ok(Head { path: path.to_owned(), schema, records })
}

/// The header, and how many whole records follow it; each is checked on the way.
fn count_records(path: &str, bytes: &[u8], complete: bool, max: usize) -> Result<(Vec<String>, usize), Failure> {
    let mut reader = ::csv::ReaderBuilder::new().delimiter(dialect::DELIMITER).quote(dialect::QUOTE).from_reader(bytes);
    let failed = |error: &::csv::Error| {
        let rest = |start: u64| bytes.get(usize::try_from(start).unwrap_or(usize::MAX)..).unwrap_or_default();
        record_failure(path, error, |start| blank_lines(rest(start)))
    };
    let names = reader.headers().map_err(|error| failed(&error))?.iter().map(str::to_owned).collect();
    let mut record = ::csv::StringRecord::new();
    let mut records = 0;
    while records < max {
        let read = reader.read_record(&mut record);
        // The last record of an incomplete head may be cut anywhere: it is no record, and no error either.
        if !complete && reader.position().byte() >= bytes.len() as u64 {
            break;
        }
        match read {
            Ok(false) => break,
            Ok(true) => records += 1,
            Err(error) => return Err(failed(&error)),
        }
    }
    if records == 0 && !complete {
        return Err(Failure::new(
            Reason::MalformedRow,
            format!("the first record does not end within {} KiB", HEAD_BYTES / 1024),
        )
        .file(path)
        .line(2)
        .next("look for a quote that is never closed"));
    }
    Ok((names, records))
}

fn refuse_twins(path: &str, names: &[String]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(Failure::new(Reason::TableUnreadable, format!("two columns are called `{name}`"))
            .file(path)
            .line(1)
            .column(name)
            .next("rename one of them in the header")),
    }
}

/// One schema for all files. Columns go by their place, so every header must be the same.
fn merge(heads: &[Head]) -> Result<Schema, Failure> {
    let Some((first, rest)) = heads.split_first() else { return Ok(Schema::empty()) };
    let names = |head: &Head| head.schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let expected = names(first);
    let mut types: Vec<DataType> = first.schema.fields().iter().map(|field| field.data_type().clone()).collect();
    for head in rest {
        let found = names(head);
        if found != expected {
            return Err(Failure::new(
                Reason::TableUnreadable,
                format!(
                    "the header is `{}`, but that of `{}` is `{}`",
                    found.join(","),
                    first.path,
                    expected.join(",")
                ),
            )
            .file(&head.path)
            .line(1)
            .next("give all files of a table the same columns in the same order"));
        }
        for (kind, field) in types.iter_mut().zip(head.schema.fields()) {
            // Text holds whatever else two files disagree about.
            *kind = widen(kind, field.data_type()).unwrap_or(DataType::Utf8);
        }
    }
    let fields = expected.into_iter().zip(types).map(|(name, kind)| {
        // A column without a value so far may hold anything: as text it can always be read.
        let kind = if kind == DataType::Null { DataType::Utf8 } else { kind };
        Field::new(name, kind, true)
    });
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        infer("f", text.as_bytes(), true, 100).unwrap()
    }

    fn types(heads: &[Head]) -> Vec<DataType> {
        merge(heads).unwrap().fields().iter().map(|field| field.data_type().clone()).collect()
    }

    #[test]
    fn whole_numbers_widen_and_empty_columns_are_text() {
        use DataType::*;
        assert_eq!(types(&[head("a,b,c\n1,2,\n"), head("a,b,c\n1.5,x,\n")]), [Float64, Utf8, Utf8]);
        assert_eq!(types(&[head("a,b\n,true\n"), head("a,b\n7,false\n")]), [Int64, Boolean]);
    }

    #[test]
    fn a_record_that_is_cut_off_by_the_head_is_not_counted() {
        for cut in ["a,b\n1,2\n3", "a,b\n1,2\n3,\"x\ny"] {
            assert_eq!(infer("f", cut.as_bytes(), false, 100).unwrap().records, 1, "{cut:?}");
        }
        assert_eq!(infer("f", b"a,b\n1,\"2", false, 100).unwrap_err().reason, Reason::MalformedRow);
    }

    #[test]
    fn a_line_with_too_many_values_is_named() {
        let failure = infer("f", b"a,b\n1,\"2\n2\"\n1,2,3\n", true, 100).unwrap_err();
        assert_eq!((failure.reason, failure.location.line), (Reason::MalformedRow, Some(4)));
    }

    #[test]
    fn headers_must_agree_and_name_each_column_once() {
        let failure = merge(&[head("a,b\n1,2\n"), head("b,a\n1,2\n")]).unwrap_err();
        assert_eq!(failure.reason, Reason::TableUnreadable);
        let failure = infer("f", b"a,a\n1,2\n", true, 100).unwrap_err();
        assert_eq!((failure.reason, failure.location.column.as_deref()), (Reason::TableUnreadable, Some("a")));
    }
}
