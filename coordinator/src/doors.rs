//! Who may wait for an answer.

use shoal_core::{Failure, Reason, limits};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many may wait for answers: the coordinator's mailbox has no bound of its own.
pub(crate) struct Doors {
    pub(crate) submissions: Semaphore,
    pub(crate) calls: Semaphore,
    pub(crate) lists: Semaphore,
    pub(crate) scrapes: Semaphore,
}

impl Doors {
    pub(crate) fn new() -> Self {
        Self {
            submissions: Semaphore::new(limits::SUBMISSIONS_WAITING_MAX),
            calls: Semaphore::new(limits::CALLS_WAITING_MAX),
            lists: Semaphore::new(limits::LISTS_WAITING_MAX),
            // Who scrapes meanwhile gets the figures of a moment ago.
            scrapes: Semaphore::new(1),
        }
    }
}

/// Lets one more wait, or tells it to come back.
pub(crate) fn enter(door: &Semaphore, most: usize) -> Result<SemaphorePermit<'_>, Failure> {
    door.try_acquire().map_err(|_| {
        Failure::new(Reason::Busy, format!("{most} requests of this kind are waiting already"))
            .next("ask again in a moment")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_too_many_waiting_is_told_to_come_back_and_is_let_in_later() {
        let Doors { submissions, calls, lists, scrapes } = Doors::new();
        for door in [submissions, calls, lists, scrapes] {
            let most = door.available_permits();
            let mut waiting: Vec<_> = (0..most).map(|_| enter(&door, most).unwrap()).collect();
            let failure = enter(&door, most).unwrap_err();
            assert!(failure.reason == Reason::Busy && failure.next.is_some(), "{failure:?}");
            waiting.pop();
            assert!(enter(&door, most).is_ok());
        }
    }
}
