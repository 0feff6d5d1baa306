use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_empty_array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use shoal_core::Failure;
use shoal_core::functions::Groups;

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
    frame: SchemaRef,
    /// Where each column of the frame comes from.
    origins: Vec<Origin>,
    group_bytes_max: u64,
    message: Message,
    open: Open,
    packed: VecDeque<Packed>,
}

/// Where a column of the frame comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// That key.
    Key(usize),
    /// That column after the keys.
    Column(usize),
}

/// Groups that are complete.
#[derive(Default)]
struct Message {
    pieces: Vec<Piece>,
    keys: KeyCollector,
    ends: Vec<u64>,
    bytes: u64,
}

/// The group that is open.
#[derive(Default)]
struct Open {
    pieces: Vec<Piece>,
    rows: u64,
    bytes: u64,
}

/// Rows that lie next to each other.
struct Piece {
    columns: Vec<ArrayRef>,
    rows: Range<usize>,
}

impl Packer {
    /// A packer of rows that were selected for these columns. A group with more bytes than that is too large.
    pub fn new(columns: &ResolvedColumns, group_bytes_max: u64) -> Self {
        let keys = columns.keys.iter().map(|key| Field::new(&key.name, key.data_type.clone(), true));
        let frame = columns.frame.iter().map(|seen| Field::new(&seen.name, seen.data_type.clone(), true));
        let mut next = 0..;
        let origins = columns.frame.iter().map(|seen| match seen.key {
            Some(key) => Origin::Key(key),
            None => Origin::Column(next.next().unwrap_or_default()),
        });
        Self {
            origins: origins.collect(),
            keys: Arc::new(Schema::new(keys.collect::<Vec<_>>())),
            frame: Arc::new(Schema::new(frame.collect::<Vec<_>>())),
            group_bytes_max,
            message: Message::default(),
            open: Open::default(),
            packed: VecDeque::new(),
        }
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
        let Message { pieces, mut keys, ends, bytes: _ } = std::mem::take(&mut self.message);
        if ends.is_empty() {
            return Ok(());
        }
        let keys = RecordBatch::try_new(Arc::clone(&self.keys), keys.take(self.keys.fields())?);
        let groups = keys.and_then(|keys| {
            let rows = self.frame_of(&pieces, &keys, &ends)?;
            Ok(Groups { rows, keys, ends, predicting: None })
        });
        self.packed.push_back(Packed::Groups(groups.map_err(|error| not_packed(&error))?));
        Ok(())
    }

    fn frame_of(&self, pieces: &[Piece], keys: &RecordBatch, ends: &[u64]) -> Result<RecordBatch, ArrowError> {
        let rows = ends.last().copied().unwrap_or_default() as usize;
        let mut group_of_row: Option<UInt32Array> = None;
        let mut columns = Vec::with_capacity(self.origins.len());
        for (origin, field) in self.origins.iter().zip(self.frame.fields()) {
            let column = match origin {
                Origin::Key(key) => {
                    let groups = group_of_row.get_or_insert_with(|| repeated(ends));
                    cast(&take(keys.column(*key), groups, None)?, field.data_type())?
                }
                Origin::Column(column) => together(pieces, *column, field)?,
            };
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.frame), columns, &options)
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
        self.open.bytes += columns.iter().map(|column| bytes_of(column, &rows)).sum::<u64>();
        if self.open.bytes > self.group_bytes_max {
            self.open.pieces = Vec::new();
            return Ok(());
        }
        self.open.pieces.push(Piece { columns: columns.to_vec(), rows });
        Ok(())
    }

    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        let Open { pieces, rows, bytes } = std::mem::take(&mut self.open);
        if bytes > self.group_bytes_max {
            self.close()?;
            let key = keys.iter().map(|column| column.slice(row, 1)).collect();
            let key = RecordBatch::try_new(Arc::clone(&self.keys), key).map_err(|error| not_packed(&error))?;
            self.packed.push_back(Packed::TooLarge(key, rows));
            return Ok(());
        }
        let message = &mut self.message;
        for piece in pieces {
            match message.pieces.last_mut() {
                // Groups of one batch lie next to each other as a rule.
                Some(last) if last.is_followed_by(&piece) => last.rows.end = piece.rows.end,
                _ => message.pieces.push(piece),
            }
        }
        message.keys.push(keys, row)?;
        message.ends.push(message.ends.last().copied().unwrap_or_default() + rows);
        message.bytes += bytes;
        if self.is_full() { self.close() } else { Ok(()) }
    }
}

impl Piece {
    fn is_followed_by(&self, other: &Self) -> bool {
        let is_same = self.columns.iter().zip(&other.columns).all(|(one, other)| Arc::ptr_eq(one, other));
        // Without columns there is nothing to be put together.
        is_same && self.rows.end == other.rows.start
    }
}

/// A column of all pieces; no row is copied where there is one piece.
fn together(pieces: &[Piece], column: usize, field: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let slice = |piece: &Piece| match piece.columns.get(column) {
        Some(found) => Ok(found.slice(piece.rows.start, piece.rows.len())),
        None => Err(ArrowError::SchemaError(format!("there is no column {column} after the keys"))),
    };
    let slices = pieces.iter().map(slice).collect::<Result<Vec<_>, _>>()?;
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

/// About how many bytes some rows take: those of values of one size exactly, of others their part of the column.
fn bytes_of(column: &ArrayRef, rows: &Range<usize>) -> u64 {
    let bytes = match column.data_type() {
        DataType::Boolean => rows.len().div_ceil(8),
        other => match other.primitive_width() {
            Some(width) => width * rows.len(),
            None => {
                let all = column.to_data().get_slice_memory_size().unwrap_or_default();
                all.saturating_mul(rows.len()) / column.len().max(1)
            }
        },
    };
    bytes as u64
}

fn not_packed(error: &ArrowError) -> Failure {
    Failure::internal("groups cannot be packed for a function").because(error)
}
