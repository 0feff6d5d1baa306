//! Reads partitions from wherever they lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use shoal_core::partition::PartitionReader;
use shoal_core::task::PartitionSource;
use shoal_core::{Failure, WorkerId};

use super::fetch::{Fetch, Peer};
use super::in_order::{Placed, PlacedStream, in_order};
use super::receive::Receiver;
use super::{Partition, Store};
use crate::limits::FETCHES_MAX;

/// One stream with the rows of all sources, in the order of the sources. Nothing is read before it is polled, and every
/// part of it reads only as far ahead as a connection's window.
pub(super) fn read(store: &Store, sources: Vec<PartitionSource>) -> Result<PartitionReader, Failure> {
    let (mut bytes_local, mut bytes_remote) = (0, 0);
    let mut runs = Vec::new();
    for run in runs_of(sources) {
        let mut parts = Vec::new();
        for (worker, (places, sources)) in run {
            let bytes: u64 = sources.iter().map(|source| source.partition.bytes).sum();
            let part = if worker == store.name {
                bytes_local += bytes;
                // Looked up now: the partitions stay readable even if the job is released meanwhile.
                let look_up = |source: &PartitionSource| store.partition(source.attempt, source.partition.bucket);
                let partitions = sources.iter().map(look_up).collect::<Result<_, Failure>>()?;
                Local { receiver: Receiver::new(worker, sources), partitions, at: (0, 0) }.into_stream()
            } else {
                bytes_remote += bytes;
                let peer = Peer {
                    token: store.token.clone(),
                    tls: store.tls.clone(),
                    fetched: store.metrics.fetched_bytes.clone(),
                };
                Fetch::new(peer, Receiver::new(worker, sources)).into_stream()
            };
            parts.push(part.map_ok(move |(source, batch)| (places[source], batch)).boxed());
        }
        runs.push(in_order(parts));
    }
    Ok(PartitionReader { batches: stream::iter(runs).flatten().boxed(), bytes_remote, bytes_local })
}

/// Sources of one worker, and the place of each among all.
type OfWorker = (Vec<usize>, Vec<PartitionSource>);

/// Sources by worker, in runs that lie on no more workers than may be read from at the same time. In most clusters there
/// is one run, and so one stream from each worker.
fn runs_of(sources: Vec<PartitionSource>) -> Vec<BTreeMap<WorkerId, OfWorker>> {
    let mut runs = Vec::<BTreeMap<WorkerId, OfWorker>>::new();
    for (place, source) in sources.into_iter().enumerate() {
        if runs.last().is_none_or(|run| run.len() == FETCHES_MAX && !run.contains_key(&source.worker)) {
            runs.push(BTreeMap::new());
        }
        let run = runs.last_mut().expect("there is one now");
        let (places, sources) = run.entry(source.worker.clone()).or_default();
        places.push(place);
        sources.push(source);
    }
    runs
}

/// Reads partitions of this worker: the same messages and the same checks as over the network.
struct Local {
    receiver: Receiver,
    partitions: Vec<Arc<Partition>>,
    /// The next message: which partition's, and which of it.
    at: (usize, usize),
}

impl Local {
    fn into_stream(self) -> PlacedStream {
        Box::pin(stream::try_unfold(self, |mut local| async { Ok(local.next().await?.map(|placed| (placed, local))) }))
    }

    async fn next(&mut self) -> Result<Option<Placed>, Failure> {
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
                return Ok(Some((source, batch)));
            }
        }
    }
}
