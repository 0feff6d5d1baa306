//! The journal in one file: redb, which is locked by one process and syncs every commit to disk.
//!
//! Whoever holds the lock leads; the epoch is a counter in the file.

mod file;
mod table;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::redb::Database;
use async_trait::async_trait;
use shoal_core::history::JobHistory;
use shoal_core::journal::{Journal, Leadership, Record, StoredRecord};
use shoal_core::{Failure, JobUid, Reason};

use super::Epochs;
use super::term::{Term, not_leading};

/// A journal in a file of a state folder, held by this process alone.
pub struct RedbJournal {
    folder: PathBuf,
    /// None after a write failed: what the file holds is found out by opening it again.
    database: Mutex<Option<Arc<Database>>>,
    term: Term,
}

impl RedbJournal {
    /// Opens the journal of a state folder, making both where they are not there.
    ///
    /// # Errors
    /// [`shoal_core::Reason::StateLocked`] where another process holds it; [`shoal_core::Reason::IncompatibleVersion`]
    /// where a newer build wrote it; [`shoal_core::Reason::CorruptFile`] where it is damaged; [`shoal_core::Reason::Io`].
    pub async fn open(folder: &Path) -> Result<Self, Failure> {
        let this = Self { folder: folder.to_owned(), database: Mutex::default(), term: Term::standby() };
        this.database().await?;
        Ok(this)
    }

    /// As [`RedbJournal::open`], of a folder that has one.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] where it has none.
    pub(crate) async fn open_existing(folder: &Path) -> Result<Self, Failure> {
        if file::path(folder).exists() {
            return Self::open(folder).await;
        }
        Err(Failure::new(Reason::InvalidValue, "no head has kept its state in this folder")
            .file(folder.display().to_string())
            .next("name the folder that the head was started with: `--state-dir DIR`"))
    }

    /// The open file; opened again where a write had failed.
    async fn database(&self) -> Result<Arc<Database>, Failure> {
        if let Some(database) = &*self.held() {
            return Ok(database.clone());
        }
        let folder = self.folder.clone();
        let database = Arc::new(blocking(move || file::open(&folder)).await?);
        Ok(self.held().get_or_insert(database).clone())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Arc<Database>>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn with_database<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (database, path) = (self.database().await?, file::path(&self.folder));
        blocking(move || file::guarded(&path, || work(&database)).map_err(|failure| file::place(failure, &path))).await
    }
}

#[async_trait]
impl Journal for RedbJournal {
    async fn load(&self) -> Result<Vec<Record>, Failure> {
        self.with_database(table::load_all).await
    }

    async fn load_job(&self, job: JobUid) -> Result<Vec<Record>, Failure> {
        self.with_database(move |database| table::load_job(database, job)).await
    }

    async fn load_history(&self, job: JobUid) -> Result<Option<JobHistory>, Failure> {
        self.with_database(move |database| table::load_history(database, job)).await
    }

    async fn scan(&self) -> Result<Vec<StoredRecord>, Failure> {
        self.with_database(table::scan).await
    }

    async fn append(&self, epoch: u64, records: Vec<Record>) -> Result<(), Failure> {
        self.term.check(epoch)?;
        let appended = self.with_database(move |database| table::append(database, epoch, &records)).await;
        if let Err(failure) = &appended {
            *self.held() = None;
            self.term.lose(epoch, failure.clone());
        }
        appended
    }
}

#[async_trait]
impl Leadership for RedbJournal {
    async fn campaign(&self) -> Result<u64, Failure> {
        let epoch = self.with_database(table::take_epoch).await?;
        self.term.won(epoch);
        Ok(epoch)
    }

    async fn lost(&self) -> Failure {
        self.term.lost().await
    }

    async fn resign(&self) {
        if let Some(epoch) = self.term.epoch() {
            self.term.lose(epoch, not_leading("this head has resigned"));
        }
        // Gives the lock up as soon as nothing is read or written any more.
        *self.held() = None;
    }

    async fn leader(&self) -> Option<String> {
        None
    }
}

#[async_trait]
impl Epochs for RedbJournal {
    async fn highest(&self) -> Result<u64, Failure> {
        self.with_database(table::epoch).await
    }

    async fn raise(&self, epoch: u64, floor: u64) -> Result<(), Failure> {
        self.term.check(epoch)?;
        self.with_database(move |database| table::raise_epoch(database, epoch, floor)).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::internal("a journal thread panicked").because(&error))?
}
