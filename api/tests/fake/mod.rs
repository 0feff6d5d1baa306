//! A kind of job and a publisher for heads that nobody works for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;
use shoal_core::Payload;
use shoal_core::blobs::{BlobSource, BlobStore, BlobStream, BlobWriter, Digest, File, Kept};
use shoal_core::kind::{Capacity, JobKind, Kinds, Planned, StageOutcome, Step};
use shoal_core::publish::{CommitIntent, PublishedTable, Publisher, Settled};
use shoal_core::task::{StagePlan, TaskPlan};
use shoal_core::{Failure, Job, JobUid};

/// A table that takes for ever to look at: its jobs never wait for a worker.
#[allow(dead_code, reason = "not every suite uses it")]
pub(crate) const ENDLESS: &str = "/data/endless";

pub(crate) fn kinds() -> Kinds {
    Kinds::new([Arc::new(Fake) as Arc<dyn JobKind>])
}

pub(crate) fn publisher() -> Arc<dyn Publisher> {
    Arc::new(NoPublisher)
}

/// Finds its facts, and has one task for whichever worker comes.
struct Fake;

#[async_trait]
impl JobKind for Fake {
    fn name(&self) -> &'static str {
        "groupedTraining"
    }

    async fn facts(&self, job: &Job) -> Result<Payload, Failure> {
        if job.work.tables().iter().any(|(_, table)| *table == ENDLESS) {
            std::future::pending::<()>().await;
        }
        Ok(json!({}).into())
    }

    fn plan(&self, _: &Job, _: &Payload, _: &[StageOutcome], _: Capacity) -> Result<Planned, Failure> {
        let task: TaskPlan = serde_json::from_value(json!({"bucket": null, "weight": 1, "payload": {}})).unwrap();
        let stage = json!({"name": "map", "reads": null, "percent_after": 50, "common": {}, "tasks": [task]});
        let stage: StagePlan = serde_json::from_value(stage).unwrap();
        Ok(Planned { step: Step::Run(stage), notes: vec!["one task".to_owned()] })
    }
}

/// Files that are kept in memory.
pub(crate) fn blobs() -> Arc<dyn BlobStore> {
    Arc::new(InMemory::default())
}

#[derive(Clone, Default)]
struct InMemory(Arc<Mutex<BTreeMap<Digest, Vec<u8>>>>, Arc<Mutex<BTreeMap<Digest, File>>>);

struct Writing {
    store: InMemory,
    digest: Digest,
    content: Vec<u8>,
}

#[async_trait]
impl BlobSource for InMemory {
    async fn open(&self, digest: &Digest) -> Result<Option<BlobStream>, Failure> {
        let found = self.0.lock().unwrap().get(digest).cloned();
        Ok(found.map(|content| futures::stream::once(async { Ok(content.into()) }).boxed()))
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn shared(&self, name: &Digest) -> Result<Option<File>, Failure> {
        Ok(self.1.lock().unwrap().get(name).cloned())
    }
}

#[async_trait]
impl BlobStore for InMemory {
    async fn writer(&self, digest: &Digest) -> Result<Box<dyn BlobWriter>, Failure> {
        Ok(Box::new(Writing { store: self.clone(), digest: digest.clone(), content: Vec::new() }))
    }

    async fn used(&self, digest: &Digest) -> Result<Option<u64>, Failure> {
        Ok(self.0.lock().unwrap().contains_key(digest).then_some(u64::MAX))
    }

    async fn list(&self) -> Result<Vec<Kept>, Failure> {
        Ok(Vec::new())
    }

    async fn set_shared(&self, name: &Digest, file: &File) -> Result<(), Failure> {
        self.1.lock().unwrap().insert(name.clone(), file.clone());
        Ok(())
    }

    async fn mark_used(&self, _: &Digest) -> Result<(), Failure> {
        Ok(())
    }

    async fn delete(&self, _: &Digest) -> Result<(), Failure> {
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for Writing {
    async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        self.content.extend_from_slice(&piece);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.store.0.lock().unwrap().insert(self.digest, self.content);
        Ok(())
    }

    async fn abort(self: Box<Self>) {}
}

struct NoPublisher;

#[async_trait]
impl Publisher for NoPublisher {
    async fn publish(&self, _: &CommitIntent) -> Result<PublishedTable, Failure> {
        Err(Failure::internal("nothing is published here"))
    }

    async fn withdraw(&self, _: &CommitIntent) -> Result<Settled, Failure> {
        Ok(Settled::Withdrawn)
    }

    async fn discard(&self, _: JobUid, _: &str) -> Result<(), Failure> {
        Ok(())
    }
}
