//! Partitions: what one stage leaves for the next, held by workers and pulled by others over Flight.

use std::pin::Pin;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::Stream;

use crate::failure::Failure;
use crate::id::AttemptId;
use crate::task::{PartitionMeta, PartitionSource};

/// A stream of batches with one schema.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, Failure>> + Send>>;

/// Where tasks leave partitions and find those of others.
///
/// An attempt appends to any of its buckets in any order and then seals them all at once; only sealed partitions can be
/// read, so nobody sees half of one.
#[async_trait]
pub trait PartitionStore: Send + Sync {
    /// Adds rows to an attempt's bucket. All batches of an attempt have one schema.
    ///
    /// # Errors
    /// [`crate::Reason::ResourcesExhausted`] where neither memory nor disk has room.
    async fn append(&self, attempt: AttemptId, bucket: u32, batch: RecordBatch) -> Result<(), Failure>;

    /// Makes an attempt's partitions readable; buckets that got no rows are left out.
    ///
    /// # Errors
    /// As [`PartitionStore::append`].
    async fn seal(&self, attempt: AttemptId) -> Result<Vec<PartitionMeta>, Failure>;

    /// Reads partitions from wherever they lie and checks each against its checksum. Rows come in the order of the
    /// sources, and within one as they were appended: where partitions lie and who is faster changes nothing. A stream
    /// that ended without an error delivered every row of every source.
    ///
    /// # Errors
    /// In the stream: [`crate::Reason::PartitionLost`] with the attempt in its location, where one is gone or its worker
    /// cannot be reached; [`crate::Reason::PartitionCorrupt`].
    async fn read(&self, sources: Vec<PartitionSource>) -> Result<PartitionReader, Failure>;
}

/// Batches of partitions, and what it took to get them.
pub struct PartitionReader {
    /// The rows, source by source.
    pub batches: BatchStream,
    /// Bytes that come from other workers over Flight.
    pub bytes_remote: u64,
    /// Bytes that lie on this worker.
    pub bytes_local: u64,
}
