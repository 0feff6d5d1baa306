//! Folders that are there for a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use shoal_core::{AttemptId, Failure, Reason, WorkerId};

/// A worker's own folder. Empty at first, whatever a process before it left there, and deleted in the end.
pub(crate) struct WorkerScratch {
    folder: PathBuf,
    /// Held as long as this process lives, so that another worker of the same name does not empty the folder.
    _lock: File,
}

impl WorkerScratch {
    pub(crate) fn claim(scratch: &Path, name: &WorkerId) -> Result<Self, Failure> {
        let folder = scratch.join(&name.0);
        let unusable = |error: io::Error| {
            Failure::new(Reason::Io, "the scratch folder cannot be used")
                .because(&error)
                .file(folder.display().to_string())
                .next("name a folder on a local disk that this user may write to")
        };
        std::fs::create_dir_all(scratch).map_err(unusable)?;
        let lock_path = scratch.join(format!("{name}.lock"));
        let lock = File::options().create(true).append(true).open(&lock_path).map_err(unusable)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                Failure::new(Reason::StateLocked, format!("a worker named `{name}` already runs on this machine"))
                    .file(lock_path.display().to_string())
                    .next("give this one another name")
            }
            TryLockError::Error(error) => unusable(error),
        })?;
        remove(&folder).and_then(|()| std::fs::create_dir(&folder)).map_err(unusable)?;
        Ok(Self { folder, _lock: lock })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn partitions(&self) -> PathBuf {
        self.folder.join("partitions")
    }

    pub(crate) fn attempts(&self) -> PathBuf {
        self.folder.join("attempts")
    }
}

impl Drop for WorkerScratch {
    fn drop(&mut self) {
        remove_or_warn(&self.folder);
    }
}

/// A folder for one attempt; deleted with what is in it when the attempt ends, however it ends.
///
/// Whoever wants to write there makes it: attempts that all make one in the same parent wait for each other in the kernel,
/// behind the disk, and most of those that are short need none.
pub(crate) struct AttemptScratch(PathBuf);

impl AttemptScratch {
    pub(crate) fn new(attempts: &Path, attempt: AttemptId) -> Self {
        Self(attempts.join(attempt.to_string()))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Drop for AttemptScratch {
    fn drop(&mut self) {
        remove_or_warn(&self.0);
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_or_warn(folder: &Path) {
    if let Err(error) = remove(folder) {
        tracing::warn!(folder = %folder.display(), %error, "a scratch folder cannot be deleted");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_of_a_name_and_nothing_left_of_the_one_before() {
        let scratch = tempfile::tempdir().unwrap();
        let name = WorkerId("w".into());
        std::fs::create_dir_all(scratch.path().join("w/partitions/old")).unwrap();
        let first = WorkerScratch::claim(scratch.path(), &name).unwrap();
        assert!(!first.partitions().exists());
        let second = WorkerScratch::claim(scratch.path(), &name).err().unwrap();
        assert_eq!(second.reason, Reason::StateLocked);
        assert!(first.folder.exists());
        WorkerScratch::claim(scratch.path(), &WorkerId("other".into())).unwrap();

        let folder = first.folder.clone();
        drop(first);
        assert!(!folder.exists());
        WorkerScratch::claim(scratch.path(), &name).unwrap();
    }
}
