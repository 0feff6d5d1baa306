//! The journal in one file: redb, which is locked by one process and syncs every commit to disk.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use shoal_core::journal::{self, Journal, Record, Retention};
use shoal_core::{Failure, JobUid, Reason};

/// Records of a job in the order of their numbers; the number counts all appends of this file.
const RECORDS: TableDefinition<'_, (u128, u64), &[u8]> = TableDefinition::new("records");

/// What the file says of itself.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Version of the record format that this build writes.
const FORMAT: u64 = 1;

/// Name of the file in the state folder.
const FILE_NAME: &str = "journal.redb";

/// A journal in a file of a state folder, held by this process alone.
pub struct RedbJournal {
    database: Arc<Database>,
    epoch: u64,
}

impl RedbJournal {
    /// Opens the journal of a state folder, making both where they are not there, and takes the next epoch.
    ///
    /// # Errors
    /// [`Reason::StateLocked`] where another process holds it; [`Reason::IncompatibleVersion`] where a newer build wrote
    /// it; [`Reason::Io`].
    pub async fn open(folder: &Path) -> Result<Self, Failure> {
        let folder = folder.to_owned();
        blocking(move || open(&folder)).await
    }

    /// How often the journal has been opened: higher for every head that leads after another.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

fn open(folder: &Path) -> Result<RedbJournal, Failure> {
    let path = folder.join(FILE_NAME);
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::new(Reason::Io, "the state folder cannot be made").file(folder.display().to_string()).because(&error)
    })?;
    let database = Database::create(&path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => {
            Failure::new(Reason::StateLocked, "the state folder is in use by another process")
                .file(folder.display().to_string())
                .next("wait until that process has ended, or name another folder with `--state-dir`")
        }
        error => storage_failure(&path, &error),
    })?;
    let epoch = take_epoch(&database, &path)?;
    Ok(RedbJournal { database: Arc::new(database), epoch })
}

fn take_epoch(database: &Database, path: &Path) -> Result<u64, Failure> {
    let failed = |error: redb::Error| storage_failure(path, &error);
    let transaction = database.begin_write().map_err(|error| failed(error.into()))?;
    let epoch = {
        let mut meta = transaction.open_table(META).map_err(|error| failed(error.into()))?;
        let format = meta.get("format").map_err(|error| failed(error.into()))?.map_or(FORMAT, |value| value.value());
        if format > FORMAT {
            return Err(Failure::new(
                Reason::IncompatibleVersion,
                format!("the journal has format {format}; this build reads up to {FORMAT}"),
            )
            .file(path.display().to_string())
            .next("use the newer build that wrote it, or another `--state-dir`"));
        }
        let epoch = meta.get("epoch").map_err(|error| failed(error.into()))?.map_or(0, |value| value.value()) + 1;
        meta.insert("format", FORMAT).map_err(|error| failed(error.into()))?;
        meta.insert("epoch", epoch).map_err(|error| failed(error.into()))?;
        transaction.open_table(RECORDS).map_err(|error| failed(error.into()))?;
        epoch
    };
    transaction.commit().map_err(|error| failed(error.into()))?;
    Ok(epoch)
}

#[async_trait]
impl Journal for RedbJournal {
    async fn load(&self) -> Result<Vec<Record>, Failure> {
        let database = self.database.clone();
        blocking(move || load(&database, (u128::MIN, u64::MIN)..=(u128::MAX, u64::MAX))).await
    }

    async fn load_job(&self, job: JobUid) -> Result<Vec<Record>, Failure> {
        let database = self.database.clone();
        let job = job.0.as_u128();
        blocking(move || load(&database, (job, u64::MIN)..=(job, u64::MAX))).await
    }

    async fn append(&self, _epoch: u64, records: Vec<Record>) -> Result<(), Failure> {
        let database = self.database.clone();
        blocking(move || {
            append(&database, &records)
                .map_err(|error| Failure::new(Reason::Io, "the journal cannot be written").because(&error))
        })
        .await
    }
}

fn load(database: &Database, keys: RangeInclusive<(u128, u64)>) -> Result<Vec<Record>, Failure> {
    let unreadable = |error: redb::Error| Failure::new(Reason::Io, "the journal cannot be read").because(&error);
    let transaction = database.begin_read().map_err(|error| unreadable(error.into()))?;
    let table = transaction.open_table(RECORDS).map_err(|error| unreadable(error.into()))?;
    let mut records = Vec::new();
    for entry in table.range(keys).map_err(|error| unreadable(error.into()))? {
        let (_, value) = entry.map_err(|error| unreadable(error.into()))?;
        records.push(journal::decode(value.value())?);
    }
    Ok(records)
}

fn append(database: &Database, records: &[Record]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        let mut next = meta.get("next")?.map_or(0, |value| value.value());
        let mut table = transaction.open_table(RECORDS)?;
        for record in records {
            let job = record.job().0.as_u128();
            let bytes = journal::encode(record).map_err(std::io::Error::other)?;
            match record.retention() {
                Retention::None => {
                    table.retain_in((job, 0)..=(job, u64::MAX), |_, _| false)?;
                    continue;
                }
                Retention::First => {
                    let first =
                        table.range((job, 0)..=(job, u64::MAX))?.next().transpose()?.map(|(key, _)| key.value());
                    table.retain_in((job, 0)..=(job, u64::MAX), |key, _| Some(key) == first)?;
                }
                Retention::All => {}
            }
            table.insert((job, next), bytes.as_slice())?;
            next += 1;
        }
        meta.insert("next", next)?;
    }
    transaction.commit()?;
    Ok(())
}

fn storage_failure(path: &Path, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Reason::Io, "the journal cannot be opened")
        .file(path.display().to_string())
        .next("check the disk and the folder's permissions, or name another folder with `--state-dir`")
        .because(error)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::internal("a journal thread panicked").because(&error))?
}

/// Where a state folder's journal lies, for messages.
pub(crate) fn journal_path(folder: &Path) -> PathBuf {
    folder.join(FILE_NAME)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::id::{AttemptId, JobUid, TaskId, WorkerId};

    use super::*;

    fn started(job: u128, number: u32) -> Record {
        let task = TaskId { job: JobUid(uuid::Uuid::from_u128(job)), stage: 0, index: 0 };
        Record::AttemptStarted {
            attempt: AttemptId { task, number },
            worker: WorkerId("w".into()),
            instance: "1".into(),
            queued_ms: 0,
            at_ms: 0,
        }
    }

    #[tokio::test]
    async fn records_survive_in_order_and_the_epoch_rises() {
        let folder = tempfile::tempdir().unwrap();
        let journal = RedbJournal::open(folder.path()).await.unwrap();
        assert_eq!(journal.epoch(), 1);
        journal.append(1, vec![started(1, 1), started(1, 2)]).await.unwrap();
        journal.append(1, vec![started(1, 3)]).await.unwrap();
        drop(journal);
        let journal = RedbJournal::open(folder.path()).await.unwrap();
        assert_eq!(journal.epoch(), 2);
        assert_eq!(journal.load().await.unwrap(), vec![started(1, 1), started(1, 2), started(1, 3)]);
    }

    #[tokio::test]
    async fn a_second_holder_is_told_whose_folder_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let _held = RedbJournal::open(folder.path()).await.unwrap();
        let failure = RedbJournal::open(folder.path()).await.err().unwrap();
        assert_eq!(failure.reason, Reason::StateLocked);
        assert_eq!(failure.location.file.as_deref(), Some(folder.path().to_str().unwrap()));
    }

    #[tokio::test]
    async fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let journal = RedbJournal::open(folder.path()).await.unwrap();
        let transaction = journal.database.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert("format", FORMAT + 1).unwrap();
        transaction.commit().unwrap();
        drop(journal);
        let failure = RedbJournal::open(folder.path()).await.err().unwrap();
        assert_eq!(failure.reason, Reason::IncompatibleVersion);
    }

    #[tokio::test]
    async fn a_forgotten_job_leaves_nothing_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let journal = RedbJournal::open(folder.path()).await.unwrap();
        journal.append(1, vec![started(1, 1), started(2, 1)]).await.unwrap();
        journal.append(1, vec![Record::Forgotten { job: JobUid(uuid::Uuid::from_u128(1)) }]).await.unwrap();
        assert_eq!(journal.load().await.unwrap(), vec![started(2, 1)]);
    }
}
