//! Rows of some groups, with the group of each looked up.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StructArray, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, interleave, lexsort_to_indices, take};
use arrow::error::ArrowError;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::GroupValues;
use shoal_core::Failure;

use super::places::Places;
use crate::error::engine_failure;
use crate::moments::GroupMoments;

/// Rows as they came, and the group of each. Groups are numbered in the order of their keys, missing values first.
pub(super) struct Part {
    /// The key columns, one row per group.
    pub(super) keys: Vec<ArrayRef>,
    /// The group of each row, batch after batch.
    group_of: Vec<u32>,
    /// The columns after the keys, and how many rows there are of them.
    batches: Vec<(Vec<ArrayRef>, usize)>,
}

impl Part {
    /// Looks the group of each row up in a table of groups, which is empty again afterwards; the first `key_columns` are the
    /// keys.
    ///
    /// # Errors
    /// An internal failure where batches do not have these columns, or keys no groups or no order.
    pub(super) fn new(groups: &mut dyn GroupValues, key_columns: usize, rows: &[RecordBatch]) -> Result<Self, Failure> {
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
            batches.push((others.to_vec(), batch.num_rows()));
        }
        let keys = groups.emit(EmitTo::All).map_err(|error| engine_failure(&error))?;
        let order = order_of(&keys).map_err(|error| unordered(&error))?;
        let keys = keys.iter().map(|column| take(column, &order, None)).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| unordered(&error))?;
        let mut rank_of = vec![0; order.len()];
        for (rank, group) in (0_u32..).zip(order.values()) {
            rank_of[*group as usize] = rank;
        }
        group_of.iter_mut().for_each(|group| *group = rank_of[*group as usize]);
        Ok(Self { keys, group_of, batches })
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.keys.first().map_or(0, |keys| keys.len())
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.group_of.len()
    }

    /// The moments of each group, of variables that are the columns after the keys.
    ///
    /// # Errors
    /// An internal failure where these are no floats, or not as many.
    pub(super) fn moments(&self, variables: usize) -> Result<StructArray, Failure> {
        let mut moments = GroupMoments::new(variables);
        moments.resize(self.groups());
        let mut groups = &self.group_of[..];
        for (columns, rows) in &self.batches {
            let (of_batch, rest) = groups.split_at(*rows);
            moments
                .push(columns, of_batch.iter().map(|group| *group as usize), None)
                .map_err(|error| engine_failure(&error))?;
            groups = rest;
        }
        Ok(moments.emit(EmitTo::All))
    }

    /// Where the rows of each group are.
    pub(super) fn places(&self) -> Places {
        Places::new(&self.group_of, self.groups(), self.batches.iter().map(|(_, rows)| *rows))
    }

    /// Some rows, by the places of all.
    ///
    /// # Errors
    /// An internal failure where batches are not alike.
    pub(super) fn gathered(&self, places: &Places, rows: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        let places: Vec<(usize, usize)> =
            places.of_rows[rows].iter().map(|(batch, row)| (*batch as usize, *row as usize)).collect();
        let columns = self.batches.first().map_or(0, |(columns, _)| columns.len());
        let column = |column: usize| {
            let pieces: Vec<&dyn Array> = self.batches.iter().map(|(columns, _)| columns[column].as_ref()).collect();
            interleave(&pieces, &places).map_err(|error| internal(&error))
        };
        (0..columns).map(column).collect()
    }
}

/// The groups by their keys, missing values first.
fn order_of(keys: &[ArrayRef]) -> Result<UInt32Array, ArrowError> {
    let ascending = SortOptions { descending: false, nulls_first: true };
    let columns: Vec<SortColumn> =
        keys.iter().map(|key| SortColumn { values: Arc::clone(key), options: Some(ascending) }).collect();
    lexsort_to_indices(&columns, None)
}

pub(super) fn internal(error: &ArrowError) -> Failure {
    Failure::internal("rows of a group cannot be put next to each other").because(error)
}

fn unordered(error: &ArrowError) -> Failure {
    Failure::internal("keys of groups have no order").because(error)
}
