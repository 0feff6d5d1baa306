//! Partitions of another worker that this one keeps from now on.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use shoal_core::task::PartitionSource;
use shoal_core::{AttemptId, Failure, Reason};

use super::bucket::{AdoptedBucket, Partition};
use super::fetch::{Arrived, Fetch, Peer};
use super::receive::Receiver;
use super::{Attempt, Store};

impl Store {
    /// Fetches partitions of one attempt from the worker that holds them, and keeps them under that attempt as if it had
    /// written them here. All or none can be read afterwards. Says whether this call did it: false where another one is
    /// at it.
    ///
    /// # Errors
    /// As reading them; [`Reason::ResourcesExhausted`] where there is no room; [`Reason::Cancelled`] where the job was
    /// released meanwhile.
    pub async fn adopt(&self, sources: Vec<PartitionSource>) -> Result<bool, Failure> {
        let Some(first) = sources.first() else { return Ok(true) };
        let (attempt, worker) = (first.attempt, first.worker.clone());
        if sources.iter().any(|source| source.attempt != attempt || source.worker != worker) {
            return Err(Failure::internal("partitions of several attempts or workers were to be taken over at once"));
        }
        let arrival = match self.expect(attempt)? {
            Expected::New(arrival) => arrival,
            Expected::Arriving => return Ok(false),
            Expected::Here => return Ok(true),
        };
        let partitions = self.fetch_whole(attempt, sources).await?;
        arrival.complete(partitions)?;
        Ok(true)
    }

    fn expect(&self, attempt: AttemptId) -> Result<Expected<'_>, Failure> {
        let mut attempts = self.attempts();
        match attempts.get(&attempt) {
            None => {
                attempts.insert(attempt, Attempt::Arriving);
                Ok(Expected::New(Arrival { store: self, attempt }))
            }
            Some(Attempt::Arriving) => Ok(Expected::Arriving),
            Some(Attempt::Sealed(_)) => Ok(Expected::Here),
            Some(Attempt::Open(_)) => {
                Err(Failure::internal(format!("attempt {attempt} still writes what was to be taken over")))
            }
        }
    }

    async fn fetch_whole(
        &self,
        attempt: AttemptId,
        sources: Vec<PartitionSource>,
    ) -> Result<BTreeMap<u32, Arc<Partition>>, Failure> {
        let folder = self.places.folder_of(attempt);
        let mut buckets: Vec<(AdoptedBucket, Bytes)> =
            sources.iter().map(|source| (AdoptedBucket::new(source.partition.bucket, &folder), Bytes::new())).collect();
        let worker = sources[0].worker.clone();
        let peer =
            Peer { token: self.token.clone(), tls: self.tls.clone(), fetched: self.metrics.fetched_bytes.clone() };
        let mut fetch = Fetch::new(peer, Receiver::new(worker, sources.clone()));
        let mut schema = Bytes::new();
        while let Some(arrived) = fetch.arrive().await? {
            match arrived {
                Arrived::Schema(next) => schema = next,
                Arrived::Message { source, message, checksum, batch: _ } => {
                    // The receiver has checked that there is such a source.
                    let (bucket, of) = &mut buckets[source];
                    bucket.keep(message, checksum, &self.places)?;
                    of.clone_from(&schema);
                }
            }
        }
        let sealed = buckets.into_iter().zip(sources).map(|((bucket, schema), source)| {
            let number = source.partition.bucket;
            (number, Arc::new(bucket.seal(&self.name, attempt, source.partition, schema)))
        });
        Ok(sealed.collect())
    }
}

enum Expected<'a> {
    New(Arrival<'a>),
    Arriving,
    Here,
}

/// The place of partitions that are on their way; free again where they do not arrive.
struct Arrival<'a> {
    store: &'a Store,
    attempt: AttemptId,
}

impl Arrival<'_> {
    fn complete(self, partitions: BTreeMap<u32, Arc<Partition>>) -> Result<(), Failure> {
        match self.store.attempts().get_mut(&self.attempt) {
            Some(place @ Attempt::Arriving) => {
                *place = Attempt::Sealed(partitions);
                Ok(())
            }
            // Released meanwhile: dropping the partitions deletes them.
            _ => Err(Failure::new(Reason::Cancelled, format!("nobody needs attempt {} any more", self.attempt))),
        }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let mut attempts = self.store.attempts();
        if matches!(attempts.get(&self.attempt), Some(Attempt::Arriving)) {
            attempts.remove(&self.attempt);
        }
    }
}
