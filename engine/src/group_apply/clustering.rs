//! Puts rows of a group next to each other where all rows fit in memory.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, interleave, lexsort_to_indices, take};
use arrow::datatypes::{FieldRef, Schema};
use arrow::error::ArrowError;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use shoal_core::Failure;

use super::GroupTrainer;
use crate::error::engine_failure;
use crate::session::BATCH_ROWS;

/// Bytes that clustering holds for a row besides the row: its group, and its place once groups are known.
const BYTES_OF_PLACE: u64 = (size_of::<u32>() + size_of::<Place>()) as u64;

/// Clustering may hold this part of a task's memory. What is left is for the table of groups, which may be as many as
/// rows, and for training.
const MEMORY_SHARE: u64 = 2;

/// A row: its batch, and which of that batch's rows it is.
type Place = (u32, u32);

/// Rows on their way to be trained group by group, held in memory.
///
/// A sort would compare rows as often as their number has digits, and move them as often; here the group of each is looked
/// up once, and it is moved once. Groups come in the order of their keys and the rows of a group as they were pushed,
/// exactly as a stable sort by key has them.
pub struct Clustering {
    key_columns: usize,
    /// The columns after the keys.
    batches: Vec<RecordBatch>,
    /// The group of each row, in the order in which groups were met.
    group_of: Vec<u32>,
    groups: Box<dyn GroupValues>,
    /// Groups of the rows of one batch.
    interned: Vec<usize>,
}

impl Clustering {
    /// Whether so many rows, which take so many bytes together, are held in a part of that memory.
    pub fn fits(rows: u64, bytes: u64, memory_bytes: u64) -> bool {
        // Rows are told apart by 32 bits, and so are the letters of all keys together.
        u32::try_from(rows).is_ok()
            && i32::try_from(bytes).is_ok()
            && rows.saturating_mul(BYTES_OF_PLACE).saturating_add(bytes) <= memory_bytes / MEMORY_SHARE
    }

    /// For batches whose leading columns are these keys.
    ///
    /// # Errors
    /// An internal failure for a key of a type that has no groups.
    pub fn new(keys: &[FieldRef]) -> Result<Self, Failure> {
        let schema = Arc::new(Schema::new(keys.to_vec()));
        let groups = new_group_values(schema, &GroupOrdering::None).map_err(|error| engine_failure(&error))?;
        Ok(Self { key_columns: keys.len(), batches: Vec::new(), group_of: Vec::new(), groups, interned: Vec::new() })
    }

    /// Takes rows.
    ///
    /// # Errors
    /// An internal failure where the batch is not of the schema.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let keys = batch
            .columns()
            .get(..self.key_columns)
            .ok_or_else(|| Failure::internal(format!("{} key columns were expected in a batch", self.key_columns)))?;
        let others: Vec<usize> = (self.key_columns..batch.num_columns()).collect();
        let others = batch.project(&others).map_err(|error| internal(&error))?;
        self.groups.intern(keys, &mut self.interned).map_err(|error| engine_failure(&error))?;
        // There are no more groups than rows, and of these no more than 32 bits count.
        self.group_of.extend(self.interned.iter().map(|group| *group as u32));
        self.batches.push(others);
        Ok(())
    }

    /// All rows by their groups.
    ///
    /// # Errors
    /// An internal failure where keys have no order.
    pub fn cluster(mut self) -> Result<Clustered, Failure> {
        let keys = self.groups.emit(EmitTo::All).map_err(|error| engine_failure(&error))?;
        let order = order_of(&keys).map_err(|error| unordered(&error))?;
        let keys = keys.iter().map(|column| take(column, &order, None)).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| unordered(&error))?;
        let mut rank_of = vec![0; order.len()];
        for (rank, group) in (0_u32..).zip(order.values()) {
            rank_of[*group as usize] = rank;
        }
        // A counting sort: how many rows each group has says where its first one goes.
        let mut next = vec![0; rank_of.len() + 1];
        for group in &mut self.group_of {
            *group = rank_of[*group as usize];
            next[*group as usize + 1] += 1;
        }
        for rank in 1..next.len() {
            next[rank] += next[rank - 1];
        }
        let mut places = vec![Place::default(); self.group_of.len()];
        let mut groups = self.group_of.into_iter();
        for (batch, rows) in (0_u32..).zip(&self.batches) {
            for (row, group) in (0..rows.num_rows() as u32).zip(&mut groups) {
                let next = &mut next[group as usize];
                places[*next] = (batch, row);
                *next += 1;
            }
        }
        // Each group has moved its own start up to its end.
        next.pop();
        Ok(Clustered { keys, ends: next, places, batches: self.batches, group: 0, row: 0 })
    }
}

/// Rows that lie group by group.
pub struct Clustered {
    /// The key columns, one row per group.
    keys: Vec<ArrayRef>,
    /// Where each group's rows end among all.
    ends: Vec<usize>,
    places: Vec<Place>,
    batches: Vec<RecordBatch>,
    /// What was handed over: groups, and rows.
    group: usize,
    row: usize,
}

impl Clustered {
    /// Hands the next rows over, about a batch of them, and ends the groups that end among them. False once there are no
    /// more.
    ///
    /// # Errors
    /// Those of the trainer.
    pub fn train_next(&mut self, trainer: &mut impl GroupTrainer) -> Result<bool, Failure> {
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
        let columns = self.batches.first().map_or(0, RecordBatch::num_columns);
        (0..columns)
            .map(|column| {
                let pieces: Vec<&dyn Array> = self.batches.iter().map(|batch| batch.column(column).as_ref()).collect();
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

fn internal(error: &ArrowError) -> Failure {
    Failure::internal("rows of a group cannot be put next to each other").because(error)
}

fn unordered(error: &ArrowError) -> Failure {
    Failure::internal("keys of groups have no order").because(error)
}
