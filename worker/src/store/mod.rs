//! Partitions that attempts on this worker wrote, and the way to those of other workers.
//!
//! A partition is kept as it travels: Arrow IPC messages, in memory while the worker's budget lasts and in one file per
//! attempt and bucket after that. Serving one is copying bytes.
//!
//! Files: `bucket` collects rows into messages, `codec` turns batches into messages and back, `place` keeps messages in
//! memory or on disk, `receive` checks what is read, `read` and `fetch` get it from here and from other workers, `in_order`
//! puts it into the order that was asked for.

mod adopt;
mod bucket;
mod codec;
mod fetch;
mod in_order;
mod open;
mod place;
mod read;
mod receive;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use shoal_core::partition::{PartitionReader, PartitionStore};
use shoal_core::task::{PartitionMeta, PartitionSource};
use shoal_core::{AttemptId, Failure, JobUid, Reason, WorkerId};
use shoal_wire::{Tls, Token};

pub(crate) use bucket::Partition;

use crate::metrics::StoreMetrics;
use open::OpenAttempt;
use place::Places;

/// The partitions of one worker. Reads reach other workers' too.
pub struct Store {
    name: WorkerId,
    places: Places,
    token: Option<Token>,
    tls: Option<Tls>,
    metrics: StoreMetrics,
    attempts: Mutex<BTreeMap<AttemptId, Attempt>>,
}

/// What the store has of an attempt.
enum Attempt {
    /// It still writes.
    Open(Arc<Mutex<OpenAttempt>>),
    /// It wrote on another worker, and its partitions are on their way here.
    Arriving,
    /// It is done; its partitions can be read. They never change, so readers share them without a lock.
    Sealed(BTreeMap<u32, Arc<Partition>>),
}

impl Store {
    /// A store that keeps up to `memory_bytes` of partitions in memory and the others under `folder`, which is its own.
    /// `name` is the worker's: sources of that name are read from here. Token and certificate are shown to
    /// other workers.
    pub fn new(
        name: WorkerId,
        folder: PathBuf,
        memory_bytes: u64,
        token: Option<Token>,
        tls: Option<Tls>,
        metrics: StoreMetrics,
    ) -> Arc<Self> {
        let places = Places::new(folder, memory_bytes, &metrics);
        Arc::new(Self { name, places, token, tls, metrics, attempts: Mutex::default() })
    }

    /// Lets an attempt write. Only such an attempt can: one that was discarded or released and still writes does not
    /// leave anything behind.
    pub fn open(&self, attempt: AttemptId) {
        let open = OpenAttempt::new(self.name.clone(), attempt, self.places.folder_of(attempt));
        self.attempts().insert(attempt, Attempt::Open(Arc::new(Mutex::new(open))));
    }

    /// Drops whatever an attempt wrote.
    pub fn discard(&self, attempt: AttemptId) {
        // The lock is gone before files are deleted.
        let dropped = self.attempts().remove(&attempt);
        drop(dropped);
    }

    /// Drops the partitions of a job. What is being read stays until its reader is done.
    pub fn release(&self, job: JobUid) {
        let dropped: Vec<Attempt> = {
            let mut attempts = self.attempts();
            let ids: Vec<AttemptId> = attempts.keys().filter(|id| id.task.job == job).copied().collect();
            ids.iter().filter_map(|id| attempts.remove(id)).collect()
        };
        drop(dropped);
        self.places.forget(job);
    }

    /// Bytes of partitions, in memory and on disk.
    pub fn held_bytes(&self) -> u64 {
        self.places.held_bytes()
    }

    /// A sealed partition.
    ///
    /// # Errors
    /// [`Reason::PartitionLost`] with the attempt in its location.
    pub(crate) fn partition(&self, attempt: AttemptId, bucket: u32) -> Result<Arc<Partition>, Failure> {
        let found = match self.attempts().get(&attempt) {
            Some(Attempt::Sealed(partitions)) => partitions.get(&bucket).cloned(),
            Some(Attempt::Open(_) | Attempt::Arriving) | None => None,
        };
        found.ok_or_else(|| {
            let message = format!("worker `{}` does not hold bucket {bucket} of attempt {attempt}", self.name);
            lost(&self.name, attempt, message)
        })
    }

    fn attempts(&self) -> MutexGuard<'_, BTreeMap<AttemptId, Attempt>> {
        // Every change of the map is one call: a panic elsewhere cannot have left it half done.
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_attempt(&self, attempt: AttemptId) -> Result<Arc<Mutex<OpenAttempt>>, Failure> {
        match self.attempts().get(&attempt) {
            Some(Attempt::Open(open)) => Ok(open.clone()),
            Some(Attempt::Sealed(_) | Attempt::Arriving) => {
                Err(Failure::internal(format!("attempt {attempt} writes after it was sealed")))
            }
            None => Err(Failure::new(Reason::Cancelled, format!("attempt {attempt} may not write any more"))),
        }
    }
}

#[async_trait]
impl PartitionStore for Store {
    async fn append(&self, attempt: AttemptId, bucket: u32, batch: RecordBatch) -> Result<(), Failure> {
        let open = self.open_attempt(attempt)?;
        // Encoding and writing to disk happen on the task's own thread, which is theirs to use.
        let mut open = open.lock().map_err(|_| poisoned(attempt))?;
        open.append(&self.places, bucket, batch)
    }

    async fn seal(&self, attempt: AttemptId) -> Result<Vec<PartitionMeta>, Failure> {
        let open = self.open_attempt(attempt)?;
        let partitions = open.lock().map_err(|_| poisoned(attempt))?.seal(&self.places)?;
        let metas = partitions.values().map(|partition| partition.meta.clone()).collect();
        match self.attempts().get_mut(&attempt) {
            Some(slot) => *slot = Attempt::Sealed(partitions),
            // Discarded or released meanwhile: dropping the partitions deletes them.
            None => return Err(Failure::new(Reason::Cancelled, format!("attempt {attempt} may not write any more"))),
        }
        Ok(metas)
    }

    async fn read(&self, sources: Vec<PartitionSource>) -> Result<PartitionReader, Failure> {
        read::read(self, sources)
    }
}

fn poisoned(attempt: AttemptId) -> Failure {
    Failure::internal(format!("attempt {attempt} panicked while it wrote a partition"))
}

/// A failure that makes the head run the attempt again that wrote a partition.
fn lost(worker: &WorkerId, attempt: AttemptId, message: String) -> Failure {
    at(worker, attempt, Failure::new(Reason::PartitionLost, message))
}

/// Names the worker and the attempt whose partition a failure is about.
fn at(worker: &WorkerId, attempt: AttemptId, mut failure: Failure) -> Failure {
    failure.location.worker = Some(worker.to_string());
    failure.location.attempt = Some(attempt);
    failure
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
