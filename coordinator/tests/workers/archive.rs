//! Copies of jobs that have ended, in a place that may fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use shoal_coordinator::ArchiveConfig;
use shoal_core::archive::{Archive, ArchivedJob};
use shoal_core::report::{ArchiveStatus, JobStatus, Phase};
use shoal_core::{Failure, Reason};

use crate::fake::FakeHead;
use crate::within;

/// Files in memory. So many writes fail first.
#[derive(Default)]
struct Memory {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    failures: AtomicU32,
    writes: AtomicU32,
}

#[async_trait]
impl Archive for Memory {
    fn uri(&self, name: &str) -> String {
        format!("memory://{name}")
    }

    async fn write(&self, name: &str, content: Vec<u8>) -> Result<(), Failure> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        let fails = |left: u32| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
            return Err(Failure::new(Reason::ResourcesExhausted, "no room"));
        }
        self.files.lock().unwrap().insert(name.to_owned(), content);
        Ok(())
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.files.lock().unwrap().get(name).cloned())
    }
}

async fn start(memory: &Arc<Memory>, state: &Path) -> FakeHead {
    let archive = ArchiveConfig { archive: memory.clone(), namespace: Some("team".to_owned()) };
    FakeHead::start_in(state, Some(archive)).await
}

/// Waits for what the head says of a job's copy.
async fn told(head: &FakeHead, name: &str, is_so: impl Fn(&ArchiveStatus) -> bool) -> (JobStatus, ArchiveStatus) {
    let told = async {
        loop {
            let status = head.head.show(name).await.unwrap();
            match status.archive.clone() {
                Some(archive) if is_so(&archive) => return (status, archive),
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    within("word of the copy", told).await
}

#[tokio::test]
async fn a_job_is_copied_once_it_has_ended_and_once_only() {
    let (memory, state) = (Arc::new(Memory::default()), tempfile::tempdir().unwrap());
    let head = start(&memory, state.path()).await;
    head.submit("a").await;
    assert_eq!(head.head.show("a").await.unwrap().archive, None, "it runs");
    head.head.cancel("a").await.unwrap();
    let (status, archive) = told(&head, "a", |archive| archive.is_stored).await;
    let folder = format!("jobs/team/a/{}", status.uid);
    assert_eq!((archive.uri.as_str(), archive.failure), (format!("memory://{folder}").as_str(), None));
    assert_eq!(head.head.list().await.unwrap()[0].archive, status.archive);

    let copy = ArchivedJob::read(&*memory, &folder).await.unwrap().unwrap();
    let (_, history) = head.head.history("a").await.unwrap();
    assert_eq!(copy.status, JobStatus { archive: None, ..status.clone() });
    assert_eq!((copy.status.phase, copy.spec.metadata.name.as_str()), (Phase::Failed, "a"));
    assert!(!history.lines.is_empty());
    assert_eq!(copy.history, history);

    // The next head finds it there.
    let writes = memory.writes.load(Ordering::SeqCst);
    assert_eq!(writes, 3);
    head.stop().await;
    let head = start(&memory, state.path()).await;
    assert_eq!(told(&head, "a", |archive| archive.is_stored).await.0, status);
    assert_eq!(memory.writes.load(Ordering::SeqCst), writes);
}

#[tokio::test]
async fn what_cannot_be_written_is_said_and_tried_again() {
    let (memory, state) = (Arc::new(Memory::default()), tempfile::tempdir().unwrap());
    memory.failures.store(1, Ordering::SeqCst);
    let head = start(&memory, state.path()).await;
    head.submit("a").await;
    head.head.cancel("a").await.unwrap();
    let (status, archive) = told(&head, "a", |archive| archive.failure.is_some()).await;
    assert_eq!((archive.is_stored, archive.failure.unwrap().reason), (false, Reason::ResourcesExhausted));
    assert_eq!(status.failure.unwrap().reason, Reason::Cancelled, "the job ended as it ended");
    let (_, archive) = told(&head, "a", |archive| archive.is_stored).await;
    assert_eq!(archive.failure, None);
    assert_eq!(memory.files.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn older_submissions_of_a_name_are_copied_too() {
    let (memory, state) = (Arc::new(Memory::default()), tempfile::tempdir().unwrap());
    // Without storage at first.
    let head = FakeHead::start_in(state.path(), None).await;
    let mut uids = Vec::new();
    for _ in 0..2 {
        head.submit_again("a").await;
        head.head.cancel("a").await.unwrap();
        uids.push(head.ended("a").await.uid);
    }
    assert_ne!(uids[0], uids[1]);
    head.stop().await;
    let head = start(&memory, state.path()).await;
    told(&head, "a", |archive| archive.is_stored).await;
    within("both copies", async {
        while !uids.iter().all(|uid| memory.files.lock().unwrap().contains_key(&format!("jobs/team/a/{uid}/job.json")))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
