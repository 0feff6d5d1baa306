//! Files that a job has brought along, on the machine of a worker: fetched once, kept by what is in them, and laid out where a
//! process or an installer looks for them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use futures::StreamExt;
use shoal_core::blobs::{BlobSource, Digest, File, checked, is_plain, not_uploaded};
use shoal_core::{Failure, Reason};
use tokio::io::AsyncWriteExt;

use crate::cache::{Cache, Hold, Lease, locked};

/// What is in a file, in the folder that the cache has for it.
const CONTENT: &str = "content";

/// The files of a worker. Clones are handles on the same.
#[derive(Clone)]
pub(crate) struct Files {
    /// Where they are kept.
    folder: PathBuf,
    source: Arc<dyn BlobSource>,
}

impl Files {
    pub(crate) fn new(folder: PathBuf, source: Arc<dyn BlobSource>) -> Self {
        Self { folder, source }
    }

    /// Lays files out below a folder, each in its place.
    ///
    /// # Errors
    /// [`Reason::FileNotUploaded`] where nobody has one; [`Reason::Io`] where it cannot be fetched or kept.
    pub(crate) async fn lay_out(&self, files: &[File], folder: &Path) -> Result<(), Failure> {
        for file in files {
            if !is_plain(&file.path) {
                return Err(Failure::internal(format!("`{}` leads out of the folder of a function", file.path)));
            }
            let place = folder.join(&file.path);
            let held = self.held(file).await?;
            // Not a link to what is kept: the user's code may write there.
            let copied = async {
                tokio::fs::create_dir_all(place.parent().unwrap_or(folder)).await?;
                tokio::fs::copy(&held.path, &place).await
            };
            copied.await.map_err(|error| no_place(&place, &error))?;
        }
        Ok(())
    }

    /// The file that workers share under a name.
    ///
    /// # Errors
    /// What keeps it from being looked for.
    pub(crate) async fn shared(&self, name: &Digest) -> Result<Option<File>, Failure> {
        self.source.shared(name).await
    }

    /// Shares a file of this machine under a name.
    ///
    /// # Errors
    /// What keeps it from being kept.
    pub(crate) async fn share(&self, name: &Digest, place: &Path) -> Result<(), Failure> {
        self.source.share(name, place).await
    }

    /// The file, which is fetched unless it is there. Where another task fetches it, that is waited for.
    async fn held(&self, file: &File) -> Result<Lease, Failure> {
        let no_place = |error: io::Error| no_place(&self.folder, &error);
        let key = file.digest.hex();
        let cache = Cache::open(&self.folder, CONTENT).map_err(no_place)?;
        loop {
            let lock = locked(&cache, key, Hold::Together, || {}).await.map_err(no_place)?;
            if let Some(lease) = cache.lease(key, lock) {
                return Ok(lease);
            }
            let _lock = locked(&cache, key, Hold::Alone, || {}).await.map_err(no_place)?;
            if cache.ready(key).is_none() {
                self.fetch(&cache, file).await?;
            }
        }
    }

    /// Fetches what is in a file to a place that nobody reads from before that is done.
    pub(crate) async fn fetch_to(&self, file: &File, place: &Path) -> Result<(), Failure> {
        let no_place = |error: io::Error| no_place(place, &error);
        let content = self.source.open(&file.digest).await?;
        let content = content.ok_or_else(|| not_uploaded(&file.path, &file.digest))?;
        let mut content = checked(content, file.digest.clone());
        let mut written = tokio::fs::File::create(place).await.map_err(no_place)?;
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(|failure| broken(file, failure))?;
            written.write_all(&piece).await.map_err(no_place)?;
        }
        written.flush().await.map_err(no_place)
    }

    async fn fetch(&self, cache: &Cache, file: &File) -> Result<(), Failure> {
        let no_place = |error: io::Error| no_place(&self.folder, &error);
        let key = file.digest.hex();
        cache.delete(key).map_err(no_place)?;
        if let Err(error) = cache.delete_unused(SystemTime::now()) {
            tracing::warn!(%error, "files that nobody uses cannot be deleted");
        }
        let place = cache.place(key);
        tokio::fs::create_dir_all(&place).await.map_err(no_place)?;
        if let Err(failure) = self.fetch_to(file, &place.join(CONTENT)).await {
            // It has no name that anybody reads.
            let _ = tokio::fs::remove_dir_all(&place).await;
            return Err(failure);
        }
        cache.publish(key, &place, &serde_json::json!({"file": file.path})).map_err(no_place)?;
        tracing::info!(file = file.path, bytes = file.bytes, digest = %file.digest, "a file of a job is fetched");
        Ok(())
    }
}

/// What came is another thing than was asked for: on the way, or with the head. It may go well with the next try.
fn broken(file: &File, failure: Failure) -> Failure {
    match failure.reason {
        Reason::CorruptFile | Reason::InvalidValue => {
            Failure::new(Reason::Io, format!("`{}` did not arrive as it was uploaded", file.path)).because(&failure)
        }
        _ => failure,
    }
}

fn no_place(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(Reason::Io, "a file that the job brings along cannot be kept")
        .because(error)
        .file(folder.display().to_string())
        .next("see whether the worker's scratch folder can be written to")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use shoal_core::blobs::{BlobStream, Hashing};

    use super::*;
    use crate::limits::UNUSED_TIME_MAX;

    /// Has two files, one of which is not what its hash says, and counts how often it is asked.
    #[derive(Default)]
    struct Source(AtomicUsize);

    #[async_trait]
    impl BlobSource for Source {
        async fn open(&self, digest: &Digest) -> Result<Option<BlobStream>, Failure> {
            self.0.fetch_add(1, Ordering::SeqCst);
            let known = [b"good".as_slice(), b"other"];
            let Some(content) = known.into_iter().find(|content| of(content, "a").digest == *digest) else {
                return Ok(None);
            };
            let sent = if content == b"other" { b"changed".as_slice() } else { content };
            Ok(Some(futures::stream::once(async move { Ok(sent.into()) }).boxed()))
        }
    }

    fn of(content: &[u8], path: &str) -> File {
        let mut hashing = Hashing::default();
        hashing.add(content).unwrap();
        File { path: path.into(), bytes: hashing.bytes(), digest: hashing.digest() }
    }

    #[tokio::test]
    async fn a_file_is_fetched_once_and_laid_out_wherever_it_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let source = Arc::new(Source::default());
        let files = Files::new(folder.path().join("kept"), source.clone());
        let wanted = [of(b"good", "a.py"), of(b"good", "package/b.py")];
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let (first, second) = tokio::join!(files.lay_out(&wanted, &one), files.lay_out(&wanted, &two));
        first.and(second).unwrap();
        for file in [one.join("a.py"), one.join("package/b.py"), two.join("a.py")] {
            assert_eq!(std::fs::read(&file).unwrap(), b"good");
            // Whatever becomes of a copy is nobody else's.
            std::fs::write(file, "written").unwrap();
        }
        let again = folder.path().join("again");
        files.lay_out(&wanted, &again).await.unwrap();
        assert_eq!(std::fs::read(again.join("a.py")).unwrap(), b"good");
        assert_eq!(source.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_is_another_content_is_not_kept_and_what_nobody_has_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().join("kept"), Arc::new(Source::default()));
        for _ in 0..2 {
            let failure = files.lay_out(&[of(b"other", "a.py")], folder.path()).await.unwrap_err();
            assert!(failure.reason == Reason::Io && failure.is_transient(), "{failure:?}");
        }
        assert!(!folder.path().join("a.py").exists());
        let failure = files.lay_out(&[of(b"none", "b.py")], folder.path()).await.unwrap_err();
        assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::FileNotUploaded, Some("b.py")));
        for path in ["../a.py", "/a.py", "a/../../b", ""] {
            assert_eq!(files.lay_out(&[of(b"good", path)], folder.path()).await.unwrap_err().reason, Reason::Internal);
        }
    }

    #[tokio::test]
    async fn what_nobody_has_used_for_long_goes_with_the_next_that_is_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        let files = Files::new(kept.clone(), Arc::new(Source::default()));
        files.lay_out(&[of(b"good", "a.py")], folder.path()).await.unwrap();
        let lock =
            std::fs::File::options().write(true).open(kept.join(format!("{}.lock", of(b"good", "").digest.hex())));
        lock.unwrap().set_modified(SystemTime::now() - UNUSED_TIME_MAX - Duration::from_secs(60)).unwrap();
        let contents =
            || std::fs::read_dir(&kept).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
        assert_eq!(contents(), 1);
        files.lay_out(&[of(b"none", "b.py")], folder.path()).await.unwrap_err();
        assert_eq!(contents(), 0);
    }
}
