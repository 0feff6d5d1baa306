//! The connection: to one member at a time, to the next one where that has trouble.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use etcd_client::{Client, Error};
use shoal_core::Failure;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::config::EtcdConfig;
use super::identity;
use super::keys::Keys;
use super::trouble;

/// How long a member may take to answer. It syncs its disk before; one that is cut off or paused never answers.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(3);

/// How long a member may take to send a page of records.
const PAGE_MAX: Duration = Duration::from_secs(20);

/// How long reading is tried: an etcd that elects its leader, or whose only member restarts, takes seconds.
const READ_PATIENCE: Duration = Duration::from_secs(30);

/// Pause before the next try.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// What keeps a request from being answered.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may pass: nobody knows whether the request was carried out.
    Passing(Failure),
    /// etcd refused the request.
    Refused(Error),
    /// Nothing can be asked of this etcd.
    Unusable(Failure),
}

/// The connection of one head.
pub(super) struct Session {
    pub(super) config: EtcdConfig,
    pub(super) keys: Keys,
    connection: Mutex<Connection>,
    /// Id of the etcd cluster: another one has another history.
    pub(super) cluster: OnceLock<u64>,
    /// What is done where there is no state.
    missing: Missing,
    /// Whether the state was seen: it does not go away by itself.
    pub(super) is_known: AtomicBool,
    /// How much higher than etcd's revisions epochs are, as of when this head last won.
    pub(super) epoch_base: AtomicU64,
}

/// What is done where there is no state at the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// One is begun, as a new head does.
    Begin,
    /// That is told, as to whoever only looks.
    Refuse,
}

#[derive(Default)]
struct Connection {
    member: usize,
    client: Option<Client>,
    /// Counts connections, so that one is given up once.
    number: u64,
}

impl Session {
    /// Looks at every member: all that answer must belong to the same etcd. Where none does, what was asked last is said
    /// with the session, which finds them once they do.
    ///
    /// # Errors
    /// What keeps them from being used, whenever it is tried.
    pub(super) async fn open(config: EtcdConfig, missing: Missing) -> Result<(Self, Option<Failure>), Failure> {
        config.check()?;
        let keys = Keys::new(&config.prefix);
        let this = Self {
            config,
            keys,
            connection: Mutex::default(),
            cluster: OnceLock::new(),
            missing,
            is_known: AtomicBool::new(false),
            epoch_base: AtomicU64::new(0),
        };
        let mut silent = None;
        for member in 0..this.config.endpoints.len() {
            match this.connect(member).await {
                Ok(client) => {
                    let mut connection = this.connection.lock().await;
                    if connection.client.is_none() {
                        (connection.member, connection.client) = (member, Some(client));
                    }
                }
                Err(Trouble::Passing(failure)) => silent = Some(failure),
                Err(trouble) => return Err(this.failure(trouble)),
            }
        }
        let is_connected = this.connection.lock().await.client.is_some();
        match silent {
            Some(failure) if !is_connected => Ok((this, Some(failure))),
            Some(failure) => {
                tracing::warn!(%failure, causes = ?failure.causes, "a member of etcd does not answer");
                Ok((this, None))
            }
            None => Ok((this, None)),
        }
    }

    /// Whether a state may be begun: only where none was seen.
    pub(super) fn may_begin(&self) -> bool {
        self.missing == Missing::Begin && !self.is_known.load(Ordering::Relaxed)
    }

    /// The epoch of whoever made the leader's key at that revision.
    pub(super) fn epoch_of(&self, revision: i64) -> u64 {
        self.epoch_base.load(Ordering::Acquire).saturating_add(u64::try_from(revision).unwrap_or_default())
    }

    /// The revision at which the leader's key was made where that epoch is the present one.
    pub(super) fn revision_of(&self, epoch: u64) -> i64 {
        let revision = epoch.checked_sub(self.epoch_base.load(Ordering::Acquire));
        // Of an epoch below the base no key can be: nothing is made at a negative revision.
        revision.and_then(|revision| i64::try_from(revision).ok()).unwrap_or(-1)
    }

    /// What messages call it.
    pub(super) fn place(&self) -> String {
        self.config.place()
    }

    /// Asks once.
    pub(super) async fn once<T, F: Future<Output = Result<T, Error>>>(
        &self,
        limit: Duration,
        ask: impl FnOnce(Client) -> F,
    ) -> Result<T, Trouble> {
        let (client, url, number) = self.client().await?;
        let trouble = match timeout(limit, ask(client)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if !trouble::is_passing(&error) => return Err(Trouble::Refused(error)),
            Ok(Err(error)) => Trouble::Passing(trouble::passing(&url, &error)),
            Err(_) => Trouble::Passing(trouble::silent(&url)),
        };
        self.leave(number).await;
        Err(trouble)
    }

    /// Asks until there is an answer: for what may be asked twice.
    pub(super) async fn retry<T, F: Future<Output = Result<T, Error>>>(
        &self,
        ask: impl Fn(Client) -> F,
    ) -> Result<T, Trouble> {
        let since = Instant::now();
        loop {
            match self.once(PAGE_MAX, &ask).await {
                Err(Trouble::Passing(_)) if since.elapsed() < READ_PATIENCE => tokio::time::sleep(PAUSE).await,
                answer => return answer,
            }
        }
    }

    /// A client for streams, with what it is left by.
    pub(super) async fn client(&self) -> Result<(Client, String, u64), Trouble> {
        let mut connection = self.connection.lock().await;
        let member = connection.member;
        if connection.client.is_none() {
            match self.connect(member).await {
                Ok(client) => connection.client = Some(client),
                Err(trouble) => {
                    connection.member = (member + 1) % self.config.endpoints.len();
                    return Err(trouble);
                }
            }
            connection.number += 1;
        }
        let client = connection.client.clone().expect("it was just put there");
        Ok((client, self.config.endpoints[member].clone(), connection.number))
    }

    /// Gives a connection up that had trouble; the next request goes to the next member.
    pub(super) async fn leave(&self, number: u64) {
        let mut connection = self.connection.lock().await;
        if connection.number == number && connection.client.take().is_some() {
            connection.member = (connection.member + 1) % self.config.endpoints.len();
        }
    }

    async fn connect(&self, member: usize) -> Result<Client, Trouble> {
        let url = &self.config.endpoints[member];
        let options = self.config.options().map_err(Trouble::Unusable)?;
        let connect = async {
            let client = Client::connect([url], Some(options)).await?;
            let found = identity::look(&client, &self.keys).await?;
            Ok((client, found))
        };
        match timeout(ANSWER_MAX, connect).await {
            Ok(Ok((client, found))) => {
                identity::check(self, url, found, &client).await?;
                Ok(client)
            }
            Ok(Err(error)) => Err(match trouble::distrust(url, &error) {
                Some(failure) => Trouble::Unusable(failure),
                None if trouble::is_passing(&error) => Trouble::Passing(trouble::passing(url, &error)),
                None => Trouble::Unusable(trouble::refused(url, &error)),
            }),
            Err(_) => Err(Trouble::Passing(trouble::silent(url))),
        }
    }

    /// The trouble as what a user is told.
    pub(super) fn failure(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Passing(failure) | Trouble::Unusable(failure) => failure,
            Trouble::Refused(error) => trouble::refused(&self.place(), &error),
        }
    }
}
