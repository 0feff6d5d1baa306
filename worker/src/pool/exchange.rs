//! Notes when an attempt read partitions, for whoever looks for what held it up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use shoal_core::partition::{BatchStream, PartitionReader, PartitionStore};
use shoal_core::task::{ExchangeTimes, PartitionMeta, PartitionSource};
use shoal_core::{AttemptId, Failure};

/// A store that passes everything on, and notes when one attempt read.
pub(super) struct Timed {
    store: Arc<dyn PartitionStore>,
    watch: Watch,
}

/// What was noted. Clones are handles on the same notes.
#[derive(Clone)]
pub(super) struct Watch {
    began: Instant,
    times: Arc<Mutex<Option<ExchangeTimes>>>,
}

impl Timed {
    /// The store, as an attempt sees it that begins now; and what will have been noted.
    pub(super) fn new(store: Arc<dyn PartitionStore>) -> (Self, Watch) {
        let watch = Watch { began: Instant::now(), times: Arc::default() };
        (Self { store, watch: watch.clone() }, watch)
    }
}

impl Watch {
    /// When the attempt read, where it did.
    pub(super) fn times(&self) -> Option<ExchangeTimes> {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an answer that came `now` to who asked at `asked`; where rows were not there at once, they were waited for.
    fn note(&self, asked: Instant, now: Instant, has_waited: bool) {
        let since = |from: Instant| u64::try_from(now.duration_since(from).as_millis()).unwrap_or(u64::MAX);
        let (to_ms, took_ms) = (since(self.began), since(asked));
        // Whatever a panic elsewhere left, it is only read by people.
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let times = times.get_or_insert(ExchangeTimes { from_ms: to_ms - took_ms, ..ExchangeTimes::default() });
        times.to_ms = to_ms;
        times.waited_ms += if has_waited { took_ms } else { 0 };
    }

    fn over(&self, mut batches: BatchStream) -> BatchStream {
        let watch = self.clone();
        let mut waits_since = None;
        Box::pin(stream::poll_fn(move |context| {
            let asked = waits_since.unwrap_or_else(Instant::now);
            let polled = batches.poll_next_unpin(context);
            if polled.is_pending() {
                waits_since = Some(asked);
            } else {
                watch.note(asked, Instant::now(), waits_since.take().is_some());
            }
            polled
        }))
    }
}

#[async_trait]
impl PartitionStore for Timed {
    async fn append(&self, attempt: AttemptId, bucket: u32, batch: RecordBatch) -> Result<(), Failure> {
        self.store.append(attempt, bucket, batch).await
    }

    async fn seal(&self, attempt: AttemptId) -> Result<Vec<PartitionMeta>, Failure> {
        self.store.seal(attempt).await
    }

    async fn read(&self, sources: Vec<PartitionSource>) -> Result<PartitionReader, Failure> {
        let PartitionReader { batches, bytes_remote, bytes_local } = self.store.read(sources).await?;
        Ok(PartitionReader { batches: self.watch.over(batches), bytes_remote, bytes_local })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_waited_for_is_told_from_what_the_task_does_meanwhile() {
        let began = Instant::now();
        let watch = Watch { began, times: Arc::default() };
        assert_eq!(watch.times(), None, "it has read nothing");
        let at = |ms| began + Duration::from_millis(ms);
        // The task works for 7 ms on what came first, which it had to wait for, and finds the next one there.
        watch.note(at(100), at(130), true);
        watch.note(at(137), at(138), false);
        watch.note(at(145), at(165), true);
        assert_eq!(watch.times(), Some(ExchangeTimes { from_ms: 100, to_ms: 165, waited_ms: 50 }));
    }

    #[tokio::test]
    async fn batches_pass_as_they_are() {
        let watch = Watch { began: Instant::now(), times: Arc::default() };
        let lost = || Err(Failure::new(shoal_core::Reason::PartitionLost, "gone"));
        let read: Vec<_> = watch.over(Box::pin(stream::iter([lost()]))).collect().await;
        assert_eq!((read, watch.times().is_some()), (vec![lost()], true));
    }
}
