//! What one worker asks of another over Flight, and how each message of the answer says where it belongs.

use arrow_flight::Ticket;
use prost::Message;
use shoal_core::task::PartitionSource;
use shoal_core::{AttemptId, Failure, JobUid, Reason};

use crate::proto::{FlightSource, FlightTicket};

/// The ticket for partitions that one worker holds.
pub fn encode(job: JobUid, sources: &[PartitionSource]) -> Ticket {
    let sources = sources.iter().map(|source| FlightSource {
        attempt: source.attempt.to_string(),
        bucket: source.partition.bucket,
        checksum: source.partition.checksum,
        bytes: source.partition.bytes,
    });
    let ticket = FlightTicket { job_uid: job.to_string(), sources: sources.collect() };
    Ticket::new(ticket.encode_to_vec())
}

/// A partition as a ticket names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The attempt that wrote it.
    pub attempt: AttemptId,
    /// The bucket.
    pub bucket: u32,
    /// xxh3 over its messages.
    pub checksum: u64,
    /// Bytes of its messages.
    pub bytes: u64,
}

/// The partitions that a ticket asks for, in its order.
///
/// # Errors
/// [`Reason::IncompatibleVersion`] where it is no ticket of Shoal's, or one that mixes jobs.
pub fn decode(ticket: &Ticket) -> Result<Vec<Wanted>, Failure> {
    let refuse = |why: &str| Failure::new(Reason::IncompatibleVersion, format!("the Flight ticket {why}"));
    let ticket =
        FlightTicket::decode(ticket.ticket.clone()).map_err(|error| refuse("cannot be read").because(&error))?;
    let wanted = ticket.sources.iter().map(|source| {
        let attempt: AttemptId = source.attempt.parse().map_err(|error| refuse("names no attempt").because(&error))?;
        if attempt.task.job.to_string() != ticket.job_uid {
            return Err(refuse("names an attempt of another job"));
        }
        Ok(Wanted { attempt, bucket: source.bucket, checksum: source.checksum, bytes: source.bytes })
    });
    wanted.collect()
}

/// Which partition of a ticket a message belongs to; its `app_metadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Place of the partition in the ticket.
    pub source: u32,
    /// xxh3 over the partition's messages so far, this one included: damage shows before anything is decoded.
    pub checksum: u64,
}

impl Mark {
    /// As it travels: 4 bytes and 8 bytes, little-endian.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.source.to_le_bytes().as_slice(), self.checksum.to_le_bytes().as_slice()].concat()
    }

    /// What travelled, where it is a mark.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (source, checksum) = bytes.split_first_chunk::<4>()?;
        let checksum = checksum.try_into().ok()?;
        Some(Self { source: u32::from_le_bytes(*source), checksum: u64::from_le_bytes(checksum) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::task::PartitionMeta;
    use shoal_core::{TaskId, WorkerId};
    use uuid::Uuid;

    use super::*;

    fn source(job: JobUid, index: u32) -> PartitionSource {
        PartitionSource {
            attempt: AttemptId { task: TaskId { job, stage: 1, index }, number: 2 },
            worker: WorkerId("w".into()),
            flight_url: "http://127.0.0.1:1".into(),
            partition: PartitionMeta { bucket: 7, rows: 1, bytes: 99, checksum: u64::MAX - 1 },
        }
    }

    #[test]
    fn tickets_round_trip() {
        let job = JobUid(Uuid::from_u128(1));
        let sources = [source(job, 0), source(job, 1)];
        let wanted = decode(&encode(job, &sources)).unwrap();
        assert_eq!(wanted[1], Wanted { attempt: sources[1].attempt, bucket: 7, checksum: u64::MAX - 1, bytes: 99 });
        assert_eq!(wanted.len(), 2);
    }

    #[test]
    fn other_tickets_are_refused() {
        let job = JobUid(Uuid::from_u128(1));
        let other = JobUid(Uuid::from_u128(2));
        let broken = [Ticket::new("SELECT 1"), encode(other, &[source(job, 0)])];
        for ticket in broken {
            assert_eq!(decode(&ticket).unwrap_err().reason, Reason::IncompatibleVersion);
        }
    }

    #[test]
    fn marks_round_trip() {
        let mark = Mark { source: 3, checksum: 0xfeed_beef_0000_0001 };
        assert_eq!(Mark::from_bytes(&mark.to_bytes()), Some(mark));
        for bytes in [&[][..], &[1, 2, 3], &[0; 11], &[0; 13]] {
            assert_eq!(Mark::from_bytes(bytes), None);
        }
    }
}
