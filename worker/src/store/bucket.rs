//! One bucket of one attempt: rows that wait, messages that are kept, and what they become once sealed.

use std::mem;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use bytes::Bytes;
use shoal_core::task::PartitionMeta;
use shoal_core::{AttemptId, Failure, Reason, WorkerId};
use shoal_wire::limits::MESSAGE_BYTES_MAX;
use xxhash_rust::xxh3::Xxh3;

use super::codec::{self, Encoded};
use super::lost;
use super::place::{AttemptFolder, BucketFile, Kept, Loaded, Places};
use crate::limits::MESSAGE_BYTES;

/// A bucket that is written to.
pub(super) struct OpenBucket {
    bucket: u32,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    messages: Vec<Part>,
    file: BucketFile,
    rows: u64,
    bytes: u64,
    checksum: Xxh3,
}

/// A kept message, and the checksum of its partition up to and including it.
struct Part {
    kept: Kept,
    checksum: u64,
}

impl OpenBucket {
    pub(super) fn new(bucket: u32, folder: &Arc<AttemptFolder>) -> Self {
        Self {
            bucket,
            pending: Vec::new(),
            pending_rows: 0,
            pending_bytes: 0,
            messages: Vec::new(),
            file: BucketFile::new(folder, bucket),
            rows: 0,
            bytes: 0,
            checksum: Xxh3::new(),
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.bucket
    }

    pub(super) fn pending_rows(&self) -> usize {
        self.pending_rows
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Lets rows wait, and says how many bytes of memory they take.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<usize, Failure> {
        let batch = codec::owned(batch).map_err(|error| unwritable(&error))?;
        let bytes = codec::slice_bytes(&batch).map_err(|error| unwritable(&error))?;
        self.pending_rows += batch.num_rows();
        self.pending_bytes += bytes;
        self.pending.push(batch);
        Ok(bytes)
    }

    /// Turns the rows that wait into messages.
    pub(super) fn flush(&mut self, places: &Places) -> Result<(), Failure> {
        let pending = mem::take(&mut self.pending);
        let bytes = mem::take(&mut self.pending_bytes);
        self.pending_rows = 0;
        let Some(first) = pending.first() else { return Ok(()) };
        let batch = concat_batches(first.schema_ref(), &pending).map_err(|error| unwritable(&error))?;
        drop(pending);
        self.rows += batch.num_rows() as u64;
        for (offset, rows) in cuts(batch.num_rows(), bytes) {
            for message in codec::encode(&batch.slice(offset, rows)).map_err(|error| unwritable(&error))? {
                self.keep(message, places)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, message: Encoded, places: &Places) -> Result<(), Failure> {
        let bytes = message.header.len() + message.body.len();
        if bytes > MESSAGE_BYTES_MAX - MESSAGE_OVERHEAD_MAX {
            let message =
                format!("one row takes {bytes} bytes, and workers send at most {MESSAGE_BYTES_MAX} at a time");
            return Err(Failure::new(Reason::ResourcesExhausted, message).next("leave such columns out of the job"));
        }
        self.checksum.update(&message.header);
        self.checksum.update(&message.body);
        self.bytes += bytes as u64;
        let kept = places.keep(message, &mut self.file)?;
        self.messages.push(Part { kept, checksum: self.checksum.digest() });
        Ok(())
    }

    /// The bucket as it can be read.
    pub(super) fn seal(self, worker: &WorkerId, attempt: AttemptId, schema: Bytes) -> Partition {
        let Self { bucket, pending, pending_rows: _, pending_bytes: _, messages, file, rows, bytes, checksum } = self;
        debug_assert!(pending.is_empty(), "flushed before it is sealed");
        let meta = PartitionMeta { bucket, rows, bytes, checksum: checksum.digest() };
        Partition { worker: worker.clone(), attempt, meta, schema, messages, file }
    }
}

/// A bucket that another worker wrote, on its way here.
pub(super) struct AdoptedBucket {
    messages: Vec<Part>,
    file: BucketFile,
}

impl AdoptedBucket {
    pub(super) fn new(bucket: u32, folder: &Arc<AttemptFolder>) -> Self {
        Self { messages: Vec::new(), file: BucketFile::new(folder, bucket) }
    }

    pub(super) fn keep(&mut self, message: Encoded, checksum: u64, places: &Places) -> Result<(), Failure> {
        let kept = places.keep(message, &mut self.file)?;
        self.messages.push(Part { kept, checksum });
        Ok(())
    }

    /// The bucket as it can be read: what was written is what has arrived.
    pub(super) fn seal(self, worker: &WorkerId, attempt: AttemptId, meta: PartitionMeta, schema: Bytes) -> Partition {
        let Self { messages, file } = self;
        Partition { worker: worker.clone(), attempt, meta, schema, messages, file }
    }
}

/// What a Flight message takes besides an IPC message.
const MESSAGE_OVERHEAD_MAX: usize = 1 << 10;

/// Cuts rows that take so many bytes together into pieces of about [`MESSAGE_BYTES`]: (first row, rows).
fn cuts(rows: usize, bytes: usize) -> impl Iterator<Item = (usize, usize)> {
    let pieces = bytes.div_ceil(MESSAGE_BYTES).clamp(1, rows.max(1));
    let step = rows.div_ceil(pieces).max(1);
    (0..rows).step_by(step).map(move |first| (first, step.min(rows - first)))
}

fn unwritable(error: &ArrowError) -> Failure {
    Failure::internal("rows of a partition cannot be encoded").because(error)
}

/// A sealed partition: never changes, and its files live as long as anybody reads from it.
pub(crate) struct Partition {
    worker: WorkerId,
    attempt: AttemptId,
    /// What was written.
    pub(crate) meta: PartitionMeta,
    /// The message that stands before all others of a stream with this partition.
    pub(crate) schema: Bytes,
    messages: Vec<Part>,
    file: BucketFile,
}

impl Partition {
    /// How many messages it has.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// A message, and the partition's checksum up to and including it.
    ///
    /// # Errors
    /// [`Reason::PartitionLost`] where it was on disk and cannot be read any more.
    pub(crate) async fn load(&self, index: usize) -> Result<(Loaded, u64), Failure> {
        let part = &self.messages[index];
        let loaded = part.kept.load(&self.file).await.map_err(|error| {
            let message = format!("bucket {} of attempt {} cannot be read from disk", self.meta.bucket, self.attempt);
            lost(&self.worker, self.attempt, message).because(&error)
        })?;
        Ok((loaded, part.checksum))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cuts_cover_every_row_once() {
        for rows in [1, 2, 7, 1000] {
            for bytes in [0, 1, MESSAGE_BYTES, MESSAGE_BYTES + 1, 10 * MESSAGE_BYTES, usize::MAX / 2] {
                let mut next = 0;
                for (first, count) in cuts(rows, bytes) {
                    assert!(first == next && count > 0);
                    next += count;
                }
                assert_eq!(next, rows, "{rows} rows, {bytes} bytes");
            }
        }
        assert_eq!(cuts(10, 2 * MESSAGE_BYTES).collect::<Vec<_>>(), [(0, 5), (5, 5)]);
        assert_eq!(cuts(3, 100 * MESSAGE_BYTES).count(), 3);
        assert_eq!(cuts(0, 0).count(), 0);
    }
}
