//! Files that jobs bring along: taken, given, and deleted once no job names them for long.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use shoal_core::blobs::{
    BlobStore, BlobStream, BlobWriter, Chores, Digest, File, Hashing, check_size, chores, clean, not_uploaded,
};
use shoal_core::control::Control;
use shoal_core::limits::{BLOB_CHORES_EVERY, BLOB_USE_NOTED_EVERY, BLOBS_AT_ONCE_MAX};
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, Reason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::coordinator::{now_ms, read};
use crate::standing::Leading;

/// Files that are looked for at the same time: what hides the way to a storage elsewhere.
const LOOKS_AT_ONCE: usize = 16;

/// The files of a head. Clones are handles on the same.
#[derive(Clone)]
pub(crate) struct Blobs {
    store: Arc<dyn BlobStore>,
    /// Who takes or gives one.
    turns: Arc<Semaphore>,
}

/// A file that is being taken. What is dropped without an end was never there.
pub struct TakenBlob {
    digest: Digest,
    hashing: Hashing,
    writer: Box<dyn BlobWriter>,
    _turn: OwnedSemaphorePermit,
}

impl TakenBlob {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] where it is one too many; what keeps it from being written.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        self.hashing.add(&piece)?;
        self.writer.write(piece).await
    }

    /// Keeps it, where it is what its hash says.
    ///
    /// # Errors
    /// [`Reason::CorruptFile`] where it is not; what keeps it from being written.
    pub async fn finish(self) -> Result<(), Failure> {
        let Self { digest, hashing, writer, _turn } = self;
        let bytes = hashing.bytes();
        if let Err(failure) = hashing.check(&digest) {
            writer.abort().await;
            return Err(failure);
        }
        writer.finish().await?;
        tracing::info!(%digest, bytes, "a file of a job is uploaded");
        Ok(())
    }

    /// Keeps nothing of it.
    pub async fn abort(self) {
        self.writer.abort().await;
    }
}

impl Blobs {
    pub(crate) fn new(store: Arc<dyn BlobStore>) -> Self {
        Self { store, turns: Arc::new(Semaphore::new(BLOBS_AT_ONCE_MAX)) }
    }

    /// Whether all is there that a job names.
    pub(crate) async fn check(&self, spec: &ShoalJob) -> Result<(), Failure> {
        let mut files = Vec::new();
        for upload in spec.uploads() {
            let digest = Digest::of_hex(&upload.sha256).ok_or_else(|| {
                Failure::new(Reason::InvalidValue, format!("`{}` is no hash of a file", upload.sha256))
            })?;
            check_size(upload.bytes)?;
            files.push(File { path: clean(&upload.path), digest, bytes: upload.bytes });
        }
        let missing = self.missing(files.iter().map(|file| file.digest.clone()).collect()).await?;
        match files.iter().find(|file| missing.contains(&file.digest)) {
            Some(file) => Err(not_uploaded(&file.path, &file.digest)),
            None => Ok(()),
        }
    }

    /// Which of these are not there. That somebody asked for the others is a use: he is about to submit a job that names them.
    pub(crate) async fn missing(&self, digests: Vec<Digest>) -> Result<Vec<Digest>, Failure> {
        let digests: BTreeSet<Digest> = digests.into_iter().collect();
        let now = now_ms();
        let looks = digests.into_iter().map(|digest| async move {
            match self.store.used(&digest).await? {
                None => Ok(Some(digest)),
                Some(used_ms) => {
                    if u128::from(now.saturating_sub(used_ms)) >= BLOB_USE_NOTED_EVERY.as_millis() {
                        self.store.mark_used(&digest).await?;
                    }
                    Ok(None)
                }
            }
        });
        let looked: Vec<Option<Digest>> =
            futures::stream::iter(looks).buffered(LOOKS_AT_ONCE).try_collect::<Vec<_>>().await?;
        Ok(looked.into_iter().flatten().collect())
    }

    pub(crate) async fn take(&self, digest: Digest) -> Result<TakenBlob, Failure> {
        let _turn = self.turn()?;
        let writer = self.store.writer(&digest).await?;
        Ok(TakenBlob { digest, hashing: Hashing::default(), writer, _turn })
    }

    pub(crate) async fn open(&self, digest: &Digest) -> Result<Option<BlobStream>, Failure> {
        let turn = self.turn()?;
        let Some(stream) = self.store.open(digest).await? else { return Ok(None) };
        // The turn ends with the stream.
        Ok(Some(stream.inspect(move |_| _ = &turn).boxed()))
    }

    /// The file that workers share under a name, where it is still there. Whoever asks is about to use it.
    pub(crate) async fn shared(&self, name: &Digest) -> Result<Option<File>, Failure> {
        let Some(file) = self.store.shared(name).await? else { return Ok(None) };
        let missing = self.missing(vec![file.digest.clone()]).await?;
        Ok(missing.is_empty().then_some(file))
    }

    /// Shares a file under a name, which was uploaded before.
    pub(crate) async fn share(&self, name: &Digest, file: &File) -> Result<(), Failure> {
        if !self.store.is_shared() {
            return Err(Failure::new(Reason::NotPossible, "this cluster has no storage for what workers share"));
        }
        if !self.missing(vec![file.digest.clone()]).await?.is_empty() {
            return Err(not_uploaded(&file.path, &file.digest));
        }
        self.store.set_shared(name, file).await
    }

    fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.turns.clone().try_acquire_owned().map_err(|_| {
            Failure::new(Reason::Busy, format!("{BLOBS_AT_ONCE_MAX} files are on their way already"))
                .next("ask again in a moment")
        })
    }

    /// Looks after them for as long as this head leads.
    pub(crate) async fn keep(self, leading: Leading) {
        while let Ok(specs) = read(&leading.coordinator, |control: &Control, _| control.specs()).await {
            if let Err(failure) = self.tidy(&specs).await {
                tracing::warn!(%failure, causes = ?failure.causes, "files that jobs have brought along cannot be looked after");
            }
            tokio::time::sleep(BLOB_CHORES_EVERY).await;
        }
    }

    async fn tidy(&self, specs: &[Arc<ShoalJob>]) -> Result<(), Failure> {
        let named = specs.iter().flat_map(|spec| spec.uploads()).filter_map(|upload| Digest::of_hex(&upload.sha256));
        let Chores { mark, delete } = chores(&self.store.list().await?, &named.collect(), now_ms());
        for digest in &mark {
            self.store.mark_used(digest).await?;
        }
        for digest in &delete {
            self.store.delete(digest).await?;
        }
        if !delete.is_empty() {
            tracing::info!(files = delete.len(), "files that no job has named for long are deleted");
        }
        Ok(())
    }
}
