//! Where a journal lies: what the suite needs beside the journal itself.

use async_trait::async_trait;
use etcd_client::Client;
use redb::{Database, TableDefinition};
use shoal_coordinator::{EtcdConfig, EtcdJournal, RedbJournal};
use shoal_core::JobUid;
use shoal_core::journal::{Journal, Leadership};
use shoal_testkit::Etcd;

/// A place for one journal, empty at first, gone with the test.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Of what kind.
    type Store: Journal + Leadership + 'static;

    fn new() -> Self;

    /// As a head opens it.
    async fn open(&self) -> Self::Store;

    /// Puts bytes where the next record of a job belongs, while no head has it open.
    async fn plant(&self, job: JobUid, number: u64, bytes: &[u8]);
}

/// A state folder.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

#[async_trait]
impl Place for Folder {
    type Store = RedbJournal;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> RedbJournal {
        RedbJournal::open(self.0.path()).await.unwrap()
    }

    async fn plant(&self, job: JobUid, number: u64, bytes: &[u8]) {
        const RECORDS: TableDefinition<'_, (u128, u64), &[u8]> = TableDefinition::new("records");
        drop(self.open().await);
        let database = Database::open(self.0.path().join("journal.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(RECORDS).unwrap().insert((job.0.as_u128(), number), bytes).unwrap();
        transaction.commit().unwrap();
    }
}

/// An etcd of one member.
pub(crate) struct OneEtcd(pub(crate) Etcd);

impl OneEtcd {
    pub(crate) fn config(&self) -> EtcdConfig {
        EtcdConfig::new(self.0.endpoints())
    }
}

#[async_trait]
impl Place for OneEtcd {
    type Store = EtcdJournal;

    fn new() -> Self {
        Self(Etcd::start(1))
    }

    async fn open(&self) -> EtcdJournal {
        EtcdJournal::connect(self.config()).await.unwrap()
    }

    async fn plant(&self, job: JobUid, number: u64, bytes: &[u8]) {
        let key = format!("/shoal/records/{}/{:016x}-{number:016x}-0000-0001", job.0.simple(), 0);
        let mut client = Client::connect(self.0.endpoints(), None).await.unwrap();
        client.put(key, bytes, None).await.unwrap();
    }
}
