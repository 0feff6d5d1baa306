//! Rows of some groups, put into the order of their groups.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, interleave, lexsort_to_indices, take};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::new_group_values;
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use shoal_core::Failure;

use super::GroupTrainer;
use crate::error::engine_failure;
use crate::session::BATCH_ROWS;

/// Bytes that are held for a row besides the row: its group, and its place once groups are known.
pub(super) const BYTES_OF_PLACE: u64 = (size_of::<u32>() + size_of::<Place>()) as u64;

/// A row: its batch, and which of that batch's rows it is.
type Place = (u32, u32);

/// Rows that lie group by group: groups in the order of their keys, missing values first, and the rows of a group as they
/// came.
pub(super) struct Part {
    /// The key columns, one row per group.
    keys: Vec<ArrayRef>,
    /// Where each group's rows end among all.
    ends: Vec<usize>,
    places: Vec<Place>,
    /// The columns after the keys.
    batches: Vec<Vec<ArrayRef>>,
    /// What was handed over: groups, and rows.
    group: usize,
    row: usize,
}

impl Part {
    /// Looks the group of each row up; `keys` are the leading columns.
    ///
    /// # Errors
    /// An internal failure where batches do not have these columns, or keys no groups or no order.
    pub(super) fn new(keys: &SchemaRef, rows: &[RecordBatch]) -> Result<Self, Failure> {
        let key_columns = keys.fields().len();
        let mut groups =
            new_group_values(Arc::clone(keys), &GroupOrdering::None).map_err(|error| engine_failure(&error))?;
        let (mut interned, mut group_of) = (Vec::new(), Vec::new());
        let mut batches = Vec::with_capacity(rows.len());
        for batch in rows {
            let (keys, others) = batch
                .columns()
                .split_at_checked(key_columns)
                .ok_or_else(|| Failure::internal(format!("{key_columns} key columns were expected in a batch")))?;
            groups.intern(keys, &mut interned).map_err(|error| engine_failure(&error))?;
            // There are no more groups than rows, and of these no more than 32 bits count.
            group_of.extend(interned.iter().map(|group| *group as u32));
            batches.push(others.to_vec());
        }
        let keys = groups.emit(EmitTo::All).map_err(|error| engine_failure(&error))?;
        let order = order_of(&keys).map_err(|error| unordered(&error))?;
        let keys = keys.iter().map(|column| take(column, &order, None)).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| unordered(&error))?;
        let (places, ends) = in_order(group_of, &order, rows.iter().map(RecordBatch::num_rows));
        Ok(Self { keys, ends, places, batches, group: 0, row: 0 })
    }

    /// As [`super::Clustered::train_next`].
    pub(super) fn train_next(&mut self, trainer: &mut impl GroupTrainer) -> Result<bool, Failure> {
        let chunk = self.row..self.places.len().min(self.row + BATCH_ROWS);
        if chunk.is_empty() {
            return Ok(false);
        }
        let columns = self.gathered(chunk.clone()).map_err(|error| internal(&error))?;
        while self.row < chunk.end {
            let end = self.ends[self.group];
            let rows = self.row - chunk.start..end.min(chunk.end) - chunk.start;
            self.row = chunk.start + rows.end;
            trainer.rows(&columns, rows)?;
            if self.row == end {
                trainer.finish(&self.keys, self.group)?;
                self.group += 1;
            }
        }
        Ok(true)
    }

    fn gathered(&self, rows: Range<usize>) -> Result<Vec<ArrayRef>, ArrowError> {
        let places: Vec<(usize, usize)> =
            self.places[rows].iter().map(|(batch, row)| (*batch as usize, *row as usize)).collect();
        let columns = self.batches.first().map_or(0, Vec::len);
        (0..columns)
            .map(|column| {
                let pieces: Vec<&dyn Array> = self.batches.iter().map(|columns| columns[column].as_ref()).collect();
                interleave(&pieces, &places)
            })
            .collect()
    }
}

/// The groups by their keys, missing values first.
fn order_of(keys: &[ArrayRef]) -> Result<UInt32Array, ArrowError> {
    let ascending = SortOptions { descending: false, nulls_first: true };
    let columns: Vec<SortColumn> =
        keys.iter().map(|key| SortColumn { values: Arc::clone(key), options: Some(ascending) }).collect();
    lexsort_to_indices(&columns, None)
}

/// Where the rows of groups in that order are, and where those of each group end: a counting sort. `batches` are the rows
/// of each batch.
fn in_order(
    mut group_of: Vec<u32>,
    order: &UInt32Array,
    batches: impl Iterator<Item = usize>,
) -> (Vec<Place>, Vec<usize>) {
    let mut rank_of = vec![0; order.len()];
    for (rank, group) in (0_u32..).zip(order.values()) {
        rank_of[*group as usize] = rank;
    }
    // How many rows each group has says where its first one goes.
    let mut next = vec![0; rank_of.len() + 1];
    for group in &mut group_of {
        *group = rank_of[*group as usize];
        next[*group as usize + 1] += 1;
    }
    for rank in 1..next.len() {
        next[rank] += next[rank - 1];
    }
    let mut places = vec![Place::default(); group_of.len()];
    let mut groups = group_of.into_iter();
    for (batch, rows) in (0_u32..).zip(batches) {
        for (row, group) in (0..rows as u32).zip(&mut groups) {
            let next = &mut next[group as usize];
            places[*next] = (batch, row);
            *next += 1;
        }
    }
    // Each group has moved its own start up to its end.
    next.pop();
    (places, next)
}

pub(super) fn internal(error: &ArrowError) -> Failure {
    Failure::internal("rows of a group cannot be put next to each other").because(error)
}

fn unordered(error: &ArrowError) -> Failure {
    Failure::internal("keys of groups have no order").because(error)
}
