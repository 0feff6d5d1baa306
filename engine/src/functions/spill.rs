//! A group that memory does not hold, on its way to a function that takes it piece by piece: a file on the scratch disk.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use datafusion::error::DataFusionError;
use shoal_core::Failure;
use shoal_core::functions::{Groups, PIECE_BYTES, PIECE_ROWS, Pieces, ReadPieces};

use super::frame::{Frame, Run, bytes_of, together};
use crate::error::engine_failure;

/// Writes the rows of a group, a record batch for each piece. Keys are not written: they are the same in all rows.
pub(super) struct SpillWriter {
    frame: Arc<Frame>,
    columns: Vec<FieldRef>,
    file: FileWriter<File>,
    /// Rows of the piece that is not full yet.
    open: Vec<Run>,
    open_rows: u64,
    open_bytes: u64,
    /// Rows of each piece that is written.
    rows: Vec<u64>,
}

impl SpillWriter {
    /// A file in that folder, which is made. Nobody else sees the file, and it is gone with the last that holds it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn create(scratch: &Path, frame: Arc<Frame>) -> Result<Self, Failure> {
        let file = std::fs::create_dir_all(scratch).and_then(|()| tempfile::tempfile_in(scratch));
        let file = file.map_err(|error| not_written(error.into()))?;
        let columns = frame.columns();
        let file = FileWriter::try_new(file, &schema_of(&columns)).map_err(not_written)?;
        Ok(Self { frame, columns, file, open: Vec::new(), open_rows: 0, open_bytes: 0, rows: Vec::new() })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn push(&mut self, run: &Run) -> Result<(), Failure> {
        let of_row = bytes_of(&run.columns, &run.rows).div_ceil(run.rows.len().max(1) as u64).max(1);
        let mut left = run.rows.clone();
        while !left.is_empty() {
            let room = (PIECE_BYTES.saturating_sub(self.open_bytes) / of_row).min(PIECE_ROWS - self.open_rows);
            let taken = (room.max(1) as usize).min(left.len());
            self.open.push(Run { columns: run.columns.clone(), rows: left.start..left.start + taken });
            self.open_rows += taken as u64;
            self.open_bytes += taken as u64 * of_row;
            left.start += taken;
            if self.open_rows >= PIECE_ROWS || self.open_bytes + of_row > PIECE_BYTES {
                self.write()?;
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Failure> {
        let (runs, rows) = (std::mem::take(&mut self.open), std::mem::take(&mut self.open_rows));
        self.open_bytes = 0;
        let columns = self.columns.iter().enumerate().map(|(index, field)| together(&runs, index, field));
        let options = RecordBatchOptions::new().with_row_count(Some(rows as usize));
        let batch = columns
            .collect::<Result<Vec<_>, _>>()
            .and_then(|columns| RecordBatch::try_new_with_options(Arc::clone(self.file.schema()), columns, &options));
        batch.and_then(|batch| self.file.write(&batch)).map_err(not_written)?;
        self.rows.push(rows);
        Ok(())
    }

    /// The group, whose key is given.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn finish(mut self, key: RecordBatch) -> Result<Groups, Failure> {
        if self.open_rows > 0 {
            self.write()?;
        }
        let file = self.file.into_inner().and_then(|file| FileReader::try_new_buffered(file, None));
        let file = Mutex::new(file.map_err(not_written)?);
        let (rows, ends) = (RecordBatch::new_empty(Arc::clone(self.frame.schema())), vec![self.rows.iter().sum()]);
        let spill = Spill { frame: self.frame, key: key.clone(), rows: self.rows, file };
        Ok(Groups { rows, keys: key, ends, pieces: Some(Pieces(Arc::new(spill))), predicting: None })
    }
}

fn schema_of(columns: &[FieldRef]) -> SchemaRef {
    Arc::new(Schema::new(columns.to_vec()))
}

fn not_written(error: ArrowError) -> Failure {
    engine_failure(&DataFusionError::from(error))
}

/// What was written of a group.
#[derive(Debug)]
struct Spill {
    frame: Arc<Frame>,
    key: RecordBatch,
    rows: Vec<u64>,
    file: Mutex<FileReader<io::BufReader<File>>>,
}

impl ReadPieces for Spill {
    fn rows(&self) -> &[u64] {
        &self.rows
    }

    fn read(&self, piece: usize) -> io::Result<RecordBatch> {
        // Wherever a reader that panicked has left the file, the next one sets it.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = file.set_index(piece).and_then(|()| file.next().transpose());
        let batch = batch.map_err(io::Error::other)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let rows = batch.num_rows();
        let run = Run { columns: batch.columns().to_vec(), rows: 0..rows };
        self.frame.rows(&[run], &self.key, &[rows as u64]).map_err(io::Error::other)
    }
}
