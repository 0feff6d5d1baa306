//! Who leads: whoever made the leader's key and keeps its lease alive.
//!
//! ```text
//!   campaign: wait until the key is gone -> new lease -> make the key under it -> lead
//!   leading:  keep the lease alive, watch the key; whichever fails ends the term
//! ```
//!
//! The epoch is the revision at which the key was made, and what a state that came from elsewhere adds to it: higher for
//! each term than for all before it, and gone for ever with the key. So a term is never taken up again, not by the same head either: what it sent late finds another epoch.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use etcd_client::{
    Client, Compare, CompareOp, EventType, GetOptions, GetResponse, KeyValue, PutOptions, Txn, TxnOp, TxnOpResponse,
    WatchOptions,
};
use serde::{Deserialize, Serialize};
use shoal_core::Failure;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::patience::Patience;
use super::session::{ANSWER_MAX, PAUSE, Session, Trouble};
use super::{identity, keeper};
use crate::journal::term::{Term, not_leading};

/// How often the key is looked at although a watch would tell: a watch may hang without a word.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What the leader's key holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Leader {
    /// Which term of which process.
    candidate: uuid::Uuid,
    /// Where its REST interface is, if it says so.
    address: Option<String>,
}

/// The part of a head in the election.
pub(super) struct Election {
    session: Arc<Session>,
    pub(super) term: Arc<Term>,
    /// The lease and what keeps it, while this head leads.
    holding: Mutex<Option<Holding>>,
    /// The address of the head that leads, as last seen.
    leader: Mutex<Option<String>>,
    /// What keeps the present campaign from asking etcd.
    waits_for: Mutex<Option<Failure>>,
}

struct Holding {
    lease: i64,
    keeper: JoinHandle<()>,
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// What one look at the key came to.
enum Look {
    Won { epoch: u64, lease: i64, confirmed: Instant },
    Held { revision: i64 },
}

fn lock<T>(place: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Election {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            term: Arc::new(Term::standby()),
            holding: Mutex::default(),
            leader: Mutex::default(),
            waits_for: Mutex::default(),
        }
    }

    pub(super) async fn campaign(&self) -> Result<u64, Failure> {
        self.resign().await;
        let candidate = uuid::Uuid::now_v7();
        let mut patience = Patience::default();
        loop {
            let look = self.look(candidate).await;
            *lock(&self.waits_for) = match &look {
                Err(Trouble::Passing(failure)) => Some(failure.clone()),
                _ => None,
            };
            match look {
                Ok(Look::Won { epoch, lease, confirmed }) => {
                    *lock(&self.leader) = None;
                    self.term.won(epoch);
                    let keeper = keeper::keep(self.session.clone(), self.term.clone(), epoch, lease, confirmed);
                    *lock(&self.holding) = Some(Holding { lease, keeper: tokio::spawn(keeper) });
                    return Ok(epoch);
                }
                Ok(Look::Held { revision }) => {
                    patience = Patience::default();
                    until_changed(&self.session, revision).await;
                }
                Err(Trouble::Passing(failure)) => {
                    if patience.complains(Instant::now()) {
                        tracing::warn!(%failure, causes = ?failure.causes, "this head waits for etcd");
                    }
                    tokio::time::sleep(patience.pause()).await;
                }
                Err(trouble) => return Err(self.session.failure(trouble)),
            }
        }
    }

    async fn look(&self, candidate: uuid::Uuid) -> Result<Look, Trouble> {
        let key = self.session.keys.leader();
        let found = get(&self.session, GetOptions::new()).await?;
        if let Some(held) = found.kvs().first() {
            return self.held(candidate, held, found.header().map_or(0, |header| header.revision())).await;
        }
        let ttl = i64::try_from(self.session.config.lease_ttl.as_secs()).unwrap_or(i64::MAX).max(1);
        // Counted from before it was asked for: etcd lets it run out later than this head thinks, never earlier.
        let confirmed = Instant::now();
        let grant = |mut client: Client| async move { client.lease_grant(ttl, None).await };
        let lease = self.session.once(ANSWER_MAX, grant).await?.id();
        let leader = Leader { candidate, address: self.session.config.advertise.clone() };
        let value = serde_json::to_vec(&leader).map_err(|error| {
            Trouble::Unusable(Failure::internal("an address cannot be written as JSON").because(&error))
        })?;
        let identity = self.session.keys.identity();
        let create = Txn::new()
            .when([
                Compare::create_revision(key.clone(), CompareOp::Equal, 0),
                // Nobody leads without a state: it may have been deleted below a head that runs.
                Compare::create_revision(identity.clone(), CompareOp::Greater, 0),
            ])
            .and_then([
                TxnOp::put(key.clone(), value, Some(PutOptions::new().with_lease(lease))),
                TxnOp::get(identity.clone(), None),
            ])
            .or_else([TxnOp::get(key, None), TxnOp::get(identity, None)]);
        let created = self.session.once(ANSWER_MAX, |mut client| async move { client.txn(create).await }).await?;
        let revision = created.header().map_or(0, |header| header.revision());
        let responses = created.op_responses();
        let got = |index: usize| match responses.get(index) {
            Some(TxnOpResponse::Get(got)) => got.kvs().first(),
            _ => None,
        };
        let Some(identity) = got(1) else {
            self.revoke(lease).await;
            return Err(Trouble::Unusable(identity::missing(&self.session, &self.session.place())));
        };
        if created.succeeded() {
            let base = identity::epoch_base(&self.session.place(), identity.value()).map_err(Trouble::Unusable)?;
            // Only the head that leads changes it.
            self.session.epoch_base.store(base, Ordering::Release);
            return Ok(Look::Won { epoch: self.session.epoch_of(revision), lease, confirmed });
        }
        self.revoke(lease).await;
        match got(0) {
            Some(leader) => self.held(candidate, leader, revision).await,
            None => Ok(Look::Held { revision }),
        }
    }

    /// Another head leads. Or it is this one, and the answer to what made the key was lost: then it is given up, since
    /// nobody knows how long its lease still lasts.
    async fn held(&self, candidate: uuid::Uuid, key: &KeyValue, revision: i64) -> Result<Look, Trouble> {
        let leader: Option<Leader> = serde_json::from_slice(key.value()).ok();
        if leader.as_ref().is_some_and(|leader| leader.candidate == candidate) {
            self.revoke(key.lease()).await;
        }
        *lock(&self.leader) = leader.and_then(|leader| leader.address);
        Ok(Look::Held { revision })
    }

    /// Gives the lead up, where this head has it.
    pub(super) async fn resign(&self) {
        if let Some(epoch) = self.term.epoch() {
            self.term.lose(epoch, not_leading("this head has resigned"));
        }
        let held = lock(&self.holding).take();
        if let Some(holding) = held {
            holding.keeper.abort();
            self.revoke(holding.lease).await;
        }
    }

    /// Lets a lease go, and what hangs on it. Where that fails it runs out by itself.
    async fn revoke(&self, lease: i64) {
        let revoke = |mut client: Client| async move { client.lease_revoke(lease).await };
        let _ = self.session.once(ANSWER_MAX, revoke).await;
    }

    /// Where the head that leads is, where it is another one.
    pub(super) fn leader(&self) -> Option<String> {
        lock(&self.leader).clone()
    }

    /// What keeps the present campaign from asking etcd; none where it asks, and waits for another head.
    pub(super) fn waits_for(&self) -> Option<Failure> {
        lock(&self.waits_for).clone()
    }
}

/// Waits until the leader's key changes after a revision, or for as long as nobody should rely on a watch.
pub(super) async fn until_changed(session: &Session, revision: i64) {
    let watching = async {
        let (client, _, number) = session.client().await?;
        let options = WatchOptions::new().with_start_revision(revision + 1);
        let watch = async {
            let mut stream = client.watch_client().watch(session.keys.leader(), Some(options)).await?;
            while let Some(answer) = stream.message().await? {
                // Cancelled where the revision was compacted: whoever waits looks at the key anew.
                let is_gone = answer.events().iter().any(|event| event.event_type() == EventType::Delete);
                if is_gone || answer.canceled() {
                    break;
                }
            }
            Ok::<(), etcd_client::Error>(())
        };
        if watch.await.is_err() {
            session.leave(number).await;
            tokio::time::sleep(PAUSE).await;
        }
        Ok::<(), Trouble>(())
    };
    if let Ok(Err(_)) = timeout(LOOK_AGAIN, watching).await {
        tokio::time::sleep(PAUSE).await;
    }
}

/// The epoch of the leader's key, and the revision of the answer; none where there is no key.
pub(super) async fn present(session: &Session) -> Result<(Option<u64>, i64), Trouble> {
    let found = get(session, GetOptions::new().with_keys_only()).await?;
    let made = found.kvs().first().map(|key| session.epoch_of(key.create_revision()));
    Ok((made, found.header().map_or(0, |header| header.revision())))
}

async fn get(session: &Session, options: GetOptions) -> Result<GetResponse, Trouble> {
    let key = session.keys.leader();
    session.once(ANSWER_MAX, |mut client| async move { client.get(key, Some(options)).await }).await
}
