//! Reads partitions from wherever they lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::stream::{self, StreamExt};
use shoal_core::partition::{BatchStream, PartitionReader};
use shoal_core::task::PartitionSource;
use shoal_core::{Failure, WorkerId};

use super::fetch::{Fetch, Peer};
use super::receive::Receiver;
use super::{Partition, Store};
use crate::limits::FETCHES_MAX;

/// One stream with the rows of all sources. Nothing is read before it is polled, and every part of it reads only as far
/// ahead as a connection's window.
pub(super) fn read(store: &Store, sources: Vec<PartitionSource>) -> Result<PartitionReader, Failure> {
    let (local, remote): (Vec<_>, Vec<_>) = sources.into_iter().partition(|source| source.worker == store.name);
    let bytes_of = |sources: &[PartitionSource]| sources.iter().map(|source| source.partition.bytes).sum();
    let (bytes_local, bytes_remote) = (bytes_of(&local), bytes_of(&remote));

    let mut streams: Vec<BatchStream> = Vec::new();
    if !local.is_empty() {
        // Looked up now: the partitions stay readable even if the job is released meanwhile.
        let look_up = |source: &PartitionSource| store.partition(source.attempt, source.partition.bucket);
        let partitions = local.iter().map(look_up).collect::<Result<_, Failure>>()?;
        streams
            .push(Local { receiver: Receiver::new(store.name.clone(), local), partitions, at: (0, 0) }.into_stream());
    }
    for (worker, sources) in by_worker(remote) {
        let peer =
            Peer { token: store.token.clone(), tls: store.tls.clone(), fetched: store.metrics.fetched_bytes.clone() };
        streams.push(Fetch::new(peer, Receiver::new(worker, sources)).into_stream());
    }
    let batches = Box::pin(stream::iter(streams).flatten_unordered(FETCHES_MAX));
    Ok(PartitionReader { batches, bytes_remote, bytes_local })
}

fn by_worker(sources: Vec<PartitionSource>) -> BTreeMap<WorkerId, Vec<PartitionSource>> {
    let mut workers = BTreeMap::<_, Vec<_>>::new();
    for source in sources {
        workers.entry(source.worker.clone()).or_default().push(source);
    }
    workers
}

/// Reads partitions of this worker: the same messages and the same checks as over the network.
struct Local {
    receiver: Receiver,
    partitions: Vec<Arc<Partition>>,
    /// The next message: which partition's, and which of it.
    at: (usize, usize),
}

impl Local {
    fn into_stream(self) -> BatchStream {
        Box::pin(stream::try_unfold(self, |mut local| async { Ok(local.next().await?.map(|batch| (batch, local))) }))
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        loop {
            let (source, index) = self.at;
            let Some(partition) = self.partitions.get(source) else {
                self.receiver.finish()?;
                return Ok(None);
            };
            if index == 0 {
                self.receiver.schema(&partition.schema)?;
            }
            if index == partition.len() {
                self.at = (source + 1, 0);
                continue;
            }
            let (message, checksum) = partition.load(index).await?;
            self.at.1 += 1;
            if let Some(batch) = self.receiver.take(source, &message.header, message.body, checksum)? {
                return Ok(Some(batch));
            }
        }
    }
}
