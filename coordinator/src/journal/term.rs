//! Whether this head leads: one place that knows it, for whoever writes and whoever waits.

use shoal_core::{Failure, Reason};
use tokio::sync::watch;

/// The present term of this head.
pub(crate) struct Term(watch::Sender<State>);

#[derive(Clone, Debug)]
enum State {
    Standby,
    Leading { epoch: u64 },
    Lost(Failure),
}

impl Term {
    /// Before the first campaign.
    pub(crate) fn standby() -> Self {
        Self(watch::Sender::new(State::Standby))
    }

    /// This head leads from now on.
    pub(crate) fn won(&self, epoch: u64) {
        self.0.send_replace(State::Leading { epoch });
    }

    /// The term of that epoch is over; what is said of an earlier one does not count.
    pub(crate) fn lose(&self, of: u64, failure: Failure) {
        self.0.send_if_modified(|state| {
            let is_it = matches!(state, State::Leading { epoch } if *epoch == of);
            if is_it {
                *state = State::Lost(failure);
            }
            is_it
        });
    }

    /// The epoch under which this head leads, as far as it knows.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match *self.0.borrow() {
            State::Leading { epoch } => Some(epoch),
            State::Standby | State::Lost(_) => None,
        }
    }

    /// Whether this head leads under that epoch.
    ///
    /// # Errors
    /// [`Reason::NotLeading`].
    pub(crate) fn check(&self, epoch: u64) -> Result<(), Failure> {
        if self.epoch() == Some(epoch) {
            return Ok(());
        }
        let mut failure = not_leading(format!("this head does not lead under epoch {epoch}"));
        if let State::Lost(why) = &*self.0.borrow() {
            failure.causes = vec![why.message.clone()];
        }
        Err(failure)
    }

    /// Completes once this head does not lead.
    pub(crate) async fn lost(&self) -> Failure {
        let mut states = self.0.subscribe();
        match states.wait_for(|state| !matches!(state, State::Leading { .. })).await.as_deref() {
            Ok(State::Lost(failure)) => failure.clone(),
            // The sender lives in `self`: the channel cannot close.
            Ok(_) | Err(_) => not_leading("this head does not lead"),
        }
    }

    /// As [`Term::lost`], for one epoch: also once this head leads under a later one.
    pub(crate) async fn over(&self, epoch: u64) -> Failure {
        let mut states = self.0.subscribe();
        let is_over = |state: &State| !matches!(state, State::Leading { epoch: now } if *now == epoch);
        let _ = states.wait_for(is_over).await;
        self.check(epoch).err().unwrap_or_else(|| not_leading("this head does not lead"))
    }
}

/// The failure of a head that may not write.
pub(crate) fn not_leading(why: impl Into<String>) -> Failure {
    Failure::new(Reason::NotLeading, why).next("ask the head that leads; another one leads within seconds")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_term_ends_once_and_the_next_is_another() {
        let term = Term::standby();
        assert_eq!(term.check(1).unwrap_err().reason, Reason::NotLeading);
        assert_eq!(term.lost().await.reason, Reason::NotLeading);
        term.won(1);
        term.check(1).unwrap();
        assert!(term.check(2).is_err());
        term.lose(1, not_leading("the lease ran out"));
        assert_eq!(term.lost().await.message, "the lease ran out");
        assert_eq!(term.check(1).unwrap_err().causes, ["the lease ran out"]);
        term.won(2);
        term.lose(1, not_leading("told late"));
        term.check(2).unwrap();
        assert_eq!(term.over(1).await.reason, Reason::NotLeading);
    }
}
