//! Waiting for an etcd that does not answer: how often it is asked, and how often that is told.

use std::time::{Duration, Instant};

use super::session::PAUSE;

/// Longest pause between two tries: what a head takes at most to find an etcd that is there again.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Time between the first two complaints; doubles up to [`COMPLAIN_EVERY_MAX`].
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// Longest time between two complaints: somebody who looks at the end of a log still sees why nothing happens.
const COMPLAIN_EVERY_MAX: Duration = Duration::from_secs(600);

/// One wait.
#[derive(Debug)]
pub(super) struct Patience {
    pause: Duration,
    complain_every: Duration,
    complained: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: PAUSE, complain_every: COMPLAIN_EVERY, complained: None }
    }
}

impl Patience {
    /// The pause before the next try.
    pub(super) fn pause(&mut self) -> Duration {
        let next = (2 * self.pause).min(PAUSE_MAX);
        std::mem::replace(&mut self.pause, next)
    }

    /// Whether it is time to say what is waited for: at once, and then ever more rarely.
    pub(super) fn complains(&mut self, now: Instant) -> bool {
        let is_due = match self.complained {
            None => true,
            Some(at) if now.saturating_duration_since(at) >= self.complain_every => {
                self.complain_every = (2 * self.complain_every).min(COMPLAIN_EVERY_MAX);
                true
            }
            Some(_) => false,
        };
        if is_due {
            self.complained = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_and_complaints_become_rarer_up_to_a_limit() {
        let mut patience = Patience::default();
        let pauses: Vec<u128> = (0..6).map(|_| patience.pause().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);

        let start = Instant::now();
        let told: Vec<u64> =
            (0..4_000).filter(|second| patience.complains(start + Duration::from_secs(*second))).collect();
        assert_eq!(told, [0, 10, 30, 70, 150, 310, 630, 1_230, 1_830, 2_430, 3_030, 3_630]);
    }
}
