use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;
use shoal_core::Failure;

use super::upload::Upload;
use super::{Location, write_failure};

/// A file that is being written. Where it is dropped before it is complete, nothing of it stays.
///
/// On a disk it grows in its place, under its own name, so that the sweep of leftovers knows it also after a crash; in
/// an object store it appears as a whole.
pub(crate) struct NewFile {
    sink: Sink,
    bytes: u64,
}

enum Sink {
    Disk(DiskFile),
    Object(Upload),
}

impl NewFile {
    /// Creates a file, and on a disk the folders above it.
    ///
    /// # Errors
    /// What the file system says; a file of that name is never written over.
    pub(crate) fn create(place: &Location) -> Result<Self, Failure> {
        let sink = match place.local_path() {
            Some(path) => Sink::Disk(DiskFile::create(path).map_err(|error| write_failure(place, &error))?),
            None => Sink::Object(Upload::new(Arc::clone(place.store()), place.path().clone())),
        };
        Ok(Self { sink, bytes: 0 })
    }

    /// Bytes that were written.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl AsyncFileWriter for NewFile {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), ParquetError>> {
        self.bytes += bytes.len() as u64;
        async move {
            match &mut self.sink {
                Sink::Disk(file) => file.handle.write_all(&bytes).map_err(external),
                Sink::Object(upload) => upload.write(bytes).await.map_err(external),
            }
        }
        .boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, Result<(), ParquetError>> {
        async move {
            match &mut self.sink {
                // A commit must not outlive a power cut that its files do not.
                Sink::Disk(file) => file.handle.sync_all().map(|()| file.unfinished = None).map_err(external),
                Sink::Object(upload) => upload.finish().await.map_err(external),
            }
        }
        .boxed()
    }
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
}

struct DiskFile {
    handle: File,
    /// Its path, for as long as it is to be deleted when it is dropped.
    unfinished: Option<PathBuf>,
}

impl DiskFile {
    fn create(path: PathBuf) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(Self { handle: File::create_new(&path)?, unfinished: Some(path) })
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        if let Some(path) = &self.unfinished
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "an unfinished file cannot be deleted");
        }
    }
}
