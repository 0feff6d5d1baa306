//! Makes what a function sees out of rows that lie here and there.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_empty_array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::columns::ResolvedColumns;

/// The columns that a function sees, and where each comes from.
#[derive(Debug)]
pub(super) struct Frame {
    schema: SchemaRef,
    origins: Vec<Origin>,
}

/// Where a column of the frame comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// That key.
    Key(usize),
    /// That column after the keys.
    Column(usize),
}

/// Rows that lie next to each other, with the columns after the keys.
pub(super) struct Run {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: Range<usize>,
}

impl Frame {
    pub(super) fn new(columns: &ResolvedColumns) -> Self {
        let fields = columns.frame.iter().map(|seen| Field::new(&seen.name, seen.data_type.clone(), true));
        let mut next = 0..;
        let origins = columns.frame.iter().map(|seen| match seen.key {
            Some(key) => Origin::Key(key),
            None => Origin::Column(next.next().unwrap_or_default()),
        });
        Self { origins: origins.collect(), schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())) }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns after the keys.
    pub(super) fn columns(&self) -> Vec<FieldRef> {
        let fields = self.origins.iter().zip(self.schema.fields());
        let columns = fields.filter(|(origin, _)| matches!(origin, Origin::Column(_)));
        columns.map(|(_, field)| Arc::clone(field)).collect()
    }

    /// What is seen of the rows of some groups.
    pub(super) fn rows(&self, runs: &[Run], keys: &RecordBatch, ends: &[u64]) -> Result<RecordBatch, ArrowError> {
        let rows = ends.last().copied().unwrap_or_default() as usize;
        let mut group_of_row: Option<UInt32Array> = None;
        let mut columns = Vec::with_capacity(self.origins.len());
        for (origin, field) in self.origins.iter().zip(self.schema.fields()) {
            let column = match origin {
                Origin::Key(key) => {
                    let groups = group_of_row.get_or_insert_with(|| repeated(ends));
                    cast(&take(keys.column(*key), groups, None)?, field.data_type())?
                }
                Origin::Column(column) => together(runs, *column, field)?,
            };
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

impl Run {
    pub(super) fn is_followed_by(&self, other: &Self) -> bool {
        let is_same = self.columns.iter().zip(&other.columns).all(|(one, other)| Arc::ptr_eq(one, other));
        // Without columns there is nothing to be put together.
        is_same && self.rows.end == other.rows.start
    }
}

/// A column of all runs; no row is copied where there is one run.
pub(super) fn together(runs: &[Run], column: usize, field: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let slice = |run: &Run| match run.columns.get(column) {
        Some(found) => Ok(found.slice(run.rows.start, run.rows.len())),
        None => Err(ArrowError::SchemaError(format!("there is no column {column} after the keys"))),
    };
    let slices = runs.iter().map(slice).collect::<Result<Vec<_>, _>>()?;
    match slices.as_slice() {
        [] => Ok(new_empty_array(field.data_type())),
        [only] => Ok(Arc::clone(only)),
        several => concat(&several.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()),
    }
}

/// The group of each row.
fn repeated(ends: &[u64]) -> UInt32Array {
    let mut groups = Vec::with_capacity(ends.last().copied().unwrap_or_default() as usize);
    for (group, end) in (0_u32..).zip(ends) {
        groups.resize(*end as usize, group);
    }
    groups.into()
}

/// About how many bytes some rows of columns take: those of values of one size exactly, of others their part of the column.
pub(super) fn bytes_of(columns: &[ArrayRef], rows: &Range<usize>) -> u64 {
    let of_column = |column: &ArrayRef| match column.data_type() {
        DataType::Boolean => rows.len().div_ceil(8),
        other => match other.primitive_width() {
            Some(width) => width * rows.len(),
            None => {
                let all = column.to_data().get_slice_memory_size().unwrap_or_default();
                all.saturating_mul(rows.len()) / column.len().max(1)
            }
        },
    };
    columns.iter().map(of_column).sum::<usize>() as u64
}
