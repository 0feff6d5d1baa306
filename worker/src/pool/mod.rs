//! The actor that runs attempts, `slots` at a time. Attempts compute on threads of their own; this one only starts and
//! cancels them.

mod attempt;
mod exchange;
mod owed;
mod slot;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use shoal_core::task::Assignment;
use shoal_core::{AttemptId, Failure, JobUid, Reason};

use crate::attempt_log::Log;
use crate::running::RunningAttempt;
use crate::shared::{AbortOnDrop, Shared};
use attempt::Cancel;
pub(crate) use owed::Owed;
use slot::{NoSlot, Slot};

/// What the actor hears.
pub(crate) enum PoolMessage {
    /// Runs an attempt, and pays what the head is owed for it.
    Run(Box<Assignment>, Owed),
    /// Cancels an attempt, where it runs.
    Cancel(AttemptId),
    /// Cancels all attempts of a job.
    CancelJob(JobUid),
    /// An attempt has ended and reported.
    Ended(AttemptId),
}

/// The actor.
pub(crate) struct Pool;

/// What it has. Dropping it ends every attempt, and each reports that.
pub(crate) struct State {
    shared: Arc<Shared>,
    attempts: HashMap<AttemptId, Running>,
}

struct Running {
    cancel: Cancel,
    _driver: AbortOnDrop<()>,
}

impl Actor for Pool {
    type Msg = PoolMessage;
    type State = State;
    type Arguments = Arc<Shared>;

    async fn pre_start(&self, _: ActorRef<Self::Msg>, shared: Arc<Shared>) -> Result<State, ActorProcessingErr> {
        Ok(State { shared, attempts: HashMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PoolMessage::Run(assignment, owed) => state.run(&myself, *assignment, owed),
            PoolMessage::Cancel(attempt) => state.cancel(|id| *id == attempt),
            PoolMessage::CancelJob(job) => state.cancel(|id| id.task.job == job),
            PoolMessage::Ended(attempt) => drop(state.attempts.remove(&attempt)),
        }
        Ok(())
    }
}

impl State {
    fn run(&mut self, myself: &ActorRef<PoolMessage>, assignment: Assignment, owed: Owed) {
        let attempt = assignment.attempt;
        // A head that was restarted may repeat itself: an attempt runs once.
        if self.shared.results().repeat(attempt) {
            owed.hand_over();
            self.shared.wake_membership();
            return;
        }
        let told = RunningAttempt::begun(&assignment, Instant::now());
        let slot = match Slot::take(&self.shared, attempt, told) {
            Ok(slot) => slot,
            Err(NoSlot::RunsAlready) => return owed.hand_over(),
            Err(NoSlot::AllUsed) => {
                let why = format!("all {} slots of the worker are used", self.shared.identity.slots);
                return owed.pay(Err(Failure::new(Reason::Busy, why)), Log::default());
            }
        };
        let cancel = Cancel::default();
        let driver = attempt::drive(self.shared.clone(), assignment, owed, slot, cancel.clone());
        let pool = myself.clone();
        let driver = async move {
            driver.await;
            // A pool that is gone has nothing to tidy up.
            let _ = pool.cast(PoolMessage::Ended(attempt));
        };
        self.attempts.insert(attempt, Running { cancel, _driver: AbortOnDrop(tokio::spawn(driver)) });
    }

    fn cancel(&self, is_meant: impl Fn(&AttemptId) -> bool) {
        self.attempts.iter().filter(|(attempt, _)| is_meant(attempt)).for_each(|(_, running)| running.cancel.cancel());
    }
}
