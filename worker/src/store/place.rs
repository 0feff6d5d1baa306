//! Where messages are kept: in memory up to the worker's budget, then in files.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use prometheus::IntGauge;
use shoal_core::{AttemptId, Failure, JobUid, Reason};

use super::codec::Encoded;
use crate::metrics::StoreMetrics;

/// The two kinds of places and what is in them.
pub(super) struct Places {
    folder: PathBuf,
    memory: Arc<Room>,
    disk: Arc<Room>,
}

impl Places {
    pub(super) fn new(folder: PathBuf, memory_bytes: u64, metrics: &StoreMetrics) -> Self {
        let room = |max, gauge: &IntGauge| Arc::new(Room { max, used: AtomicU64::new(0), gauge: gauge.clone() });
        Self {
            folder,
            memory: room(memory_bytes, &metrics.memory_bytes),
            // A full disk says so itself.
            disk: room(u64::MAX, &metrics.disk_bytes),
        }
    }

    pub(super) fn held_bytes(&self) -> u64 {
        self.memory.used.load(Ordering::Relaxed) + self.disk.used.load(Ordering::Relaxed)
    }

    /// The folder for an attempt's files; made when the first is written.
    pub(super) fn folder_of(&self, attempt: AttemptId) -> Arc<AttemptFolder> {
        let task = attempt.task;
        let name = format!("{}-{}-{}", task.stage, task.index, attempt.number);
        Arc::new(AttemptFolder(self.job_folder(task.job).join(name)))
    }

    /// Removes a job's folder, where nobody reads from it any more.
    pub(super) fn forget(&self, job: JobUid) {
        // Not empty while somebody still reads, not there where nothing went to disk: both are as they should be.
        let _ = std::fs::remove_dir(self.job_folder(job));
    }

    fn job_folder(&self, job: JobUid) -> PathBuf {
        self.folder.join(job.to_string())
    }

    /// Keeps a message: in memory, or at the end of the bucket's file where the memory is used up.
    pub(super) fn keep(&self, message: Encoded, file: &mut BucketFile) -> Result<Kept, Failure> {
        let bytes = (message.header.len() + message.body.len()) as u64;
        if let Some(room) = self.memory.take(bytes) {
            return Ok(Kept::Memory { message, _room: room });
        }
        let offset = file.append(&message).map_err(|error| disk_failure(&error, &file.path))?;
        // Files have no limit of their own, so this always finds room.
        let room = self.disk.take(bytes);
        Ok(Kept::Disk { offset, header_bytes: message.header.len(), body_bytes: message.body.len(), _room: room })
    }
}

/// Bytes that may be held, and that are.
struct Room {
    max: u64,
    used: AtomicU64,
    gauge: IntGauge,
}

impl Room {
    fn take(self: &Arc<Self>, bytes: u64) -> Option<RoomTaken> {
        let grow = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow).ok()?;
        self.gauge.add(bytes as i64);
        Some(RoomTaken { room: self.clone(), bytes })
    }
}

/// Gives its bytes back when it is dropped.
pub(super) struct RoomTaken {
    room: Arc<Room>,
    bytes: u64,
}

impl Drop for RoomTaken {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.room.gauge.sub(self.bytes as i64);
    }
}

/// A message that is kept.
pub(super) enum Kept {
    Memory { message: Encoded, _room: RoomTaken },
    Disk { offset: u64, header_bytes: usize, body_bytes: usize, _room: Option<RoomTaken> },
}

/// A message that can be sent or decoded.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Its flatbuffer.
    pub(crate) header: Bytes,
    /// Its buffers.
    pub(crate) body: Bytes,
}

impl Kept {
    /// The message; read from disk on a thread that may wait.
    pub(super) async fn load(&self, file: &BucketFile) -> io::Result<Loaded> {
        match self {
            Self::Memory { message, .. } => Ok(Loaded { header: message.header.clone(), body: message.body.clone() }),
            Self::Disk { offset, header_bytes, body_bytes, .. } => {
                let (path, offset, header_bytes) = (file.path.clone(), *offset, *header_bytes);
                let bytes = header_bytes + body_bytes;
                let read = move || {
                    let mut buffer = vec![0; bytes];
                    File::open(path)?.read_exact_at(&mut buffer, offset)?;
                    io::Result::Ok(buffer)
                };
                let mut header = Bytes::from(tokio::task::spawn_blocking(read).await??);
                let body = header.split_off(header_bytes);
                Ok(Loaded { header, body })
            }
        }
    }
}

/// The file for what a bucket of an attempt cannot keep in memory; made with its first message.
pub(super) struct BucketFile {
    path: PathBuf,
    bytes: u64,
    folder: Arc<AttemptFolder>,
}

impl BucketFile {
    pub(super) fn new(folder: &Arc<AttemptFolder>, bucket: u32) -> Self {
        Self { path: folder.0.join(format!("{bucket}.messages")), bytes: 0, folder: folder.clone() }
    }

    /// Writes a message at the end and says where that is. The file is opened each time: hundreds of buckets of several
    /// attempts are more files than a process may hold open.
    fn append(&mut self, message: &Encoded) -> io::Result<u64> {
        if self.bytes == 0 {
            std::fs::create_dir_all(&self.folder.0)?;
        }
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&self.path)?;
        let offset = self.bytes;
        let body_offset = offset + message.header.len() as u64;
        // At its place instead of at the end: what a failed call left behind is written over.
        file.write_all_at(&message.header, offset)?;
        file.write_all_at(&message.body, body_offset)?;
        self.bytes = body_offset + message.body.len() as u64;
        Ok(offset)
    }
}

/// An attempt's folder; deleted with what is in it once nobody writes or reads there.
pub(super) struct AttemptFolder(PathBuf);

impl Drop for AttemptFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.0.display(), %error, "partitions on disk cannot be deleted");
        }
    }
}

fn disk_failure(error: &io::Error, path: &Path) -> Failure {
    let file = path.display().to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Failure::new(Reason::ResourcesExhausted, "the disk has no room for partitions")
                .next("make room under the worker's scratch folder, or give workers more memory")
        }
        _ => Failure::new(Reason::Io, "partitions cannot be written to disk")
            .next("check the worker's scratch folder: it must be on a disk that this user may write to"),
    }
    .because(error)
    .file(file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::TaskId;
    use uuid::Uuid;

    use super::*;

    fn attempt() -> AttemptId {
        AttemptId { task: TaskId { job: JobUid(Uuid::from_u128(1)), stage: 0, index: 4 }, number: 1 }
    }

    fn message(byte: u8) -> Encoded {
        Encoded { header: vec![byte; 3].into(), body: vec![byte + 1; 5].into() }
    }

    #[tokio::test]
    async fn memory_first_then_disk_and_all_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = StoreMetrics::new(&prometheus::Registry::new()).unwrap();
        let places = Places::new(folder.path().join("partitions"), 10, &metrics);
        let attempt_folder = places.folder_of(attempt());
        let mut file = BucketFile::new(&attempt_folder, 7);
        let kept: Vec<Kept> = [1, 2, 3].map(|byte| places.keep(message(byte), &mut file).unwrap()).into();
        assert!(matches!(kept[0], Kept::Memory { .. }));
        assert!(matches!(kept[2], Kept::Disk { offset: 8, .. }));
        assert_eq!((metrics.memory_bytes.get(), metrics.disk_bytes.get(), places.held_bytes()), (8, 16, 24));
        for (kept, byte) in kept.iter().zip([1, 2, 3]) {
            let loaded = kept.load(&file).await.unwrap();
            assert_eq!((loaded.header, loaded.body), (message(byte).header, message(byte).body));
        }

        drop(kept);
        assert_eq!(places.held_bytes(), 0);
        assert!(file.path.exists());
        drop((file, attempt_folder));
        places.forget(attempt().task.job);
        assert_eq!(std::fs::read_dir(folder.path().join("partitions")).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = disk_failure(&io::ErrorKind::StorageFull.into(), Path::new("/s/x"));
        assert_eq!((full.reason, full.location.file.as_deref()), (Reason::ResourcesExhausted, Some("/s/x")));
        assert_eq!(disk_failure(&io::ErrorKind::PermissionDenied.into(), Path::new("x")).reason, Reason::Io);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("partitions");
        std::fs::write(&taken, "a file").unwrap();
        let metrics = StoreMetrics::new(&prometheus::Registry::new()).unwrap();
        let places = Places::new(taken, 0, &metrics);
        let mut file = BucketFile::new(&places.folder_of(attempt()), 0);
        assert_eq!(places.keep(message(1), &mut file).err().unwrap().reason, Reason::Io);
        assert_eq!(places.held_bytes(), 0);
    }
}
