//! The folder that environments of a machine are kept in, whoever uses them.
//!
//! ```text
//!   KEY.lock     held alone while the environment is built or deleted, and together by whoever uses it;
//!                its time is that of the last use
//!   KEY.json     which folder it is; written last, in one step
//!   KEY-NUMBER/  the environment
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

use crate::limits::UNUSED_TIME_MAX;

/// The folder of environments.
#[derive(Clone, Debug)]
pub(crate) struct Cache(PathBuf);

/// An environment that cannot be deleted while this is held.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Its interpreter.
    pub(crate) python: PathBuf,
    _lock: File,
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Together,
    Alone,
}

/// What is written of an environment that is complete.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    /// Its folder's name.
    folder: String,
    /// What it was made of, for people who look.
    python: String,
    requirements: String,
}

impl Cache {
    /// The folder, which is made where it is not there. Nobody else may look into it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// The lock of an environment, if nobody holds it otherwise.
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

    /// The environment of a lock, if it is complete.
    pub(crate) fn lease(&self, key: &str, lock: File) -> Option<Lease> {
        let python = self.ready(key)?;
        // Where that cannot be written it is deleted too early, which costs time and nothing else.
        let _ = lock.set_modified(SystemTime::now());
        Some(Lease { python, _lock: lock })
    }

    /// The interpreter of an environment that is complete.
    pub(crate) fn ready(&self, key: &str) -> Option<PathBuf> {
        let ready: Ready = serde_json::from_slice(&std::fs::read(self.marker(key)).ok()?).ok()?;
        let python = self.0.join(ready.folder).join(ENVIRONMENT).join(PYTHON);
        python.exists().then_some(python)
    }

    /// A name for the folder of an environment that is about to be built. Its lock is held alone.
    pub(crate) fn place(&self, key: &str) -> PathBuf {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        self.0.join(format!("{key}-{now}"))
    }

    /// Says that an environment is complete.
    pub(crate) fn publish(&self, key: &str, place: &Path, python: &str, requirements: &str) -> io::Result<()> {
        let folder = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let ready = Ready { folder, python: python.to_owned(), requirements: requirements.to_owned() };
        let unfinished = self.0.join(format!("{key}.new"));
        std::fs::write(&unfinished, serde_json::to_vec_pretty(&ready)?)?;
        std::fs::rename(unfinished, self.marker(key))
    }

    /// Deletes all of an environment but its lock, which is held alone.
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

    /// Deletes the environments that nobody has used for long, and says which.
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

/// Where an environment has its interpreter.
pub(crate) const PYTHON: &str = "bin/python";

/// The environment in its folder, beside which a build keeps what is temporary.
pub(crate) const ENVIRONMENT: &str = "environment";

/// Whether what was used last at that time is not kept any longer.
fn is_unused(now: SystemTime, used: SystemTime) -> bool {
    now.duration_since(used).unwrap_or(Duration::ZERO) > UNUSED_TIME_MAX
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A cache with environments of these keys, which nobody has used since they were made.
    fn with(keys: &[&str]) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("deep/environments")).unwrap();
        for key in keys {
            let _lock = cache.try_lock(key, Hold::Alone).unwrap().unwrap();
            let place = cache.place(key);
            make(&place);
            cache.publish(key, &place, "3", "a").unwrap();
        }
        (folder, cache)
    }

    fn make(place: &Path) {
        let python = place.join(ENVIRONMENT).join(PYTHON);
        std::fs::create_dir_all(python.parent().unwrap()).unwrap();
        std::fs::write(python, "").unwrap();
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
        let python = lease(&cache, "b").unwrap().python;
        std::fs::remove_file(&python).unwrap();
        assert!(lease(&cache, "b").is_none(), "somebody has deleted a part of it");
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
        assert!(used.python.exists());
        assert_eq!(cache.delete_unused(later).unwrap(), Vec::<String>::new(), "once");
        drop(used);
        assert_eq!(cache.delete_unused(later + UNUSED_TIME_MAX).unwrap().len(), 2);
    }
}
