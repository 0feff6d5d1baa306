//! Pods that fail again and again are made anew ever later. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::trouble::pause_after;

/// What is remembered of a group's pods that have failed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Backoff {
    /// Failures since the group was last as it should be.
    failures: u32,
    /// Uids of those that were counted and may still be seen.
    seen: BTreeSet<String>,
    hold: Option<Hold>,
}

/// No pod is made until then.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hold {
    until: Timestamp,
    /// Why: what the last pod that failed had.
    pub(crate) message: String,
}

impl Hold {
    /// The time that is left; `None` where it is over.
    pub(crate) fn left(&self, now: Timestamp) -> Option<Duration> {
        Duration::try_from(self.until.duration_since(now)).ok().filter(|left| !left.is_zero())
    }
}

impl Backoff {
    /// Takes in which pods have failed: uid, and why. Those that fail together count once.
    pub(crate) fn note(&mut self, failed: Vec<(String, String)>, all_ready: bool, now: Timestamp) -> Option<Hold> {
        if failed.is_empty() && all_ready {
            *self = Self::default();
        }
        if let Some((_, message)) = failed.iter().find(|(uid, _)| !self.seen.contains(uid)) {
            self.failures = self.failures.saturating_add(1);
            let pause = SignedDuration::try_from(pause_after(self.failures)).unwrap_or(SignedDuration::MAX);
            let until = now.checked_add(pause).unwrap_or(Timestamp::MAX);
            self.hold = Some(Hold { until, message: message.clone() });
        }
        self.seen = failed.into_iter().map(|(uid, _)| uid).collect();
        self.hold.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    fn failed(uids: &[&str]) -> Vec<(String, String)> {
        uids.iter().map(|uid| ((*uid).to_owned(), format!("{uid} was evicted"))).collect()
    }

    #[test]
    fn each_failure_makes_the_next_try_later_until_all_is_well() {
        let mut backoff = Backoff::default();
        let mut left = |uids: &[&str], all_ready, ms| {
            let hold = backoff.note(failed(uids), all_ready, at(ms));
            hold.and_then(|hold| hold.left(at(ms))).map(|left| left.as_millis())
        };
        assert_eq!(left(&[], false, 0), None);
        assert_eq!(left(&["a", "b"], false, 0), Some(500), "two at once are one failure");
        assert_eq!(left(&["a"], false, 100), Some(400), "seen before");
        assert_eq!(left(&[], false, 600), None, "the pause is over");
        assert_eq!(left(&["c"], false, 1_000), Some(1_000));
        assert_eq!(left(&["c", "d"], false, 1_500), Some(2_000));
        assert_eq!(left(&[], true, 9_000), None);
        assert_eq!(left(&["e"], false, 10_000), Some(500), "all was well in between");
    }

    #[test]
    fn the_reason_is_that_of_the_newest_failure() {
        let mut backoff = Backoff::default();
        backoff.note(failed(&["a"]), false, at(0));
        assert_eq!(backoff.note(failed(&["a", "b"]), false, at(1)).unwrap().message, "b was evicted");
        assert_eq!(backoff.note(Vec::new(), false, at(2)).unwrap().message, "b was evicted");
    }
}
