//! Files that travelled, kept by their hashes in a bucket or a folder.
//!
//! ```text
//!   HEX         the content
//!   HEX.used    empty; its time is that of the last use
//!   HEX.shared  which content workers share under the name HEX, which is none of a content
//! ```

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use shoal_core::Failure;
use shoal_core::blobs::{BlobSource, BlobStore, BlobStream, BlobWriter, Digest, File, Kept};
use tokio::io::AsyncWriteExt;

use crate::storage::{Location, names_missing, write_failure};

/// What the name of the file ends with that says when another was of use.
const USED: &str = ".used";

/// What the name of the file ends with that says what is shared under that name.
const SHARED: &str = ".shared";

/// Bytes of what such a file says: a hash and a number.
const SHARED_BYTES_MAX: u64 = 1 << 10;

/// What is shared under a name, as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Shared {
    digest: Digest,
    bytes: u64,
}

/// Files below a location.
#[derive(Clone, Debug)]
pub struct FileBlobs {
    folder: Location,
    is_shared: bool,
}

impl FileBlobs {
    /// Those at a URL or path; relative paths start at the working directory. Nothing is looked at yet.
    ///
    /// # Errors
    /// As [`Location::parse`].
    pub fn at(text: &str) -> Result<Self, Failure> {
        Ok(Self { folder: Location::from_here(text)?, is_shared: false })
    }

    /// The same; workers share through it what they have made.
    #[must_use]
    pub fn shared_by_workers(self, is_shared: bool) -> Self {
        Self { is_shared, ..self }
    }

    fn place(&self, digest: &Digest) -> Location {
        self.folder.child(digest.hex())
    }

    fn used_place(&self, digest: &Digest) -> Location {
        self.folder.child(&format!("{}{USED}", digest.hex()))
    }

    fn shared_place(&self, name: &Digest) -> Location {
        self.folder.child(&format!("{}{SHARED}", name.hex()))
    }
}

#[async_trait]
impl BlobSource for FileBlobs {
    async fn open(&self, digest: &Digest) -> Result<Option<BlobStream>, Failure> {
        let place = self.place(digest);
        match place.store().get(place.path()).await {
            Ok(found) => {
                let content = found.into_stream();
                Ok(Some(content.map_err(move |error| place.failure(&error)).boxed()))
            }
            Err(error) if names_missing(&error) => Ok(None),
            Err(error) => Err(place.failure(&error)),
        }
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    async fn shared(&self, name: &Digest) -> Result<Option<File>, Failure> {
        let place = self.shared_place(name);
        let said = match place.store().get(place.path()).await {
            Ok(found) if found.meta.size > SHARED_BYTES_MAX => return Ok(None),
            Ok(found) => found.bytes().await.map_err(|error| place.failure(&error))?,
            Err(error) if names_missing(&error) => return Ok(None),
            Err(error) => return Err(place.failure(&error)),
        };
        // What nobody understands is made anew, and written over.
        let Ok(Shared { digest, bytes }) = serde_json::from_slice(&said) else { return Ok(None) };
        Ok(Some(File { path: name.hex().to_owned(), digest, bytes }))
    }
}

#[async_trait]
impl BlobStore for FileBlobs {
    async fn writer(&self, digest: &Digest) -> Result<Box<dyn BlobWriter>, Failure> {
        let place = self.place(digest);
        let writer = BufWriter::new(place.store().clone(), place.path().clone());
        Ok(Box::new(FileWriter { place, writer }))
    }

    async fn used(&self, digest: &Digest) -> Result<Option<u64>, Failure> {
        let Some(content) = self.place(digest).head_if_there().await? else { return Ok(None) };
        let used = self.used_place(digest).head_if_there().await?;
        Ok(Some(used.iter().chain([&content]).map(modified_ms).max().unwrap_or_default()))
    }

    async fn list(&self) -> Result<Vec<Kept>, Failure> {
        let mut known: BTreeMap<Digest, u64> = BTreeMap::new();
        for meta in self.folder.list().await? {
            let name = meta.location.filename().unwrap_or_default();
            // Whatever else lies there is nobody's of us.
            let Some(digest) = Digest::of_hex(name.strip_suffix(USED).unwrap_or(name)) else { continue };
            let used_ms = known.entry(digest).or_default();
            *used_ms = modified_ms(&meta).max(*used_ms);
        }
        Ok(known.into_iter().map(|(digest, used_ms)| Kept { digest, used_ms }).collect())
    }

    async fn set_shared(&self, name: &Digest, file: &File) -> Result<(), Failure> {
        let File { path: _, digest, bytes } = file;
        let said = serde_json::to_vec(&Shared { digest: digest.clone(), bytes: *bytes })
            .map_err(|error| Failure::internal("what is shared cannot be written down").because(&error))?;
        let place = self.shared_place(name);
        let written = place.store().put(place.path(), said.into()).await;
        written.map(drop).map_err(|error| write_failure(&place, &error))
    }

    async fn mark_used(&self, digest: &Digest) -> Result<(), Failure> {
        let place = self.used_place(digest);
        let marked = place.store().put(place.path(), Bytes::new().into()).await;
        marked.map(drop).map_err(|error| write_failure(&place, &error))
    }

    async fn delete(&self, digest: &Digest) -> Result<(), Failure> {
        // The mark last: without it what is left would look unused, which it is.
        for place in [self.place(digest), self.used_place(digest)] {
            match place.store().delete(place.path()).await {
                Err(error) if !names_missing(&error) => return Err(write_failure(&place, &error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

fn modified_ms(meta: &ObjectMeta) -> u64 {
    let time: SystemTime = meta.last_modified.into();
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

struct FileWriter {
    place: Location,
    writer: BufWriter,
}

#[async_trait]
impl BlobWriter for FileWriter {
    async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        self.writer.put(piece).await.map_err(|error| write_failure(&self.place, &error))
    }

    async fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.writer.shutdown().await.map_err(|error| match error.downcast::<object_store::Error>() {
            Ok(error) => write_failure(&self.place, &error),
            Err(error) => Failure::new(shoal_core::Reason::Io, "the file cannot be written")
                .because(&error)
                .file(self.place.to_string()),
        })
    }

    async fn abort(mut self: Box<Self>) {
        if let Err(error) = self.writer.abort().await {
            tracing::warn!(%error, place = %self.place, "what was taken of a file cannot be deleted");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::blobs::{Hashing, read};

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut hashing = Hashing::default();
        hashing.add(content).unwrap();
        File { path: "a".into(), bytes: hashing.bytes(), digest: hashing.digest() }
    }

    /// As many bytes as make an upload of several parts.
    fn large() -> Vec<u8> {
        (0..12_u32 << 20).map(|byte| (byte % 251) as u8).collect()
    }

    #[tokio::test]
    async fn what_is_finished_is_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::at(folder.path().join("not/there").to_str().unwrap()).unwrap();
        assert_eq!(blobs.list().await.unwrap(), []);
        for content in [b"".to_vec(), b"abc".to_vec(), large()] {
            let file = file(&content);
            assert_eq!(blobs.used(&file.digest).await.unwrap(), None);
            for finishes in [false, true, true] {
                let mut writer = blobs.writer(&file.digest).await.unwrap();
                for piece in content.chunks(1 << 20) {
                    writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
                }
                if finishes {
                    writer.finish().await.unwrap();
                } else {
                    writer.abort().await;
                }
                assert_eq!(blobs.open(&file.digest).await.unwrap().is_some(), finishes);
            }
            assert!(read(&blobs, &file, u64::MAX).await.unwrap() == content);
        }
        assert_eq!(blobs.list().await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn what_is_shared_under_a_name_is_the_last_that_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::at(folder.path().to_str().unwrap()).unwrap();
        assert!(!blobs.is_shared() && blobs.clone().shared_by_workers(true).is_shared());
        let name = file(b"what it is made of").digest;
        assert_eq!(blobs.shared(&name).await.unwrap(), None);
        for content in [b"one", b"two"] {
            blobs.set_shared(&name, &file(content)).await.unwrap();
            let shared = blobs.shared(&name).await.unwrap().unwrap();
            assert_eq!((shared.digest, shared.bytes), (file(content).digest, 3));
        }
        assert_eq!(blobs.list().await.unwrap(), [], "a name is no content");
        std::fs::write(folder.path().join(format!("{}.shared", name.hex())), "{").unwrap();
        assert_eq!(blobs.shared(&name).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_last_use_counts_and_what_is_deleted_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::at(folder.path().to_str().unwrap()).unwrap();
        let digest = file(b"abc").digest;
        let mut writer = blobs.writer(&digest).await.unwrap();
        writer.write(Bytes::from_static(b"abc")).await.unwrap();
        writer.finish().await.unwrap();
        let old = UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        let content = std::fs::File::options().write(true).open(folder.path().join(digest.hex())).unwrap();
        content.set_modified(old).unwrap();
        assert_eq!(blobs.used(&digest).await.unwrap(), Some(1_000_000));
        blobs.mark_used(&digest).await.unwrap();
        let used = blobs.used(&digest).await.unwrap().unwrap();
        assert!(used > 1_000_000);
        std::fs::write(folder.path().join("README"), "").unwrap();
        assert_eq!(blobs.list().await.unwrap(), [Kept { digest: digest.clone(), used_ms: used }]);
        blobs.delete(&digest).await.unwrap();
        blobs.delete(&digest).await.unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
