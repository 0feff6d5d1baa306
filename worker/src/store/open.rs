//! An attempt that still writes.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use shoal_core::{AttemptId, Failure, WorkerId};

use super::bucket::{OpenBucket, Partition};
use super::codec::encode_schema;
use super::place::{AttemptFolder, Places};
use crate::limits::{ATTEMPT_BYTES_PENDING, BUCKET_ROWS_PENDING, MESSAGE_BYTES};

/// The buckets of an attempt that still writes.
pub(super) struct OpenAttempt {
    worker: WorkerId,
    attempt: AttemptId,
    folder: Arc<AttemptFolder>,
    schema: Option<SchemaRef>,
    buckets: BTreeMap<u32, OpenBucket>,
    pending_bytes: usize,
}

impl OpenAttempt {
    pub(super) fn new(worker: WorkerId, attempt: AttemptId, folder: Arc<AttemptFolder>) -> Self {
        Self { worker, attempt, folder, schema: None, buckets: BTreeMap::new(), pending_bytes: 0 }
    }

    pub(super) fn append(&mut self, places: &Places, bucket: u32, batch: RecordBatch) -> Result<(), Failure> {
        let schema = self.schema.get_or_insert_with(|| batch.schema());
        if *schema != batch.schema() {
            return Err(Failure::internal(format!("attempt {} writes batches with two schemas", self.attempt)));
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let folder = &self.folder;
        let open = self.buckets.entry(bucket).or_insert_with(|| OpenBucket::new(bucket, folder));
        self.pending_bytes += open.push(batch)?;
        if open.pending_rows() >= BUCKET_ROWS_PENDING || open.pending_bytes() >= MESSAGE_BYTES {
            self.flush(places, bucket)?;
        }
        while self.pending_bytes > ATTEMPT_BYTES_PENDING {
            // The fullest gives the largest messages.
            let fullest = self.buckets.values().max_by_key(|bucket| bucket.pending_bytes()).map(OpenBucket::number);
            let Some(fullest) = fullest else { break };
            self.flush(places, fullest)?;
        }
        Ok(())
    }

    fn flush(&mut self, places: &Places, bucket: u32) -> Result<(), Failure> {
        if let Some(open) = self.buckets.get_mut(&bucket) {
            self.pending_bytes -= open.pending_bytes();
            open.flush(places)?;
        }
        Ok(())
    }

    /// Everything written, as it can be read.
    pub(super) fn seal(&mut self, places: &Places) -> Result<BTreeMap<u32, Arc<Partition>>, Failure> {
        let Some(schema) = self.schema.as_ref().map(encode_schema) else { return Ok(BTreeMap::new()) };
        self.pending_bytes = 0;
        let seal = |(number, mut bucket): (u32, OpenBucket)| {
            bucket.flush(places)?;
            Ok((number, Arc::new(bucket.seal(&self.worker, self.attempt, schema.clone()))))
        };
        mem::take(&mut self.buckets).into_iter().map(seal).collect()
    }
}
