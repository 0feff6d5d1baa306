//! What a run made: the table, row by row, and how it got there.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use shoal_tests::delta_log::{commits, content, times_committed};

/// The key of a group.
const KEY: &str = "shop";

/// The rows of a table in the order of their keys.
pub(crate) fn rows(table: &Path) -> RecordBatch {
    let mut batches = Vec::new();
    for file in files_in_log(table) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(table.join(file)).unwrap()).unwrap();
        batches.extend(reader.build().unwrap().map(|batch| batch.unwrap()));
    }
    assert!(!batches.is_empty(), "no file of {} is in its log", table.display());
    let all = concat_batches(&batches[0].schema(), &batches).unwrap();
    let key = SortColumn { values: Arc::clone(all.column_by_name(KEY).unwrap()), options: None };
    take_record_batch(&all, &lexsort_to_indices(&[key], None).unwrap()).unwrap()
}

/// Files that the log of a table names as its own.
fn files_in_log(table: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for action in commits(table).iter().flatten() {
        if let Some(path) = action["add"]["path"].as_str() {
            assert!(files.insert(path.to_owned()), "{path} is added twice");
        }
        if let Some(path) = action["remove"]["path"].as_str() {
            files.remove(path);
        }
    }
    files
}

/// Where a table differs from the one that undisturbed workers make.
pub(crate) fn differences(found: &RecordBatch, expected: &RecordBatch) -> Vec<String> {
    if found.schema() != expected.schema() || found.num_rows() != expected.num_rows() {
        return vec![format!(
            "{} rows of {:?}, expected {} of {:?}",
            found.num_rows(),
            found.schema(),
            expected.num_rows(),
            expected.schema()
        )];
    }
    let found = leaves("", &StructArray::from(found.clone()));
    let expected = leaves("", &StructArray::from(expected.clone()));
    found.iter().zip(&expected).filter_map(|((name, left), (_, right))| difference(name, left, right)).collect()
}

/// The columns of a struct that hold no columns themselves.
fn leaves(name: &str, columns: &StructArray) -> Vec<(String, ArrayRef)> {
    let mut found = Vec::new();
    for (field, column) in columns.fields().iter().zip(columns.columns()) {
        let name = format!("{name}.{}", field.name());
        match column.data_type() {
            DataType::Struct(_) => found.extend(leaves(&name, column.as_struct())),
            _ => found.push((name, Arc::clone(column))),
        }
    }
    found
}

/// Floats too are compared by their bits: rows of a group are added up in the order of the input, and states of a group in
/// that of their splits, whoever held them and whatever was made again.
fn difference(name: &str, found: &ArrayRef, expected: &ArrayRef) -> Option<String> {
    let row = (0..found.len()).find(|row| found.slice(*row, 1) != expected.slice(*row, 1))?;
    let of = |column: &ArrayRef| match column.as_primitive_opt::<Float64Type>() {
        Some(floats) if floats.is_valid(row) => format!("{:e}", floats.value(row)),
        _ => format!("{:?}", column.slice(row, 1)),
    };
    Some(format!("{name} is {} in row {row}, expected {}", of(found), of(expected)))
}

/// What is wrong with a table beside its rows: commits of a job, and files that nobody names.
pub(crate) fn wrong_with(table: &Path, uid: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let times = times_committed(table, &format!("shoal/{uid}"));
    if times != 1 {
        wrong.push(format!("the job's application id stands in the log {times} times"));
    }
    let commits = commits(table).len();
    if commits != 1 {
        wrong.push(format!("the log has {commits} commits"));
    }
    let named = files_in_log(table);
    let lying = content(table).into_iter().map(|(path, _)| path.display().to_string());
    for file in lying.filter(|path| !path.starts_with("_delta_log/") && !named.contains(path)) {
        wrong.push(format!("nobody names the file {file}"));
    }
    wrong
}

/// When the first commit of a table was written.
pub(crate) fn committed_at(table: &Path) -> SystemTime {
    let log = table.join("_delta_log");
    let times = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap());
    let times = times.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"));
    times.map(|entry| entry.metadata().unwrap().modified().unwrap()).min().unwrap()
}
