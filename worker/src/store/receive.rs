//! Checks the messages of partitions as they arrive, from this worker's disk as from another worker, and decodes them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bytes::Bytes;
use shoal_core::failure::said_by_panic;
use shoal_core::task::PartitionSource;
use shoal_core::{AttemptId, Failure, Reason, WorkerId};
use xxhash_rust::xxh3::Xxh3;

use super::codec::Decoder;
use super::{at, lost};

/// Takes the messages of some partitions of one worker, one partition after the other.
pub(super) struct Receiver {
    worker: WorkerId,
    sources: Vec<PartitionSource>,
    /// Which of them arrives.
    current: usize,
    rows: u64,
    bytes: u64,
    checksum: Xxh3,
    decoder: Decoder,
}

impl Receiver {
    pub(super) fn new(worker: WorkerId, sources: Vec<PartitionSource>) -> Self {
        Self { worker, sources, current: 0, rows: 0, bytes: 0, checksum: Xxh3::new(), decoder: Decoder::default() }
    }

    pub(super) fn sources(&self) -> &[PartitionSource] {
        &self.sources
    }

    /// Takes a schema.
    pub(super) fn schema(&mut self, header: &[u8]) -> Result<(), Failure> {
        let attempt = self.first_missing();
        match decode(&mut self.decoder, header, Bytes::new()) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(self.corrupt(attempt, "rows stand where a schema was expected")),
            Err(error) => Err(self.corrupt(attempt, "the schema cannot be read").because(&error)),
        }
    }

    /// Takes a message of the partition at that place among the sources. `checksum` is the partition's up to and
    /// including it: damaged bytes are found before anything makes sense of them.
    pub(super) fn take(
        &mut self,
        source: usize,
        header: &[u8],
        body: Bytes,
        checksum: u64,
    ) -> Result<Option<RecordBatch>, Failure> {
        if source < self.current || source >= self.sources.len() {
            return Err(self.corrupt(self.first_missing(), "messages arrive in another order than was asked for"));
        }
        while self.current < source {
            self.finish_current()?;
        }
        let attempt = self.sources[source].attempt;
        self.bytes += (header.len() + body.len()) as u64;
        self.checksum.update(header);
        self.checksum.update(&body);
        if self.checksum.digest() != checksum {
            return Err(self.corrupt(attempt, "other bytes arrived than were written"));
        }
        let batch = decode(&mut self.decoder, header, body)
            .map_err(|error| self.corrupt(attempt, "the rows cannot be read").because(&error))?;
        self.rows += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Ok(batch)
    }

    /// Says that no message comes any more.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        while self.current < self.sources.len() {
            self.finish_current()?;
        }
        Ok(())
    }

    fn finish_current(&mut self) -> Result<(), Failure> {
        let expected = &self.sources[self.current].partition;
        if self.bytes < expected.bytes {
            return Err(self.lost("its messages ended early"));
        }
        // An empty partition has the checksum of nothing, as its writer computed it.
        let arrived = (self.rows, self.bytes, self.checksum.digest());
        if arrived != (expected.rows, expected.bytes, expected.checksum) {
            return Err(self.corrupt(self.sources[self.current].attempt, "other rows arrived than were written"));
        }
        self.current += 1;
        (self.rows, self.bytes) = (0, 0);
        self.checksum.reset();
        Ok(())
    }

    /// A failure for partitions that cannot be had any more; names the first that did not arrive as a whole.
    pub(super) fn lost(&self, why: &str) -> Failure {
        let attempt = self.first_missing();
        lost(
            &self.worker,
            attempt,
            format!("the partition of attempt {attempt} on worker `{}` is lost: {why}", self.worker),
        )
    }

    fn corrupt(&self, attempt: AttemptId, why: &str) -> Failure {
        let message = format!("the partition of attempt {attempt} on worker `{}` is damaged: {why}", self.worker);
        at(&self.worker, attempt, Failure::new(Reason::PartitionCorrupt, message))
    }

    fn first_missing(&self) -> AttemptId {
        let is_whole = |source: &PartitionSource| self.bytes >= source.partition.bytes;
        let rest = self.sources.get(self.current..).unwrap_or_default();
        let missing = match rest {
            [current, next, ..] if is_whole(current) => next,
            [current, ..] => current,
            // All have arrived; the last is as good a name as any.
            [] => self.sources.last().expect("a receiver has at least one source"),
        };
        missing.attempt
    }
}

/// Decodes a message. The bytes come from another process or from a disk, and the reader of Arrow panics on some that
/// make no sense: that must not look like a fault of the task.
fn decode(decoder: &mut Decoder, header: &[u8], body: Bytes) -> Result<Option<RecordBatch>, ArrowError> {
    catch_unwind(AssertUnwindSafe(|| decoder.decode(header, body))).unwrap_or_else(|panic: Box<dyn Any + Send>| {
        let text = said_by_panic(panic.as_ref()).unwrap_or("no message");
        Err(ArrowError::IpcError(format!("the reader panicked: {text}")))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use shoal_core::task::PartitionMeta;
    use shoal_core::{JobUid, TaskId};
    use uuid::Uuid;

    use super::super::codec::{Encoded, encode, encode_schema};
    use super::*;

    fn batch(value: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("i", Arc::new(Int64Array::from(vec![value, value])) as ArrayRef)]).unwrap()
    }

    fn attempt(index: u32) -> AttemptId {
        AttemptId { task: TaskId { job: JobUid(Uuid::from_u128(1)), stage: 0, index }, number: 1 }
    }

    /// A partition of two messages: what is expected of it, and the messages with their checksums.
    fn partition(index: u32) -> (PartitionSource, Vec<(Encoded, u64)>) {
        let mut checksum = Xxh3::new();
        let mut messages = Vec::new();
        for value in [1, 2] {
            let message = encode(&batch(value)).unwrap().remove(0);
            checksum.update(&message.header);
            checksum.update(&message.body);
            messages.push((message, checksum.digest()));
        }
        let bytes = messages.iter().map(|(message, _)| (message.header.len() + message.body.len()) as u64).sum();
        let partition = PartitionMeta { bucket: 0, rows: 4, bytes, checksum: checksum.digest() };
        let worker = WorkerId("w".into());
        (PartitionSource { attempt: attempt(index), worker, flight_url: String::new(), partition }, messages)
    }

    fn receiver(sources: &[PartitionSource]) -> Receiver {
        let mut receiver = Receiver::new(WorkerId("w".into()), sources.to_vec());
        receiver.schema(&encode_schema(batch(0).schema_ref())).unwrap();
        receiver
    }

    fn take(receiver: &mut Receiver, source: usize, message: &(Encoded, u64)) -> Result<RecordBatch, Failure> {
        receiver.take(source, &message.0.header, message.0.body.clone(), message.1).map(Option::unwrap)
    }

    #[test]
    fn whole_partitions_pass() {
        let ((one, messages), (two, _)) = (partition(0), partition(1));
        let mut receiver = receiver(&[one, two]);
        for source in [0, 1] {
            assert_eq!(take(&mut receiver, source, &messages[0]).unwrap(), batch(1));
            assert_eq!(take(&mut receiver, source, &messages[1]).unwrap(), batch(2));
        }
        receiver.finish().unwrap();
    }

    #[test]
    fn the_first_partition_that_is_not_whole_is_named() {
        let ((one, messages), (two, _)) = (partition(0), partition(1));
        let sources = [one, two];
        let missing = |taken: &[usize]| {
            let mut receiver = receiver(&sources);
            for place in taken {
                take(&mut receiver, place / 2, &messages[place % 2]).unwrap();
            }
            let failure = receiver.lost("the stream broke");
            assert_eq!(failure.reason, Reason::PartitionLost);
            let ended = receiver.finish().unwrap_err();
            assert_eq!((ended.reason, ended.location.attempt), (failure.reason, failure.location.attempt));
            failure.location.attempt.unwrap()
        };
        assert_eq!(missing(&[]), attempt(0));
        assert_eq!(missing(&[0]), attempt(0));
        assert_eq!(missing(&[0, 1]), attempt(1));
        assert_eq!(missing(&[0, 1, 2]), attempt(1));
        // The next one starts before this one is whole.
        let mut receiver = receiver(&sources);
        take(&mut receiver, 0, &messages[0]).unwrap();
        let failure = take(&mut receiver, 1, &messages[0]).unwrap_err();
        assert_eq!((failure.reason, failure.location.attempt), (Reason::PartitionLost, Some(attempt(0))));
    }

    #[test]
    fn any_flipped_byte_is_found_before_it_is_decoded() {
        let (source, messages) = partition(0);
        let (message, checksum) = &messages[0];
        for place in 0..message.header.len() + message.body.len() {
            let mut header = message.header.to_vec();
            let mut body = message.body.to_vec();
            match place.checked_sub(header.len()) {
                None => header[place] ^= 1,
                Some(place) => body[place] ^= 0x80,
            }
            let mut receiver = receiver(std::slice::from_ref(&source));
            let failure = receiver.take(0, &header, body.into(), *checksum).unwrap_err();
            assert_eq!((failure.reason, failure.location.attempt), (Reason::PartitionCorrupt, Some(attempt(0))));
            assert_eq!(failure.location.worker.as_deref(), Some("w"));
        }
    }

    #[test]
    fn what_does_not_match_the_report_is_damage() {
        let (source, messages) = partition(0);
        let mut wrong_rows = source.clone();
        wrong_rows.partition.rows += 1;
        let mut wrong_sum = source.clone();
        wrong_sum.partition.checksum += 1;
        for wrong in [wrong_rows, wrong_sum] {
            let mut receiver = receiver(&[wrong]);
            for message in &messages {
                take(&mut receiver, 0, message).unwrap();
            }
            assert_eq!(receiver.finish().unwrap_err().reason, Reason::PartitionCorrupt);
        }
        let mut receiver = receiver(&[source]);
        let failure = take(&mut receiver, 1, &messages[0]).unwrap_err();
        assert_eq!(failure.reason, Reason::PartitionCorrupt);
    }
}
