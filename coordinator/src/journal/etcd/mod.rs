//! The journal in etcd: one of several heads leads, and only that one can write.
//!
//! Every write is a transaction that compares the revision at which the leader's key was made with the writer's epoch. So
//! a head that was paused, or cut off, writes nothing once another leads, whatever it believes itself.

mod config;
mod election;
mod epochs;
mod identity;
mod keeper;
mod keys;
mod patience;
mod plan;
mod read;
mod session;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{Client, Compare, CompareOp, DeleteOptions, Error, GetOptions, Txn, TxnOp};
use shoal_core::history::JobHistory;
use shoal_core::journal::{Journal, Leadership, Record, StoredRecord};
use shoal_core::{Failure, JobUid};
use tokio::sync::Mutex;

pub use self::config::{EtcdConfig, EtcdTls, EtcdUser, PREFIX_DEFAULT};
use self::election::Election;
use self::keys::{Place, end_of};
use self::plan::Transaction;
use self::session::{ANSWER_MAX, Missing, PAUSE, Session, Trouble};
use super::term::not_leading;

/// How long etcd waits for a silent head. Another one then leads within seconds; a shorter time would let a busy machine
/// lose the lead.
const LEASE_TTL: Duration = Duration::from_secs(3);

/// A journal and an election in etcd.
pub struct EtcdJournal {
    session: Arc<Session>,
    election: Election,
    /// Where the next record goes. Held while records are appended, so that they keep their order.
    next: Mutex<Place>,
}

impl EtcdJournal {
    /// Connects to an etcd. This head does not lead yet.
    ///
    /// # Errors
    /// [`shoal_core::Reason::Io`] where no member answers, and those of [`EtcdJournal::await_etcd`].
    pub async fn connect(config: EtcdConfig) -> Result<Self, Failure> {
        let (this, silent) = Self::open(config, Missing::Begin).await?;
        silent.map_or(Ok(this), Err)
    }

    /// As [`EtcdJournal::connect`], but an etcd that does not answer is waited for: by a campaign, which says so.
    ///
    /// # Errors
    /// [`shoal_core::Reason::Unauthorized`] where it refuses the user, or one side the other's certificate;
    /// [`shoal_core::Reason::NotPossible`] where members belong to different etcds, or the state to another cluster;
    /// [`shoal_core::Reason::IncompatibleVersion`] where a newer build wrote it;
    /// [`shoal_core::Reason::InvalidValue`] for a configuration that cannot work.
    pub async fn await_etcd(config: EtcdConfig) -> Result<Self, Failure> {
        Ok(Self::open(config, Missing::Begin).await?.0)
    }

    /// As [`EtcdJournal::connect`], to a state that is there.
    ///
    /// # Errors
    /// [`shoal_core::Reason::InvalidValue`] where none is.
    pub(crate) async fn connect_existing(config: EtcdConfig) -> Result<Self, Failure> {
        let (this, silent) = Self::open(config, Missing::Refuse).await?;
        silent.map_or(Ok(this), Err)
    }

    async fn open(config: EtcdConfig, missing: Missing) -> Result<(Self, Option<Failure>), Failure> {
        let (session, silent) = Session::open(config, missing).await?;
        let session = Arc::new(session);
        let election = Election::new(session.clone());
        Ok((Self { session, election, next: Mutex::new(Place { epoch: 0, number: 0 }) }, silent))
    }

    /// Where the first record of each job is stored that is cut down to it.
    async fn firsts(&self, epoch: u64, records: &[Record]) -> Result<BTreeMap<JobUid, String>, Failure> {
        let mut firsts = BTreeMap::new();
        for job in plan::jobs_cut_to_first(records) {
            let prefix = self.session.keys.job(job);
            let options = GetOptions::new().with_range(end_of(&prefix)).with_limit(1).with_keys_only();
            let found = self
                .persist(epoch, |mut client| {
                    let (prefix, options) = (prefix.clone(), options.clone());
                    async move { client.get(prefix, Some(options)).await }
                })
                .await?;
            let key = found.kvs().first().and_then(|entry| entry.key_str().ok());
            firsts.extend(key.and_then(keys::parse_part).map(|part| (job, part.record)));
        }
        Ok(firsts)
    }

    async fn commit(&self, epoch: u64, transaction: Transaction) -> Result<(), Failure> {
        let Transaction { puts, deletes, .. } = transaction;
        let deletes =
            deletes.into_iter().map(|(from, to)| TxnOp::delete(from, Some(DeleteOptions::new().with_range(to))));
        let puts = puts.into_iter().map(|(key, value)| TxnOp::put(key, value, None));
        self.leading(epoch, deletes.chain(puts).collect()).await
    }

    /// Carries operations out, all of them, if this head leads under that epoch.
    async fn leading(&self, epoch: u64, operations: Vec<TxnOp>) -> Result<(), Failure> {
        let expected = self.session.revision_of(epoch);
        let transaction = Txn::new()
            .when([Compare::create_revision(self.session.keys.leader(), CompareOp::Equal, expected)])
            .and_then(operations);
        let ask = |mut client: Client| {
            let transaction = transaction.clone();
            async move { client.txn(transaction).await }
        };
        let answer = self.persist(epoch, ask).await?;
        if answer.succeeded() {
            return Ok(());
        }
        let failure = not_leading(format!("another head has led since epoch {epoch} was won"));
        self.election.term.lose(epoch, failure.clone());
        Err(failure)
    }

    /// Asks until there is an answer or this head leads no more. Only for what changes nothing the second time.
    async fn persist<T, F: Future<Output = Result<T, Error>>>(
        &self,
        epoch: u64,
        ask: impl Fn(Client) -> F,
    ) -> Result<T, Failure> {
        let asking = async {
            loop {
                match self.session.once(ANSWER_MAX, &ask).await {
                    Ok(answer) => return Ok(answer),
                    Err(Trouble::Passing(failure)) => {
                        tracing::debug!(%failure, causes = ?failure.causes, "a request to etcd is repeated");
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(trouble) => return Err(self.session.failure(trouble)),
                }
            }
        };
        tokio::select! {
            answer = asking => answer,
            failure = self.election.term.over(epoch) => Err(failure),
        }
    }
}

#[async_trait]
impl Journal for EtcdJournal {
    async fn load(&self) -> Result<Vec<Record>, Failure> {
        read::read(&self.session, &self.session.keys.records()).await
    }

    async fn load_job(&self, job: JobUid) -> Result<Vec<Record>, Failure> {
        read::read(&self.session, &self.session.keys.job(job)).await
    }

    async fn load_history(&self, job: JobUid) -> Result<Option<JobHistory>, Failure> {
        read::read_apart(&self.session, job).await
    }

    async fn scan(&self) -> Result<Vec<StoredRecord>, Failure> {
        read::scan(&self.session).await
    }

    async fn append(&self, epoch: u64, records: Vec<Record>) -> Result<(), Failure> {
        self.election.term.check(epoch)?;
        let mut next = self.next.lock().await;
        if next.epoch != epoch {
            *next = Place { epoch, number: 0 };
        }
        let start = *next;
        // Taken before anything is written: a number is never used for two records.
        next.number += records.len() as u64;
        let firsts = self.firsts(epoch, &records).await?;
        for transaction in plan::plan(&self.session.keys, start, &records, firsts)? {
            self.commit(epoch, transaction).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Leadership for EtcdJournal {
    async fn campaign(&self) -> Result<u64, Failure> {
        self.election.campaign().await
    }

    async fn lost(&self) -> Failure {
        self.election.term.lost().await
    }

    async fn resign(&self) {
        self.election.resign().await;
    }

    async fn leader(&self) -> Option<String> {
        self.election.leader()
    }

    fn waits_for(&self) -> Option<Failure> {
        self.election.waits_for()
    }
}
