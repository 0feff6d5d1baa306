//! The actor above the others: what fails is started again, up to a limit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use shoal_core::Failure;

use crate::limits::{RESTART_WINDOW, RESTARTS_MAX};
use crate::membership::Membership;
use crate::pool::Pool;
use crate::shared::Shared;

/// The actor. It hears nothing but how its children fare.
pub(crate) struct Supervisor;

/// What it has.
pub(crate) struct State {
    shared: EndOnDrop,
    restarts: VecDeque<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    Membership,
    Pool,
}

impl Actor for Supervisor {
    type Msg = ();
    type State = State;
    type Arguments = Arc<Shared>;

    async fn pre_start(&self, myself: ActorRef<()>, shared: Arc<Shared>) -> Result<State, ActorProcessingErr> {
        // The pool first: the head assigns as soon as membership speaks to it.
        for child in [Child::Pool, Child::Membership] {
            child.start(&shared, myself.get_cell()).await?;
        }
        Ok(State { shared: EndOnDrop(shared), restarts: VecDeque::new() })
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, why) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => (cell, reason.unwrap_or_else(|| "it stopped".into())),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        let shared = &state.shared.0;
        if shared.has_ended() {
            myself.stop(None);
            return Ok(());
        }
        let Some(child) = Child::of(&cell, shared) else { return Ok(()) };
        if !may_restart(&mut state.restarts, Instant::now()) {
            shared.end(Err(Failure::internal(format!("the {} actor keeps failing: {why}", child.label()))));
            myself.stop(None);
            return Ok(());
        }
        tracing::error!(actor = child.label(), why, "an actor failed and is started again");
        shared.metrics.restarts.with_label_values(&[child.label()]).inc();
        child.start(shared, myself.get_cell()).await
    }
}

impl Child {
    fn label(self) -> &'static str {
        match self {
            Self::Membership => "membership",
            Self::Pool => "pool",
        }
    }

    fn of(cell: &ActorCell, shared: &Shared) -> Option<Self> {
        let name = cell.get_name()?;
        [(Self::Membership, shared.membership_name()), (Self::Pool, shared.pool_name())]
            .into_iter()
            .find_map(|(child, of_child)| (name == of_child).then_some(child))
    }

    async fn start(self, shared: &Arc<Shared>, supervisor: ActorCell) -> Result<(), ActorProcessingErr> {
        match self {
            Self::Membership => {
                let name = Some(shared.membership_name());
                Actor::spawn_linked(name, Membership, shared.clone(), supervisor).await?;
            }
            Self::Pool => {
                let name = Some(shared.pool_name());
                Actor::spawn_linked(name, Pool, shared.clone(), supervisor).await?;
            }
        }
        Ok(())
    }
}

/// Whether another restart is worth it, given those before; notes it down.
fn may_restart(restarts: &mut VecDeque<Instant>, now: Instant) -> bool {
    restarts.retain(|restart| now.duration_since(*restart) < RESTART_WINDOW);
    if restarts.len() >= RESTARTS_MAX {
        return false;
    }
    restarts.push_back(now);
    true
}

/// A worker without a supervisor has ended, even where nobody could say why.
struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(Err(Failure::internal("the worker's supervisor failed")));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn restarts_are_bounded_within_their_window_only() {
        let start = Instant::now();
        let mut restarts = VecDeque::new();
        for second in 0..RESTARTS_MAX as u64 {
            assert!(may_restart(&mut restarts, start + Duration::from_secs(second)));
        }
        assert!(!may_restart(&mut restarts, start + RESTART_WINDOW - Duration::from_secs(1)));
        assert!(may_restart(&mut restarts, start + RESTART_WINDOW));
        assert!(!may_restart(&mut restarts, start + RESTART_WINDOW));
    }
}
