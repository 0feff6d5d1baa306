//! Puts rows of a group next to each other where all rows fit in memory.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use shoal_core::Failure;

use super::GroupTrainer;
use super::hand_over::HandOver;
use super::part::Part;
use super::places::BYTES_OF_PLACE;
use crate::error::engine_failure;
use crate::keys::{Gathering, split_by_part};

/// Bytes of rows that are put into the order of their groups together. With its table of groups this is what a core's own
/// cache holds, so that looking a group up and moving a row do not wait for memory.
const PART_BYTES: u64 = 512 << 10;

/// Parts at the most: rows are dealt to so many at a time, and a part should get a good many of them.
const PARTS_MAX: u64 = 256;

/// Clustering may hold this part of a task's memory. What is left is for training.
const MEMORY_SHARE: u64 = 2;

/// Rows on their way to be trained group by group, held in memory.
///
/// A sort would compare rows as often as their number has digits, and move them as often; here they are dealt to parts
/// by a hash of their keys, and within a part the group of each is looked up once, and each is moved once or, for a trainer
/// that takes moments, added to those of its group where it lies. The rows of a group come as they were pushed. Groups of
/// a part come in the order of their keys, which is all that is promised of the order of groups.
pub struct Clustering {
    keys: SchemaRef,
    /// Rows that are not dealt yet.
    waiting: Gathering,
    parts: Vec<Vec<RecordBatch>>,
}

impl Clustering {
    /// Whether so many rows, which take so many bytes together, are held in a part of that memory.
    pub fn fits(rows: u64, bytes: u64, memory_bytes: u64) -> bool {
        // Rows are told apart by 32 bits, and so are the letters of all keys together.
        u32::try_from(rows).is_ok()
            && i32::try_from(bytes).is_ok()
            && rows.saturating_mul(BYTES_OF_PLACE).saturating_add(bytes) <= memory_bytes / MEMORY_SHARE
    }

    /// For batches whose leading columns are these keys; together they take about so many bytes.
    pub fn new(keys: &[FieldRef], bytes: u64) -> Self {
        let parts = bytes.div_ceil(PART_BYTES).clamp(1, PARTS_MAX);
        Self {
            keys: Arc::new(Schema::new(keys.to_vec())),
            waiting: Gathering::new(parts as u32),
            parts: vec![Vec::new(); parts as usize],
        }
    }

    /// Takes rows.
    ///
    /// # Errors
    /// An internal failure where the batch is not of the schema.
    pub fn push(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        match self.waiting.push(batch)? {
            Some(rows) => self.deal(&rows),
            None => Ok(()),
        }
    }

    fn deal(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        for (part, rows) in split_by_part(rows, self.keys.fields().len(), self.parts.len() as u32)? {
            self.parts[part as usize].push(rows);
        }
        Ok(())
    }

    /// All rows by their groups.
    ///
    /// # Errors
    /// As [`Clustering::push`].
    pub fn cluster(mut self) -> Result<Clustered, Failure> {
        if let Some(rest) = self.waiting.finish()? {
            self.deal(&rest)?;
        }
        let key_columns = self.keys.fields().len();
        let groups = new_group_values(self.keys, &GroupOrdering::None).map_err(|error| engine_failure(&error))?;
        Ok(Clustered { key_columns, groups, parts: self.parts.into_iter(), open: None })
    }
}

/// Rows that come group by group.
pub struct Clustered {
    key_columns: usize,
    /// Where groups of a part are looked up; each part leaves it empty, and with room for the next one's.
    groups: Box<dyn GroupValues>,
    /// Those whose rows are dealt and no more.
    parts: std::vec::IntoIter<Vec<RecordBatch>>,
    /// The one whose groups are handed over.
    open: Option<HandOver>,
}

impl Clustered {
    /// How many parts of the rows have not begun to be handed over.
    pub fn parts_left(&self) -> usize {
        self.parts.len()
    }

    /// Hands the next rows over, about a batch of them, and ends the groups that end among them; or the moments of as many
    /// groups. False once there are no more.
    ///
    /// # Errors
    /// Those of the trainer; an internal failure for keys of a type that has no groups or no order.
    pub fn train_next(&mut self, trainer: &mut impl GroupTrainer) -> Result<bool, Failure> {
        loop {
            if let Some(groups) = &mut self.open
                && groups.next(trainer)?
            {
                return Ok(true);
            }
            let Some(rows) = self.parts.next() else { return Ok(false) };
            let part = Part::new(self.groups.as_mut(), self.key_columns, &rows)?;
            self.open = Some(HandOver::new(part, trainer)?);
        }
    }
}
