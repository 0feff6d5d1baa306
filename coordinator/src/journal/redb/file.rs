//! The file: made once, locked while it is open, looked over before it is trusted.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError, StorageError};
use shoal_core::{Failure, Reason};
use uuid::Uuid;

use super::table;

/// Name of the file in the state folder.
const FILE_NAME: &str = "journal.redb";

/// What names begin with under which new files are made: one gets its own once it holds all that it begins with, so that
/// an empty journal is never taken for a new one.
const FILE_NAME_NEW: &str = "journal.redb.new";

/// Where a state folder's journal lies.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE_NAME)
}

/// Opens the journal of a state folder, making both where they are not there.
pub(super) fn open(folder: &Path) -> Result<Database, Failure> {
    let path = path(folder);
    std::fs::create_dir_all(folder).map_err(|error| {
        let mut failure = cannot_open(&error, folder);
        failure.message = "the state folder cannot be made".to_owned();
        failure
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
    // A name of its own: what a crash or a full disk left half made is no file that can be opened.
    let new = folder.join(format!("{FILE_NAME_NEW}-{}", Uuid::now_v7().simple()));
    if let Err(failure) = make_as(folder, &new) {
        let _ = std::fs::remove_file(&new);
        return Err(failure);
    }
    tidy(folder).and_then(|()| File::open(folder)?.sync_all()).map_err(|error| cannot_open(&error, &new))
}

fn make_as(folder: &Path, new: &Path) -> Result<(), Failure> {
    let database = opened(folder, new, || Builder::new().create(new))?;
    guarded(new, || table::initialize(&database)).map_err(|failure| place(failure, new))?;
    drop(database);
    let path = path(folder);
    match std::fs::hard_link(new, &path) {
        // A link fails where the name is taken; then another head was first, and may have tidied up already.
        Err(error) if !path.exists() => Err(cannot_open(&error, &path)),
        _ => Ok(()),
    }
}

/// Removes what was to become a journal, now that there is one.
fn tidy(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(FILE_NAME_NEW) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
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

/// Whether there is no room: of the disk, of a quota, or of what this process may write.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// What to do where there is none. Heads try again by themselves.
pub(super) const FULL_NEXT: &str =
    "make room on the disk below the state folder, or raise its quota; the head tries again";

/// Turns a panic of the database, which takes its own files to be well, into a failure.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let failure = Failure::new(Reason::CorruptFile, "the journal is damaged");
        Err(damaged(failure.because_of_panic(panic.as_ref()), path))
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

fn cannot_open(error: &io::Error, path: &Path) -> Failure {
    let (reason, what, next) = if is_full(error) {
        (Reason::ResourcesExhausted, "the journal cannot be opened: the disk is full", FULL_NEXT)
    } else {
        let next = "check the disk and the folder's permissions, or name another folder with `--state-dir`";
        (Reason::Io, "the journal cannot be opened", next)
    };
    Failure::new(reason, what).file(path.display().to_string()).next(next).because(error)
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
        // Nothing, what an older build called it, room for pages, and some of them.
        for (name, left) in [("", 0), ("", 1 << 20), ("-1", 0), ("-2", 1 << 20)] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(format!("{FILE_NAME_NEW}{name}")), vec![0; left]).unwrap();
            drop(open(folder.path()).unwrap());
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the journal is there");
            drop(open(folder.path()).unwrap());
        }
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
