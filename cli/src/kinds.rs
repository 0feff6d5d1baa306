//! What this build can run. The one place where kinds, their runner and the publisher are chosen.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use shoal_core::Failure;
use shoal_core::archive::Archive;
use shoal_core::blobs::{BlobSource, BlobStream, Digest, File};
use shoal_core::functions::Functions;
use shoal_core::kind::Kinds;
use shoal_core::publish::Publisher;
use shoal_core::runner::TaskRunner;
use shoal_core::traces::Traces;
use shoal_engine::archive::FileArchive;
use shoal_engine::blobs::FileBlobs;
use shoal_engine::delta::DeltaPublisher;
use shoal_functions::{Offer, Pool};
use shoal_telemetry::OtlpTraces;

use crate::client::Client;
use crate::machine;

/// The kinds that a head can plan which has the files that jobs bring along there.
pub(crate) fn kinds(blobs: &Arc<dyn BlobSource>) -> Kinds {
    shoal_jobs::kinds(blobs)
}

/// Where files are kept that jobs bring along, at a URL or path, and whether that is a storage for what workers share, too.
///
/// # Errors
/// As [`archive`].
pub(crate) fn blobs(uri: &str, is_shared: bool) -> Result<Arc<FileBlobs>, Failure> {
    let blobs = FileBlobs::at(&format!("{}/{BLOBS}", uri.trim_end_matches('/')))?;
    Ok(Arc::new(blobs.shared_by_workers(is_shared)))
}

/// Folder of files that jobs bring along, in a state folder or a storage.
const BLOBS: &str = "blobs";

/// Where a worker gets the files from that jobs bring along: its head.
pub(crate) struct OfHead(pub(crate) Client);

#[async_trait]
impl BlobSource for OfHead {
    async fn open(&self, digest: &Digest) -> Result<Option<BlobStream>, Failure> {
        self.0.download(digest).await
    }

    async fn shared(&self, name: &Digest) -> Result<Option<File>, Failure> {
        self.0.environment(name).await
    }

    async fn share(&self, name: &Digest, place: &Path) -> Result<(), Failure> {
        self.0.share_environment(name, place).await
    }
}

/// What runs a worker's tasks.
pub(crate) fn runner() -> Arc<dyn TaskRunner> {
    shoal_jobs::runner()
}

/// Threads that libraries may compute with in a process of a function: a task has one CPU.
const FUNCTION_THREADS: usize = 1;

/// What runs users' functions for a worker's tasks, in a worker's own folder: it goes with the worker. What is installed for
/// them stays in another one. What jobs bring along comes from `files`.
pub(crate) fn functions(
    worker_folder: &Path,
    environments: PathBuf,
    files: Arc<dyn BlobSource>,
    slots: u32,
    memory_bytes: u64,
) -> Arc<dyn Functions> {
    let offer = Offer { slots, memory_bytes, threads: FUNCTION_THREADS };
    let around = Arc::new(machine::Around::this_process());
    Arc::new(Pool::new(worker_folder.join("functions"), offer, environments, around, files))
}

/// Closes a head to the functions of workers on its machine, as workers close themselves before they run any.
pub(crate) fn close_head() {
    if let Err(failure) = shoal_functions::seal() {
        tracing::warn!(%failure, "functions on this machine could look into the head");
    }
}

/// What writes a head's commits.
pub(crate) fn publisher() -> Arc<dyn Publisher> {
    Arc::new(DeltaPublisher)
}

/// The place at a URL or path that keeps copies of jobs that have ended.
///
/// # Errors
/// [`shoal_core::Reason::InvalidValue`] where it names no place, or the object store's settings cannot be used.
pub(crate) fn archive(uri: &str) -> Result<Arc<dyn Archive>, Failure> {
    Ok(Arc::new(FileArchive::at(uri)?))
}

/// What takes the traces of jobs that have ended, where OpenTelemetry's variables name somebody.
///
/// # Errors
/// [`shoal_core::Reason::InvalidValue`] for variables that cannot be followed.
pub(crate) fn traces() -> Result<Option<Arc<dyn Traces>>, Failure> {
    let traces = OtlpTraces::from_environment(|name| std::env::var(name).ok())?;
    Ok(traces.map(|traces| Arc::new(traces) as Arc<dyn Traces>))
}
