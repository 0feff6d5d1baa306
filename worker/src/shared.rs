//! What a worker's parts share, and what outlives an actor that is started again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ractor::ActorRef;
use shoal_core::functions::Functions;
use shoal_core::limits::DRAIN_MAX;
use shoal_core::runner::TaskRunner;
use shoal_core::task::TaskOutput;
use shoal_core::{AttemptId, Failure};
use shoal_wire::proto::attempt_finished::Result as Ended;
use shoal_wire::proto::{self, AttemptFinished, Register};
use shoal_wire::{Tls, Token, json};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::attempt_log::Log;
use crate::disk::Disk;
use crate::heads::Heads;
use crate::limits::{ADOPTIONS_MAX, LEAVE_MARGIN};
use crate::membership::MembershipMessage;
use crate::metrics::Metrics;
use crate::pool::PoolMessage;
use crate::results::Results;
use crate::running::RunningAttempt;
use crate::store::Store;

/// What a worker's parts share.
pub(crate) struct Shared {
    /// Who the worker is, as the head is told.
    pub(crate) identity: Register,
    pub(crate) heads: Arc<dyn Heads>,
    /// How long the worker does without one.
    pub(crate) head_gone_max: Duration,
    pub(crate) token: Option<Token>,
    pub(crate) tls: Option<Tls>,
    pub(crate) runner: Arc<dyn TaskRunner>,
    pub(crate) functions: Arc<dyn Functions>,
    /// The threads that tasks compute on, apart from those that actors and servers run on.
    pub(crate) task_runtime: Handle,
    /// Where attempts get a folder each.
    pub(crate) attempts_folder: PathBuf,
    /// Memory that each task may use, in bytes.
    pub(crate) task_memory_bytes: u64,
    pub(crate) store: Arc<Store>,
    pub(crate) disk: Disk,
    pub(crate) metrics: Metrics,
    /// Bounds what is taken over from leaving workers at the same time.
    pub(crate) adoptions: Semaphore,
    /// Attempts that occupy a slot, and what is to be told of each.
    pub(crate) running: watch::Sender<BTreeMap<AttemptId, RunningAttempt>>,
    /// The highest epoch of a head that was seen.
    pub(crate) epoch: AtomicU64,
    /// Whether a head has welcomed the worker.
    pub(crate) ready: AtomicBool,
    results: Mutex<Results>,
    /// When it ends by itself, once it is to leave.
    leaves_at: watch::Sender<Option<Instant>>,
    ended: watch::Sender<Option<Result<(), Failure>>>,
}

/// What [`Shared`] is made of; the rest of it begins empty.
pub(crate) struct SharedParts {
    pub(crate) identity: Register,
    pub(crate) heads: Arc<dyn Heads>,
    /// How long the worker does without one.
    pub(crate) head_gone_max: Duration,
    pub(crate) token: Option<Token>,
    pub(crate) tls: Option<Tls>,
    pub(crate) runner: Arc<dyn TaskRunner>,
    pub(crate) functions: Arc<dyn Functions>,
    pub(crate) task_runtime: Handle,
    pub(crate) attempts_folder: PathBuf,
    pub(crate) task_memory_bytes: u64,
    pub(crate) store: Arc<Store>,
    pub(crate) disk: Disk,
    pub(crate) metrics: Metrics,
}

impl Shared {
    pub(crate) fn new(parts: SharedParts) -> Arc<Self> {
        let SharedParts {
            identity,
            heads,
            head_gone_max,
            token,
            tls,
            runner,
            functions,
            task_runtime,
            attempts_folder,
            task_memory_bytes,
            store,
            disk,
            metrics,
        } = parts;
        Arc::new(Self {
            identity,
            heads,
            head_gone_max,
            token,
            tls,
            runner,
            functions,
            task_runtime,
            attempts_folder,
            task_memory_bytes,
            store,
            disk,
            metrics,
            adoptions: Semaphore::new(ADOPTIONS_MAX),
            running: watch::Sender::default(),
            epoch: AtomicU64::new(0),
            ready: AtomicBool::new(false),
            results: Mutex::default(),
            leaves_at: watch::Sender::default(),
            ended: watch::Sender::default(),
        })
    }

    /// Keeps the end of an attempt for the head and wakes who sends it.
    pub(crate) fn finish(&self, attempt: AttemptId, result: Result<TaskOutput, Failure>, log: Log) {
        let encoded = result.and_then(|output| json::encode(&output));
        let result = match encoded {
            Ok(output) => Some(Ended::OutputJson(output)),
            Err(failure) => json::encode(&failure).ok().map(Ended::FailureJson),
        };
        let Log { lines, left_out: log_left_out, told: _ } = log;
        let ended = AttemptFinished { attempt: attempt.to_string(), result, log: lines.into(), log_left_out };
        self.results().push(attempt, ended);
        self.wake_membership();
    }

    /// Lets the membership actor look for results. Where it is just being started again, it looks anyway.
    pub(crate) fn wake_membership(&self) {
        self.tell_membership(MembershipMessage::ResultReady);
    }

    /// Sends to the membership actor. The message is dropped where it is just being started again.
    pub(crate) fn tell_membership(&self, message: MembershipMessage) {
        if let Some(membership) = ActorRef::<MembershipMessage>::where_is(self.membership_name()) {
            let _ = membership.cast(message);
        }
    }

    /// Decides that the worker leaves within that time; of two times the sooner counts.
    pub(crate) fn leave_within(&self, within: Duration) {
        let at = Instant::now() + within.min(DRAIN_MAX);
        self.leaves_at.send_if_modified(|leaves_at| {
            let is_sooner = leaves_at.is_none_or(|known| at < known);
            if is_sooner {
                *leaves_at = Some(at);
            }
            is_sooner
        });
    }

    /// The attempts that occupy a slot, as they are written.
    pub(crate) fn running_attempts(&self) -> Vec<String> {
        self.running.borrow().keys().map(AttemptId::to_string).collect()
    }

    /// The same, with what of the time of each has passed, in thousandths; 0 where it cannot be told.
    pub(crate) fn running_and_permille(&self, now: Instant) -> (Vec<String>, Vec<u32>) {
        let running = self.running.borrow();
        let permille = |told: &RunningAttempt| u32::from(told.progress.permille(now).unwrap_or(0));
        running.iter().map(|(attempt, told)| (attempt.to_string(), permille(told))).unzip()
    }

    /// What else is to be told of them.
    pub(crate) fn told_of_running(&self) -> Vec<proto::RunningAttempt> {
        let running: Vec<(AttemptId, RunningAttempt)> =
            self.running.borrow().iter().map(|(attempt, told)| (*attempt, told.clone())).collect();
        running.iter().filter_map(|(attempt, told)| told.told(*attempt)).collect()
    }

    /// When it ends by itself, where it is to leave.
    pub(crate) fn leaves_at(&self) -> Option<Instant> {
        *self.leaves_at.borrow()
    }

    /// How long the head may take to let it go, in milliseconds, where it is to leave.
    pub(crate) fn leaves_within_ms(&self) -> Option<u64> {
        let left = self.leaves_at()?.saturating_duration_since(Instant::now());
        let for_the_head = left - LEAVE_MARGIN.min(left / 4);
        Some(u64::try_from(for_the_head.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whether nobody would miss it: it runs nothing, holds nothing and has nothing to report.
    pub(crate) fn is_empty_handed(&self) -> bool {
        self.running.borrow().is_empty() && self.store.held_bytes() == 0 && !self.results().has_unsent()
    }

    /// Sends to the pool. The message is dropped where the pool is just being started again; what it owes is paid then.
    pub(crate) fn tell_pool(&self, message: PoolMessage) {
        if let Some(pool) = ActorRef::<PoolMessage>::where_is(self.pool_name()) {
            let _ = pool.cast(message);
        }
    }

    /// Actors are found by name, so that one that was started again is found too. Names are unique in a process by the
    /// instance, which differs between workers in one process.
    pub(crate) fn membership_name(&self) -> String {
        format!("{}/membership", self.identity.instance)
    }

    pub(crate) fn pool_name(&self) -> String {
        format!("{}/pool", self.identity.instance)
    }

    pub(crate) fn results(&self) -> MutexGuard<'_, Results> {
        // Results are moved in and out whole: a panic elsewhere leaves none behind half done.
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how the worker ended; the first word counts.
    pub(crate) fn end(&self, result: Result<(), Failure>) {
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            if is_first {
                *ended = Some(result);
            }
            is_first
        });
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// How the worker ended, once it has.
    pub(crate) async fn ended(&self) -> Result<(), Failure> {
        let mut ended = self.ended.subscribe();
        let result = ended.wait_for(Option::is_some).await;
        match result.map(|ended| ended.clone()) {
            Ok(Some(result)) => result,
            Ok(None) | Err(_) => Err(Failure::internal("the worker's end was not told")),
        }
    }
}

/// A future that runs on its own and ends with its owner.
pub(crate) struct AbortOnDrop<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
