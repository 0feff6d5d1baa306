use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use shoal_core::Failure;
use shoal_core::functions::Groups;

use super::frame::{Frame, Run, bytes_of};
use super::spill::SpillWriter;
use crate::columns::ResolvedColumns;
use crate::group_apply::{GroupTrainer, KeyCollector};

/// Rows of a message: a batch as engines work with, or a little more, as groups stay whole.
const MESSAGE_ROWS: usize = 1 << 14;

/// Bytes of a message: large enough that what a message costs is nothing, small enough that a process begins soon.
const MESSAGE_BYTES: u64 = 2 << 20;

/// Groups of a message.
const MESSAGE_GROUPS: usize = 1 << 13;

/// Groups that are packed.
#[derive(Debug)]
pub enum Packed {
    /// For a function.
    Groups(Groups),
    /// A group with more rows than memory holds, of which these are the key and the number of rows.
    TooLarge(RecordBatch, u64),
}

/// Packs groups into messages, many to one.
pub struct Packer {
    /// The keys' own types.
    keys: SchemaRef,
    frame: Arc<Frame>,
    group_bytes_max: u64,
    /// Where larger groups are written to, if they are wanted.
    scratch: Option<PathBuf>,
    message: Message,
    open: Open,
    packed: VecDeque<Packed>,
}

/// Groups that are complete.
#[derive(Default)]
struct Message {
    runs: Vec<Run>,
    keys: KeyCollector,
    ends: Vec<u64>,
    bytes: u64,
}

/// The group that is open.
#[derive(Default)]
struct Open {
    runs: Vec<Run>,
    rows: u64,
    bytes: u64,
    /// Its rows, where memory does not hold them.
    spill: Option<SpillWriter>,
}

impl Packer {
    /// A packer of rows that were selected for these columns. A group with more bytes than that is too large.
    pub fn new(columns: &ResolvedColumns, group_bytes_max: u64) -> Self {
        let keys = columns.keys.iter().map(|key| Field::new(&key.name, key.data_type.clone(), true));
        Self {
            keys: Arc::new(Schema::new(keys.collect::<Vec<_>>())),
            frame: Arc::new(Frame::new(columns)),
            group_bytes_max,
            scratch: None,
            message: Message::default(),
            open: Open::default(),
            packed: VecDeque::new(),
        }
    }

    /// Groups that are too large come all the same: in pieces, which are in that folder.
    #[must_use]
    pub fn with_pieces_in(self, scratch: PathBuf) -> Self {
        Self { scratch: Some(scratch), ..self }
    }

    /// Takes what is packed, the first first.
    pub fn take(&mut self) -> Option<Packed> {
        self.packed.pop_front()
    }

    /// Packs whatever waits for company.
    ///
    /// # Errors
    /// An internal failure where rows are not of the columns.
    pub fn close(&mut self) -> Result<(), Failure> {
        let Message { runs, mut keys, ends, bytes: _ } = std::mem::take(&mut self.message);
        if ends.is_empty() {
            return Ok(());
        }
        let keys = RecordBatch::try_new(Arc::clone(&self.keys), keys.take(self.keys.fields())?);
        let groups = keys.and_then(|keys| {
            let rows = self.frame.rows(&runs, &keys, &ends)?;
            Ok(Groups { rows, keys, ends, pieces: None, predicting: None })
        });
        self.packed.push_back(Packed::Groups(groups.map_err(|error| not_packed(&error))?));
        Ok(())
    }

    /// The group is too large for memory, with all of its rows so far.
    fn spill(&mut self) -> Result<(), Failure> {
        let Open { runs, spill, .. } = &mut self.open;
        let Some(scratch) = &self.scratch else {
            runs.clear();
            return Ok(());
        };
        let spill = match spill {
            Some(spill) => spill,
            none => none.insert(SpillWriter::create(scratch, Arc::clone(&self.frame))?),
        };
        runs.drain(..).try_for_each(|run| spill.push(&run))
    }

    fn is_full(&self) -> bool {
        let Message { ends, bytes, .. } = &self.message;
        let rows = ends.last().copied().unwrap_or_default();
        ends.len() >= MESSAGE_GROUPS || rows >= MESSAGE_ROWS as u64 || *bytes >= MESSAGE_BYTES
    }
}

impl GroupTrainer for Packer {
    fn rows(&mut self, columns: &[ArrayRef], rows: Range<usize>) -> Result<(), Failure> {
        self.open.rows += rows.len() as u64;
        self.open.bytes += bytes_of(columns, &rows);
        self.open.runs.push(Run { columns: columns.to_vec(), rows });
        if self.open.bytes > self.group_bytes_max { self.spill() } else { Ok(()) }
    }

    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        let Open { runs, rows, bytes, spill } = std::mem::take(&mut self.open);
        if bytes > self.group_bytes_max {
            self.close()?;
            let key = keys.iter().map(|column| column.slice(row, 1)).collect();
            let key = RecordBatch::try_new(Arc::clone(&self.keys), key).map_err(|error| not_packed(&error))?;
            self.packed.push_back(match spill {
                None => Packed::TooLarge(key, rows),
                Some(spill) => Packed::Groups(spill.finish(key)?),
            });
            return Ok(());
        }
        let message = &mut self.message;
        for run in runs {
            match message.runs.last_mut() {
                // Groups of one batch lie next to each other as a rule.
                Some(last) if last.is_followed_by(&run) => last.rows.end = run.rows.end,
                _ => message.runs.push(run),
            }
        }
        message.keys.push(keys, row)?;
        message.ends.push(message.ends.last().copied().unwrap_or_default() + rows);
        message.bytes += bytes;
        if self.is_full() { self.close() } else { Ok(()) }
    }
}

fn not_packed(error: &ArrowError) -> Failure {
    Failure::internal("groups cannot be packed for a function").because(error)
}
