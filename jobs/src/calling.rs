//! Messages of groups on their way to a user's function and back.

use std::collections::VecDeque;

use shoal_core::Failure;
use shoal_core::functions::{Calls, Groups, Returns};
use shoal_core::tally::Tally;

/// Messages that a function's process has beyond the one that it works on: it never waits for the next one, and memory holds
/// few.
const MESSAGES_AHEAD: usize = 2;

/// Calls of a function for one message after the other, a few of which are on their way at a time.
pub(crate) struct Calling {
    calls: Box<dyn Calls>,
    /// Groups of each message that is on its way.
    ahead: VecDeque<usize>,
    tally: Tally,
}

impl Calling {
    pub(crate) fn new(calls: Box<dyn Calls>) -> Self {
        Self { calls, ahead: VecDeque::new(), tally: Tally::default() }
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, groups: Groups) {
        self.ahead.push_back(groups.len());
        self.calls.send(groups);
    }

    /// Whether so much is on its way that an answer is to be waited for first.
    pub(crate) fn is_full(&self) -> bool {
        self.ahead.len() > MESSAGES_AHEAD
    }

    /// Waits for what came of the next groups; none where none are on their way.
    pub(crate) async fn next(&mut self) -> Result<Option<Returns>, Failure> {
        let Some(returns) = self.calls.next().await? else { return Ok(None) };
        self.tally.add(&returns.counted);
        // A message is answered in one piece or in several.
        let waiting = self.calls.waiting();
        while self.ahead.iter().skip(1).sum::<usize>() >= waiting && !self.ahead.is_empty() {
            self.ahead.pop_front();
        }
        Ok(Some(returns))
    }

    /// What the function counted in all groups that were answered.
    pub(crate) fn counted(self) -> Tally {
        self.tally
    }
}
