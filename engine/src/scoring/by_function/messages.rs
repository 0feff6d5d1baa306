//! Groups of rows on their way to a function that predicts.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use shoal_core::Failure;
use shoal_core::functions::Groups;

use super::FunctionScoring;
use crate::functions::{Packed, Packer};
use crate::group_apply::GroupTrainer;

/// What comes of rows that go by group after group.
#[derive(Debug)]
pub enum Message {
    /// Whole groups.
    Groups(Groups),
    /// Some rows of a group that has more than memory holds.
    TooLarge(RecordBatch),
}

/// Packs groups into messages, as training does. Of a group that is too large the rows go on one by one: they stay in the
/// output, though nobody predicts for them.
pub struct Messages {
    packer: Packer,
    columns: SchemaRef,
    group_bytes_max: u64,
    open: Vec<(Vec<ArrayRef>, Range<usize>)>,
    open_bytes: u64,
    ready: VecDeque<Message>,
}

impl Messages {
    /// For rows that [`FunctionScoring::rows_frame`] selects. A group with more bytes than that is too large.
    pub fn new(scoring: &FunctionScoring, group_bytes_max: u64) -> Self {
        let columns = scoring.columns.frame.iter().map(|seen| Field::new(&seen.name, seen.data_type.clone(), true));
        Self {
            packer: Packer::new(&scoring.columns, u64::MAX),
            columns: Arc::new(Schema::new(columns.collect::<Vec<_>>())),
            group_bytes_max,
            open: Vec::new(),
            open_bytes: 0,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next message, the first first.
    pub fn take(&mut self) -> Option<Message> {
        self.ready.pop_front()
    }

    /// Packs whatever waits for company.
    ///
    /// # Errors
    /// An internal failure where rows are not of the columns.
    pub fn close(&mut self) -> Result<(), Failure> {
        self.packer.close()?;
        self.pass_on()
    }

    fn pass_on(&mut self) -> Result<(), Failure> {
        while let Some(packed) = self.packer.take() {
            match packed {
                Packed::Groups(groups) => self.ready.push_back(Message::Groups(groups)),
                Packed::TooLarge(..) => return Err(Failure::internal("a group is too large for no limit")),
            }
        }
        Ok(())
    }

    fn is_too_large(&self) -> bool {
        self.open_bytes > self.group_bytes_max
    }

    /// Lets go of the rows of the open group.
    fn give_up(&mut self) -> Result<(), Failure> {
        for (columns, rows) in self.open.drain(..) {
            let columns: Vec<ArrayRef> = columns.iter().map(|column| column.slice(rows.start, rows.len())).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            let rows = RecordBatch::try_new_with_options(Arc::clone(&self.columns), columns, &options)
                .map_err(|error| Failure::internal("rows of a large group are of other columns").because(&error))?;
            self.ready.push_back(Message::TooLarge(rows));
        }
        Ok(())
    }
}

impl GroupTrainer for Messages {
    fn rows(&mut self, columns: &[ArrayRef], rows: Range<usize>) -> Result<(), Failure> {
        let bytes = |column: &ArrayRef| {
            column.slice(rows.start, rows.len()).to_data().get_slice_memory_size().unwrap_or_default() as u64
        };
        self.open_bytes += columns.iter().map(bytes).sum::<u64>();
        self.open.push((columns.to_vec(), rows));
        if self.is_too_large() { self.give_up() } else { Ok(()) }
    }

    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        let is_too_large = self.is_too_large();
        self.open_bytes = 0;
        if is_too_large {
            return Ok(());
        }
        for (columns, rows) in self.open.drain(..) {
            self.packer.rows(&columns, rows)?;
        }
        self.packer.finish(keys, row)?;
        self.pass_on()
    }
}
