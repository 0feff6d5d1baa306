//! Ranges of keys in the row groups of Parquet files.

use datafusion::arrow::datatypes::Schema;
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::basic::{ColumnOrder, SortOrder};
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::statistics::Statistics;
use futures::{StreamExt, TryStreamExt};
use shoal_core::Failure;

use super::ranges::{Bound, Bounds, Range};
use super::{Piece, logical};
use crate::columns::KeyColumn;
use crate::error::parquet_failure;
use crate::keys::logical_type;
use crate::table::parquet::{CONCURRENCY, read_metadata};
use crate::table::{FileSlice, InputFile};

/// The row groups of these files that have rows, in their order.
pub(super) async fn pieces(files: &[InputFile], keys: &[KeyColumn]) -> Result<Vec<Piece>, Failure> {
    let of_files = futures::stream::iter(files.iter().cloned().map(|file| pieces_of(file, keys)));
    let of_files: Vec<Vec<Piece>> = of_files.buffered(CONCURRENCY).try_collect().await?;
    Ok(of_files.into_iter().flatten().collect())
}

async fn pieces_of(file: InputFile, keys: &[KeyColumn]) -> Result<Vec<Piece>, Failure> {
    let metadata = read_metadata(&file).await?;
    row_groups(&file, &metadata, keys)
}

fn row_groups(file: &InputFile, metadata: &ParquetMetaData, keys: &[KeyColumn]) -> Result<Vec<Piece>, Failure> {
    let about = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(about.schema_descr(), about.key_value_metadata())
        .map_err(|error| parquet_failure(&error).file(&file.path))?;
    let groups = metadata.row_groups();
    let Some(starts) = starts(groups) else {
        let rows = groups.iter().map(rows).sum();
        let ranges = keys.iter().map(|_| Range::unknown()).collect();
        return Ok(vec![Piece { slice: FileSlice::whole(file), rows, ranges }]);
    };
    let mut by_key: Vec<_> = keys.iter().map(|key| ranges_of(metadata, &schema, key).into_iter()).collect();
    let ends = starts.iter().skip(1).copied().chain([file.bytes]);
    let mut pieces = Vec::with_capacity(groups.len());
    for (group, (start, end)) in groups.iter().zip(starts.iter().zip(ends)) {
        let ranges = by_key.iter_mut().map(|ranges| ranges.next().unwrap_or_else(Range::unknown)).collect();
        // What is in front of the first one is of no row group.
        let start = if pieces.is_empty() { 0 } else { *start };
        let slice = FileSlice { path: file.path.clone(), start, end, file_bytes: file.bytes };
        pieces.push(Piece { slice, rows: rows(group), ranges });
    }
    pieces.retain(|piece| piece.rows > 0);
    Ok(pieces)
}

fn rows(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.num_rows()).unwrap_or_default()
}

/// By which byte a reader of a range knows each row group: the first of its first column. `None` where they are not in
/// order, so that no range has one of them alone.
fn starts(groups: &[RowGroupMetaData]) -> Option<Vec<u64>> {
    let start = |group: &RowGroupMetaData| {
        let first = group.columns().first()?;
        u64::try_from(first.dictionary_page_offset().unwrap_or_else(|| first.data_page_offset())).ok()
    };
    let starts: Vec<u64> = groups.iter().map(start).collect::<Option<_>>()?;
    starts.is_sorted_by(|a, b| a < b).then_some(starts)
}

/// The ranges of a key, one per row group.
fn ranges_of(metadata: &ParquetMetaData, schema: &Schema, key: &KeyColumn) -> Vec<Range> {
    let groups = metadata.row_groups();
    if schema.field_with_name(&key.name).is_err() {
        // Missing throughout, as the table shows it.
        return vec![Range::nulls(); groups.len()];
    }
    known_ranges(metadata, schema, key).unwrap_or_else(|| vec![Range::unknown(); groups.len()])
}

fn known_ranges(metadata: &ParquetMetaData, schema: &Schema, key: &KeyColumn) -> Option<Vec<Range>> {
    let about = metadata.file_metadata();
    let field = schema.field_with_name(&key.name).ok()?;
    // With another logical type than its keys have, a file's values may come in another order.
    if logical_type(field.data_type()).as_ref() != Some(&key.data_type) {
        return None;
    }
    let converter = StatisticsConverter::try_new(&key.name, schema, about.schema_descr()).ok()?;
    let column = converter.parquet_column_index()?;
    match about.column_order(column) {
        ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED | SortOrder::UNSIGNED) => {}
        // What is smaller than what is up to the writer.
        _ => return None,
    }
    let groups = metadata.row_groups();
    let lows = logical::values(&converter.row_group_mins(groups).ok()?, &key.data_type)?;
    let highs = logical::values(&converter.row_group_maxes(groups).ok()?, &key.data_type)?;
    let range = |(place, group): (usize, &RowGroupMetaData)| match group.column(column).statistics() {
        Some(statistics) => {
            range(statistics, group.num_rows(), logical::bound(&lows, place), logical::bound(&highs, place))
        }
        None => Range::unknown(),
    };
    Some(groups.iter().enumerate().map(range).collect())
}

fn range(statistics: &Statistics, rows: i64, low: Option<Bound>, high: Option<Bound>) -> Range {
    let nulls = statistics.null_count_opt();
    let may_be_null = nulls != Some(0);
    match (low, high) {
        _ if nulls.is_some() && nulls == u64::try_from(rows).ok() => Range::nulls(),
        // These were written before it was said how values are compared.
        _ if statistics.is_min_max_deprecated() => Range::unknown(),
        (Some(low), Some(high)) => Range::between(low, high, may_be_null),
        _ => Range { bounds: Bounds::Unknown, may_be_null },
    }
}
