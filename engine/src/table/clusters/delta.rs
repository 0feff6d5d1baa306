//! Keys that a Delta table is partitioned by: all rows of a file have the same.
//!
//! What the log says of the smallest and largest values of other columns is taken for no proof: writers cut texts and times
//! off in ways of their own.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, MapArray, RecordBatch, StringArray, StructArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use deltalake::kernel::Snapshot;
use futures::TryStreamExt;
use shoal_core::Failure;

use super::ranges::{Bound, Range};
use super::{Piece, logical};
use crate::columns::KeyColumn;
use crate::delta::log_store;
use crate::error::delta_failure;
use crate::storage::Location;
use crate::table::{FileSlice, InputFile, PinnedTable};

/// The configuration under which the log calls columns by other names than the table.
const COLUMN_MAPPING: &str = "delta.columnMapping.mode";

/// The files of the pinned version, in the order of `files`; none where the log does not tell their rows, or their keys.
pub(super) async fn pieces(
    table: &PinnedTable,
    files: &[InputFile],
    keys: &[KeyColumn],
) -> Result<Vec<Piece>, Failure> {
    let at = |failure: Failure| failure.file(&table.location);
    let log = log_store(&Location::parse(&table.location)?).map_err(at)?;
    let snapshot = Snapshot::try_new(log.as_ref(), table.version).await.map_err(|error| at(delta_failure(&error)))?;
    let mapping = snapshot.metadata().configuration().get(COLUMN_MAPPING).map(String::as_str);
    if !matches!(mapping, None | Some("none")) {
        return Ok(Vec::new());
    }
    let partitioned: Vec<String> = snapshot.metadata().partition_columns().to_vec();
    if !keys.iter().any(|key| partitioned.contains(&key.name)) {
        return Ok(Vec::new());
    }
    let batches: Vec<RecordBatch> =
        snapshot.files(log.as_ref(), None).try_collect().await.map_err(|error| at(delta_failure(&error)))?;
    let mut told = HashMap::new();
    for batch in &batches {
        told.extend(files_of(batch).unwrap_or_default());
    }
    let piece = |file: &InputFile| {
        let (rows, values) = told.get(&file.path)?;
        let range = |key: &KeyColumn| match partitioned.contains(&key.name) {
            true => range(values.get(&key.name).and_then(Option::as_deref), &key.data_type),
            false => Range::unknown(),
        };
        Some(Piece { slice: FileSlice::whole(file), rows: *rows, ranges: keys.iter().map(range).collect() })
    };
    Ok(files.iter().map(piece).collect::<Option<_>>().unwrap_or_default())
}

/// Rows of a file, and its values of the columns that the table is partitioned by.
type Told = (u64, HashMap<String, Option<String>>);

/// What a part of the list of files says, by the paths of files. `None` where it does not tell all of it.
fn files_of(batch: &RecordBatch) -> Option<Vec<(String, Told)>> {
    let text = |column: &ArrayRef| cast(column, &DataType::Utf8).ok().map(|texts| texts.as_string::<i32>().clone());
    let paths = text(batch.column_by_name("path")?)?;
    let member = |of: &str, name: &str| -> Option<ArrayRef> {
        let column: &StructArray = batch.column_by_name(of)?.as_struct_opt()?;
        column.column_by_name(name).map(Arc::clone)
    };
    let rows = member("stats_parsed", "numRecords")?;
    let rows = rows.as_primitive_opt::<Int64Type>()?;
    let values = member("fileConstantValues", "partitionValues")?;
    let values: &MapArray = values.as_map_opt()?;
    let told = |file: usize| {
        let rows = rows.is_valid(file).then(|| u64::try_from(rows.value(file)).ok()).flatten()?;
        let of_file = values.value(file);
        let (names, texts): (StringArray, StringArray) = (text(of_file.column(0))?, text(of_file.column(1))?);
        let named = names.iter().zip(&texts).map(|(name, text)| Some((name?.to_owned(), text.map(str::to_owned))));
        Some((paths.value(file).to_owned(), (rows, named.collect::<Option<_>>()?)))
    };
    (0..batch.num_rows()).map(told).collect()
}

/// One value, as the log writes it: nothing and an empty text are a missing one.
fn range(value: Option<&str>, data_type: &DataType) -> Range {
    let Some(text) = value.filter(|text| !text.is_empty()) else { return Range::nulls() };
    let value = match data_type {
        DataType::Utf8 => Some(Bound::Text(text.to_owned())),
        // As for times, the log has more than one way to write others.
        DataType::Int64 | DataType::Date32 => {
            let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
            logical::values(&text, data_type).and_then(|values| logical::bound(&values, 0))
        }
        _ => None,
    };
    value.map_or_else(Range::unknown, |value| Range::between(value.clone(), value, false))
}
