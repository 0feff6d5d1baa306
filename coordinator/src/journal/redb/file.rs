//! The file: made once, locked while it is open, looked over before it is trusted.

use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError, StorageError};
use shoal_core::{Failure, Reason};

use super::table;

/// Name of the file in the state folder.
const FILE_NAME: &str = "journal.redb";

/// Name under which a new file is made: it gets its own once it holds all that it begins with, so that an empty
/// journal is never taken for a new one.
const FILE_NAME_NEW: &str = "journal.redb.new";

/// Where a state folder's journal lies.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE_NAME)
}

/// Opens the journal of a state folder, making both where they are not there.
pub(super) fn open(folder: &Path) -> Result<Database, Failure> {
    let path = path(folder);
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::new(Reason::Io, "the state folder cannot be made")
            .file(folder.display().to_string())
            .next("check the folder's permissions, or name another folder with `--state-dir`")
            .because(&error)
    })?;
    match std::fs::metadata(&path) {
        Ok(found) if found.len() == 0 => {
            let empty = Failure::new(Reason::CorruptFile, "the journal is empty: the file was cut off");
            return Err(damaged(empty, &path));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => make(folder)?,
        Err(error) => return Err(cannot_open(&error, &path)),
    }
    // Every page's checksum is verified: a journal that was changed from outside is refused and not trusted.
    let database = opened(folder, &path, || Builder::new().set_check_integrity_on_open(true).open(&path))?;
    guarded(&path, || table::check_format(&database)).map_err(|failure| place(failure, &path))?;
    Ok(database)
}

/// Makes a new journal. Of two heads that do so at the same moment, one keeps what the other made.
fn make(folder: &Path) -> Result<(), Failure> {
    let (path, new) = (path(folder), folder.join(FILE_NAME_NEW));
    let database = opened(folder, &new, || Builder::new().create(&new))?;
    table::initialize(&database).map_err(|error| cannot_open(&error, &new))?;
    // Under the lock, so that nobody else makes one under that name. A link fails where the name is taken.
    match std::fs::hard_link(&new, &path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(cannot_open(&error, &path)),
        _ => {}
    }
    let tidy = std::fs::remove_file(&new).and_then(|()| File::open(folder)?.sync_all());
    tidy.map_err(|error| cannot_open(&error, &new))
}

fn opened(
    folder: &Path,
    path: &Path,
    open: impl FnOnce() -> Result<Database, DatabaseError>,
) -> Result<Database, Failure> {
    guarded(path, || {
        open().map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => {
                Failure::new(Reason::StateLocked, "the state folder is in use by another process")
                    .file(folder.display().to_string())
                    .next("wait until that process has ended, or name another folder with `--state-dir`")
            }
            DatabaseError::Storage(StorageError::Io(error)) if !is_damage(&error) => cannot_open(&error, path),
            DatabaseError::UpgradeRequired(_) | DatabaseError::LockProtocolMismatch => {
                Failure::new(Reason::IncompatibleVersion, "another version of the database wrote the journal")
                    .file(path.display().to_string())
                    .next("use the build that wrote it, or another `--state-dir`")
                    .because(&error)
            }
            error => damaged(Failure::new(Reason::CorruptFile, "the journal is damaged").because(&error), path),
        })
    })
}

/// What the database makes of bytes that it cannot have written.
fn is_damage(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput)
}

/// Turns a panic of the database, which takes its own files to be well, into a failure.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let mut failure = Failure::new(Reason::CorruptFile, "the journal is damaged");
        failure.causes.extend(said);
        Err(damaged(failure, path))
    })
}

/// Names the file, and says what to do where nothing better is said.
pub(super) fn place(failure: Failure, path: &Path) -> Failure {
    match failure.reason {
        Reason::NotLeading | Reason::Internal => failure,
        Reason::CorruptFile => damaged(failure, path),
        _ => failure.file(path.display().to_string()),
    }
}

fn damaged(failure: Failure, path: &Path) -> Failure {
    failure.file(path.display().to_string()).next(
        "restore the file from a backup, or move it away to start with an empty state: jobs that it held are then \
         unknown, tables that were published stay",
    )
}

fn cannot_open(error: &(dyn std::error::Error + 'static), path: &Path) -> Failure {
    Failure::new(Reason::Io, "the journal cannot be opened")
        .file(path.display().to_string())
        .next("check the disk and the folder's permissions, or name another folder with `--state-dir`")
        .because(error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(folder: &Path) -> Failure {
        open(folder).err().unwrap()
    }

    #[test]
    fn a_second_holder_is_told_whose_folder_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let _held = open(folder.path()).unwrap();
        let failure = refused(folder.path());
        assert_eq!(failure.reason, Reason::StateLocked);
        assert_eq!(failure.location.file.as_deref(), Some(folder.path().to_str().unwrap()));
    }

    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        table::write_format(&open(folder.path()).unwrap(), u64::MAX);
        let failure = refused(folder.path());
        assert_eq!(failure.reason, Reason::IncompatibleVersion);
        assert!(failure.location.file.is_some() && failure.next.is_some());
    }

    #[test]
    fn what_a_crash_left_of_a_new_file_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME_NEW), "").unwrap();
        drop(open(folder.path()).unwrap());
        assert!(!folder.path().join(FILE_NAME_NEW).exists());
        drop(open(folder.path()).unwrap());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // A file where a folder is expected, and a folder that takes no files from anybody.
        for folder in [file.path().join("state"), PathBuf::from("/proc/self")] {
            let failure = refused(&folder);
            assert_eq!(failure.reason, Reason::Io, "{failure:?}");
            let named = failure.location.file.unwrap();
            assert!(named.starts_with(folder.to_str().unwrap()), "{named}");
            assert!(failure.next.is_some() && !failure.causes.is_empty());
        }
    }

    #[test]
    fn what_is_no_journal_is_refused() {
        for content in ["", "{}", &"not a journal".repeat(10_000)] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(path(folder.path()), content).unwrap();
            let failure = refused(folder.path());
            assert_eq!(failure.reason, Reason::CorruptFile, "{failure:?}");
            assert!(failure.location.file.is_some() && failure.next.is_some());
            assert_eq!(std::fs::read_to_string(path(folder.path())).unwrap(), content, "the file is left as it was");
        }
    }
}
