//! A folder that something is kept in which takes long to make, whoever uses it: environments, and files that jobs bring along.
//!
//! ```text
//!   KEY.lock     held alone while it is made or deleted, and together by whoever uses it; its time is that of the last use
//!   KEY.json     which folder it is; written last, in one step
//!   KEY-NUMBER/  what was made
//! ```
//!
//! Files in an environment name the folder that it was made in, so it is not made elsewhere and moved. In its place the file that
//! names it is: what an installer leaves that was interrupted, or still writes at its end, has no name that anybody reads.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;

use crate::limits::{BUILT_LOOK_EVERY, UNUSED_TIME_MAX};

/// The folder, and what everything that is complete has in its own.
#[derive(Clone, Debug)]
pub(crate) struct Cache(PathBuf, &'static str);

/// Something that cannot be deleted while this is held.
#[derive(Debug)]
pub(crate) struct Lease {
    /// What was asked for: an environment's interpreter, a file's content.
    pub(crate) path: PathBuf,
    _lock: File,
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Together,
    Alone,
}

/// What is written of something that is complete.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    /// Its folder's name.
    folder: String,
    /// What it was made of, for people who look.
    #[serde(default)]
    made_of: Value,
}

/// Waits for a lock, and says so where somebody else has it.
pub(crate) async fn locked(cache: &Cache, key: &str, hold: Hold, waits: impl Fn()) -> io::Result<File> {
    let mut is_first = true;
    loop {
        if let Some(lock) = cache.try_lock(key, hold)? {
            return Ok(lock);
        }
        if std::mem::take(&mut is_first) {
            waits();
        }
        sleep(BUILT_LOOK_EVERY).await;
    }
}

impl Cache {
    /// The folder, which is made where it is not there. Nobody else may look into it.
    pub(crate) fn open(folder: &Path, complete: &'static str) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self(folder.to_owned(), complete))
    }

    /// The lock of a key, if nobody holds it otherwise.
    pub(crate) fn try_lock(&self, key: &str, hold: Hold) -> io::Result<Option<File>> {
        let file = File::options().create(true).truncate(false).write(true).open(self.0.join(format!("{key}.lock")))?;
        let locked = match hold {
            Hold::Together => file.try_lock_shared(),
            Hold::Alone => file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// What is kept under a lock, if it is complete.
    pub(crate) fn lease(&self, key: &str, lock: File) -> Option<Lease> {
        let path = self.ready(key)?;
        // Where that cannot be written it is deleted too early, which costs time and nothing else.
        let _ = lock.set_modified(SystemTime::now());
        Some(Lease { path, _lock: lock })
    }

    /// What is asked for of something that is complete.
    pub(crate) fn ready(&self, key: &str) -> Option<PathBuf> {
        let ready: Ready = serde_json::from_slice(&std::fs::read(self.marker(key)).ok()?).ok()?;
        let path = self.0.join(ready.folder).join(self.1);
        path.exists().then_some(path)
    }

    /// A name for the folder of something that is about to be made. Its lock is held alone.
    pub(crate) fn place(&self, key: &str) -> PathBuf {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        self.0.join(format!("{key}-{now}"))
    }

    /// Says that it is complete.
    pub(crate) fn publish(&self, key: &str, place: &Path, made_of: &Value) -> io::Result<()> {
        let folder = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let ready = Ready { folder, made_of: made_of.clone() };
        let unfinished = self.0.join(format!("{key}.new"));
        std::fs::write(&unfinished, serde_json::to_vec_pretty(&ready)?)?;
        std::fs::rename(unfinished, self.marker(key))
    }

    /// Deletes all under a key but its lock, which is held alone.
    pub(crate) fn delete(&self, key: &str) -> io::Result<()> {
        match std::fs::remove_file(self.marker(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let of_key = format!("{key}-");
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&of_key) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Deletes what nobody has used for long, and says which.
    pub(crate) fn delete_unused(&self, now: SystemTime) -> io::Result<Vec<String>> {
        let mut deleted = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(key) = name.strip_suffix(".lock") else { continue };
            if !is_unused(now, entry.metadata()?.modified()?) || !self.has_anything(key)? {
                continue;
            }
            // Whoever uses it holds the lock.
            if let Some(_lock) = self.try_lock(key, Hold::Alone)? {
                self.delete(key)?;
                deleted.push(key.to_owned());
            }
        }
        Ok(deleted)
    }

    /// Whether there is more of it than the lock, which stays: somebody may be about to take it.
    fn has_anything(&self, key: &str) -> io::Result<bool> {
        let of_key = format!("{key}-");
        let mut names = std::fs::read_dir(&self.0)?.filter_map(Result::ok).map(|entry| entry.file_name());
        Ok(self.marker(key).exists() || names.any(|name| name.to_string_lossy().starts_with(&of_key)))
    }

    fn marker(&self, key: &str) -> PathBuf {
        self.0.join(format!("{key}.json"))
    }
}

/// Whether what was used last at that time is not kept any longer.
fn is_unused(now: SystemTime, used: SystemTime) -> bool {
    now.duration_since(used).unwrap_or(Duration::ZERO) > UNUSED_TIME_MAX
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const COMPLETE: &str = "environment/bin/python";

    /// A cache with environments of these keys, which nobody has used since they were made.
    fn with(keys: &[&str]) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("deep/environments"), COMPLETE).unwrap();
        for key in keys {
            let _lock = cache.try_lock(key, Hold::Alone).unwrap().unwrap();
            let place = cache.place(key);
            make(&place);
            cache.publish(key, &place, &Value::Null).unwrap();
        }
        (folder, cache)
    }

    fn make(place: &Path) {
        let complete = place.join(COMPLETE);
        std::fs::create_dir_all(complete.parent().unwrap()).unwrap();
        std::fs::write(complete, "").unwrap();
    }

    fn lease(cache: &Cache, key: &str) -> Option<Lease> {
        cache.lease(key, cache.try_lock(key, Hold::Together).unwrap()?)
    }

    #[test]
    fn one_builds_while_all_others_wait_and_many_use_it() {
        let (_folder, cache) = with(&[]);
        let building = cache.try_lock("a", Hold::Alone).unwrap().unwrap();
        assert!(cache.try_lock("a", Hold::Alone).unwrap().is_none());
        assert!(cache.try_lock("a", Hold::Together).unwrap().is_none());
        assert!(cache.try_lock("b", Hold::Alone).unwrap().is_some(), "another one");
        drop(building);
        let (_one, _two) = (cache.try_lock("a", Hold::Together).unwrap(), cache.try_lock("a", Hold::Together).unwrap());
        assert!(_one.is_some() && _two.is_some() && cache.try_lock("a", Hold::Alone).unwrap().is_none());
    }

    #[test]
    fn what_an_interrupted_build_leaves_is_not_used() {
        let (_folder, cache) = with(&[]);
        let place = cache.place("a");
        make(&place);
        assert!(lease(&cache, "a").is_none(), "it was never published");
        cache.delete("a").unwrap();
        assert!(!place.exists());
        let (_folder, cache) = with(&["b"]);
        let python = lease(&cache, "b").unwrap().path;
        std::fs::remove_file(&python).unwrap();
        assert!(lease(&cache, "b").is_none(), "somebody has deleted a part of it");
        std::fs::write(&python, "").unwrap();
        assert!(lease(&cache, "b").is_some());
        std::fs::write(cache.marker("b"), "{").unwrap();
        assert!(lease(&cache, "b").is_none());
    }

    #[test]
    fn what_nobody_has_used_for_long_is_deleted_and_what_is_in_use_never() {
        let (_folder, cache) = with(&["old", "used", "new"]);
        let used = lease(&cache, "used").unwrap();
        let later = SystemTime::now() + UNUSED_TIME_MAX + Duration::from_secs(60);
        let new = cache.try_lock("new", Hold::Together).unwrap().unwrap();
        new.set_modified(later - Duration::from_secs(3_600)).unwrap();
        drop(new);
        assert_eq!(cache.delete_unused(SystemTime::now()).unwrap(), Vec::<String>::new());
        assert_eq!(cache.delete_unused(later).unwrap(), ["old"]);
        assert!(lease(&cache, "old").is_none() && cache.ready("new").is_some());
        assert!(used.path.exists());
        assert_eq!(cache.delete_unused(later).unwrap(), Vec::<String>::new(), "once");
        drop(used);
        assert_eq!(cache.delete_unused(later + UNUSED_TIME_MAX).unwrap().len(), 2);
    }
}
