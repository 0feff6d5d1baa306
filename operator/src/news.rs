//! When a status is written: at once where it tells what somebody may wait for, else together with what follows.
//!
//! A cluster that starts has a new count with every pod. Written one by one they would be most of what the API server does
//! for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shoal_core::spec::v1alpha1::status::Condition;

use crate::conditions::PROGRESSING;

/// Between two writes of one status that differ in counts and words only. Nobody who looks notices, and a group of a
/// thousand pods starts within a few of them.
pub(crate) const REST: Duration = Duration::from_secs(2);

/// Objects whose last write is remembered before those are forgotten that matter no more.
const REMEMBERED: usize = 1024;

/// Whether a condition that people and other controllers wait for holds now and did not, or the other way round.
pub(crate) fn has_turned(before: &[Condition], after: &[Condition]) -> bool {
    after.iter().filter(|condition| condition.type_ != PROGRESSING).any(|condition| {
        before.iter().find(|old| old.type_ == condition.type_).is_none_or(|old| old.status != condition.status)
    })
}

/// How long a status has to wait that was written, or whose object was made, so long ago.
pub(crate) fn rest(is_urgent: bool, since: Duration) -> Option<Duration> {
    if is_urgent { None } else { REST.checked_sub(since).filter(|left| !left.is_zero()) }
}

/// When each status was last written, by uid.
#[derive(Debug, Default)]
pub(crate) struct Writes(Mutex<HashMap<String, Instant>>);

impl Writes {
    /// How long ago that was; none where it is longer than anyone asks for.
    pub(crate) fn since(&self, uid: &str, now: Instant) -> Option<Duration> {
        let writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writes.get(uid).map(|at| now.duration_since(*at))
    }

    /// It is written now.
    pub(crate) fn note(&self, uid: &str, now: Instant) {
        let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if writes.len() >= REMEMBERED {
            writes.retain(|_, at| now.duration_since(*at) < REST);
        }
        writes.insert(uid.to_owned(), now);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::conditions::{Fact, conditions};

    fn said(facts: &[(&'static str, bool, &str)]) -> Vec<Condition> {
        let facts = facts.iter().map(|(type_, holds, message)| Fact::new(type_, *holds, "Because", *message));
        conditions(&[], facts.collect(), None, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_turns_is_written_at_once_and_counts_wait_for_each_other() {
        let starting = said(&[("Ready", false, "0 of 3"), ("Progressing", true, "")]);
        let counted = said(&[("Ready", false, "2 of 3"), ("Progressing", true, "")]);
        let settled = said(&[("Ready", false, "2 of 3"), ("Progressing", false, "")]);
        let ready = said(&[("Ready", true, "3 of 3"), ("Progressing", true, "")]);
        for (before, after, is_urgent) in [
            (&starting, &counted, false),
            (&counted, &settled, false),
            (&counted, &ready, true),
            (&ready, &counted, true),
            (&Vec::new(), &starting, true),
        ] {
            assert_eq!(has_turned(before, after), is_urgent, "{before:?} {after:?}");
        }
    }

    #[test]
    fn one_that_is_not_urgent_rests_as_long_as_is_left() {
        let second = Duration::from_secs(1);
        assert_eq!(rest(true, Duration::ZERO), None);
        assert_eq!(rest(false, Duration::ZERO), Some(REST));
        assert_eq!(rest(false, second), Some(REST - second));
        assert_eq!(rest(false, REST), None);
        assert_eq!(rest(false, 10 * REST), None);
    }

    #[test]
    fn writes_that_matter_no_more_are_forgotten() {
        let (writes, now) = (Writes::default(), Instant::now());
        (0..REMEMBERED).for_each(|index| writes.note(&index.to_string(), now));
        assert_eq!(writes.since("7", now), Some(Duration::ZERO));
        let later = now + REST;
        writes.note("new", later);
        assert_eq!((writes.since("7", later), writes.since("new", later)), (None, Some(Duration::ZERO)));
    }
}
