//! Files that travel to a cluster, each known by what is in it: the code of users' functions, what it imports, and the packages
//! that it needs.
//!
//! ```text
//!   client --PUT, once--> head: BlobStore --GET, once per machine--> worker
//! ```
//!
//! A spec names them by their hashes, so that a job with a changed file is another job, and nobody has to trust what carries
//! them: whoever takes one computes its hash again.

mod digest;
mod keeping;
mod paths;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use serde::{Deserialize, Serialize};

pub use self::digest::{Digest, Hashing};
pub use self::keeping::{Chores, Kept, chores};
pub use self::paths::{clean, folder_of, is_plain, place_in};
use crate::failure::{Failure, Reason};
use crate::limits::BLOB_BYTES_MAX;

/// A file that travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where it is to lie: names of folders and its own, with slashes between.
    pub path: String,
    /// What is in it.
    pub digest: Digest,
    /// How many bytes that are.
    pub bytes: u64,
}

/// The content of a file, piece by piece.
pub type BlobStream = BoxStream<'static, Result<Bytes, Failure>>;

/// Where files come from.
#[async_trait]
pub trait BlobSource: Send + Sync {
    /// The content with that hash; none where it is not known.
    ///
    /// # Errors
    /// What keeps it from being read.
    async fn open(&self, digest: &Digest) -> Result<Option<BlobStream>, Failure>;

    /// Whether what a worker has made, as an environment, is to be shared with others through it.
    fn is_shared(&self) -> bool {
        false
    }

    /// The file that is shared under a name, which is a hash of what it was made of; none where there is none.
    ///
    /// # Errors
    /// What keeps it from being looked for.
    async fn shared(&self, _name: &Digest) -> Result<Option<File>, Failure> {
        Ok(None)
    }

    /// Shares a file of this machine under a name.
    ///
    /// # Errors
    /// What keeps it from being kept.
    async fn share(&self, _name: &Digest, _place: &Path) -> Result<(), Failure> {
        Err(shares_nothing())
    }
}

/// There is no place for what is shared.
fn shares_nothing() -> Failure {
    Failure::new(Reason::NotPossible, "this cluster has no storage for what workers share")
}

/// Where a head keeps files.
#[async_trait]
pub trait BlobStore: BlobSource {
    /// Takes the content with that hash. Nothing is there before it is finished.
    ///
    /// # Errors
    /// What keeps it from being written.
    async fn writer(&self, digest: &Digest) -> Result<Box<dyn BlobWriter>, Failure>;

    /// When that content was last of use, in milliseconds since 1970-01-01 UTC; none where it is not there.
    ///
    /// # Errors
    /// What keeps it from being looked for.
    async fn used(&self, digest: &Digest) -> Result<Option<u64>, Failure>;

    /// All that is kept.
    ///
    /// # Errors
    /// What keeps it from being listed.
    async fn list(&self) -> Result<Vec<Kept>, Failure>;

    /// Says which file is shared under a name from now on.
    ///
    /// # Errors
    /// [`Reason::NotPossible`] where nothing is shared; what keeps it from being written.
    async fn set_shared(&self, _name: &Digest, _file: &File) -> Result<(), Failure> {
        Err(shares_nothing())
    }

    /// Notes down that it is of use now.
    ///
    /// # Errors
    /// What keeps that from being written.
    async fn mark_used(&self, digest: &Digest) -> Result<(), Failure>;

    /// Deletes it.
    ///
    /// # Errors
    /// What keeps it from being deleted.
    async fn delete(&self, digest: &Digest) -> Result<(), Failure>;
}

/// Content that is being taken. What is dropped without an end was never there.
#[async_trait]
pub trait BlobWriter: Send {
    /// Takes the next piece.
    ///
    /// # Errors
    /// What keeps it from being written.
    async fn write(&mut self, piece: Bytes) -> Result<(), Failure>;

    /// All of it was there.
    ///
    /// # Errors
    /// What keeps it from being written.
    async fn finish(self: Box<Self>) -> Result<(), Failure>;

    /// It is not wanted.
    async fn abort(self: Box<Self>);
}

/// What keeps nothing, for whoever plans without a head.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBlobs;

#[async_trait]
impl BlobSource for NoBlobs {
    async fn open(&self, _: &Digest) -> Result<Option<BlobStream>, Failure> {
        Ok(None)
    }
}

#[async_trait]
impl BlobStore for NoBlobs {
    async fn writer(&self, _: &Digest) -> Result<Box<dyn BlobWriter>, Failure> {
        Err(Failure::new(Reason::NotPossible, "this head keeps no files"))
    }

    async fn used(&self, _: &Digest) -> Result<Option<u64>, Failure> {
        Ok(None)
    }

    async fn list(&self) -> Result<Vec<Kept>, Failure> {
        Ok(Vec::new())
    }

    async fn mark_used(&self, _: &Digest) -> Result<(), Failure> {
        Ok(())
    }

    async fn delete(&self, _: &Digest) -> Result<(), Failure> {
        Ok(())
    }
}

/// Files of this machine that a job names, by what is in them.
pub type LocalFiles = BTreeMap<Digest, PathBuf>;

/// The content of a stream, checked piece by piece: it ends with an error where it is not what its hash says.
pub fn checked(stream: BlobStream, digest: Digest) -> BlobStream {
    let end = futures::stream::once(async { None });
    stream
        .map(Some)
        .chain(end)
        .scan(Some(Hashing::default()), move |hashing, piece| {
            let checked = match (piece, hashing.as_mut()) {
                (Some(Ok(piece)), Some(so_far)) => match so_far.add(&piece) {
                    Ok(()) => Some(Ok(piece)),
                    Err(failure) => Some(Err(failure)),
                },
                (Some(Err(failure)), _) => Some(Err(failure)),
                (None, Some(_)) => hashing.take().and_then(|all| all.check(&digest).err()).map(Err),
                (_, None) => None,
            };
            if matches!(checked, Some(Err(_))) {
                *hashing = None;
            }
            futures::future::ready(checked)
        })
        .boxed()
}

/// The content with that hash, where it has at most so many bytes.
///
/// # Errors
/// [`Reason::FileNotUploaded`] where it is not there; [`Reason::CorruptFile`] where it is something else.
pub async fn read(source: &dyn BlobSource, file: &File, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let stream = source.open(&file.digest).await?.ok_or_else(|| not_uploaded(&file.path, &file.digest))?;
    let mut stream = checked(stream, file.digest.clone());
    let mut content = Vec::new();
    while let Some(piece) = stream.next().await {
        content.extend_from_slice(&piece?);
        if content.len() as u64 > bytes_max {
            return Err(too_large(content.len() as u64, bytes_max));
        }
    }
    Ok(content)
}

/// A file is not there that a job names by its hash.
pub fn not_uploaded(path: &str, digest: &Digest) -> Failure {
    Failure::new(Reason::FileNotUploaded, format!("the content of `{path}` ({digest}) is not on this cluster"))
        .file(path)
        .next("submit the job with `shoal job submit` or the Python client, which upload its files")
}

/// A file has more bytes than are taken.
pub fn too_large(bytes: u64, bytes_max: u64) -> Failure {
    Failure::new(
        Reason::InvalidValue,
        format!("{bytes} bytes are too many for a file that travels: {bytes_max} are possible"),
    )
    .next("put data into a table, and large packages where workers run")
}

/// Whether a file of so many bytes may travel.
///
/// # Errors
/// [`Reason::InvalidValue`] for one that is too large.
pub fn check_size(bytes: u64) -> Result<(), Failure> {
    if bytes > BLOB_BYTES_MAX { Err(too_large(bytes, BLOB_BYTES_MAX)) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    struct Held(&'static [u8]);

    #[async_trait]
    impl BlobSource for Held {
        async fn open(&self, _: &Digest) -> Result<Option<BlobStream>, Failure> {
            let pieces = self.0.chunks(3).map(|piece| Ok(Bytes::from_static(piece)));
            Ok(Some(futures::stream::iter(pieces.collect::<Vec<_>>()).boxed()))
        }
    }

    fn of(content: &[u8]) -> File {
        let mut hashing = Hashing::default();
        hashing.add(content).unwrap();
        File { path: "a.py".into(), digest: hashing.digest(), bytes: content.len() as u64 }
    }

    #[test]
    fn what_is_read_is_what_its_hash_says_or_an_error() {
        for content in [&b""[..], b"abc", b"abcdefgh"] {
            assert_eq!(block_on(read(&Held(content), &of(content), 100)).unwrap(), content);
            let other = block_on(read(&Held(content), &of(b"other"), 100)).unwrap_err();
            assert_eq!(other.reason, Reason::CorruptFile);
        }
        assert_eq!(block_on(read(&Held(b"abcd"), &of(b"abcd"), 3)).unwrap_err().reason, Reason::InvalidValue);
        let none = block_on(read(&NoBlobs, &of(b"a"), 3)).unwrap_err();
        assert_eq!((none.reason, none.location.file.as_deref()), (Reason::FileNotUploaded, Some("a.py")));
    }

    #[test]
    fn what_breaks_off_is_no_content() {
        let pieces = vec![Ok(Bytes::from_static(b"abc")), Err(Failure::new(Reason::Io, "broke"))];
        let stream = checked(futures::stream::iter(pieces).boxed(), of(b"abc").digest);
        let reasons: Vec<_> = block_on(stream.map(|piece| piece.map_err(|failure| failure.reason)).collect());
        assert_eq!(reasons, [Ok(Bytes::from_static(b"abc")), Err(Reason::Io)]);
    }
}
