//! When a status is written: at once where it tells what somebody may wait for, else together with what follows.
//!
//! A cluster that starts has a new count with every pod. Written one by one they would be most of what the API server does
//! for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a status tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// What somebody may wait for, or should look at.
    Turn,
    /// The first status of something that works already: what comes with it is worth a moment.
    Arrival,
    /// The first status of something that does not work yet, and need not.
    Beginning,
    /// Other counts and words.
    Counts,
}

/// Between two writes of one status that differ in counts and words only. Nobody who looks notices, and a group of a
/// thousand pods starts within a few of them.
pub(crate) const REST: Duration = Duration::from_secs(2);

/// How long something new that is on its way says nothing: a cluster whose images are on its nodes works by then, and
/// saying so is all that it has to say.
const BEGINNING: Duration = Duration::from_secs(5);

/// The same while the statuses of many objects change: the API server then has pods to make.
const REST_MAX: Duration = Duration::from_secs(30);

/// Such writes in a second, of all objects together, that keep nobody waiting.
const PACE: u32 = 25;

/// Objects whose last write is remembered before those are forgotten that matter no more.
const REMEMBERED: usize = 4096;

/// How long a status has to wait that was written, or whose object was made, so long ago, while those of so many objects
/// are written.
pub(crate) fn rest(news: News, since: Duration, objects: usize) -> Option<Duration> {
    let turn = Duration::from_secs(1) * u32::try_from(objects).unwrap_or(u32::MAX) / PACE;
    let rest = match news {
        News::Turn => Duration::ZERO,
        News::Arrival => REST,
        News::Beginning => turn.clamp(BEGINNING, REST_MAX),
        News::Counts => turn.clamp(REST, REST_MAX),
    };
    rest.checked_sub(since).filter(|left| !left.is_zero())
}

/// When each status was last written, by uid.
#[derive(Debug, Default)]
pub(crate) struct Writes(Mutex<HashMap<String, Instant>>);

impl Writes {
    /// How long ago that was. One that nothing is known of counts from now on: what is new has its first status together
    /// with what comes of it.
    pub(crate) fn since(&self, uid: &str, now: Instant) -> Duration {
        let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = writes.get(uid) {
            return now.duration_since(*at);
        }
        Self::remember(&mut writes, uid, now);
        Duration::ZERO
    }

    /// How many objects have had a write lately.
    pub(crate) fn objects(&self, now: Instant) -> usize {
        let writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writes.values().filter(|at| now.duration_since(**at) < REST_MAX).count()
    }

    /// It is written now.
    pub(crate) fn note(&self, uid: &str, now: Instant) {
        Self::remember(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), uid, now);
    }

    fn remember(writes: &mut HashMap<String, Instant>, uid: &str, now: Instant) {
        if writes.len() >= REMEMBERED {
            writes.retain(|_, at| now.duration_since(*at) < REST_MAX);
        }
        writes.insert(uid.to_owned(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_no_turn_rests_as_long_as_is_left() {
        let second = Duration::from_secs(1);
        for (news, since, objects, left) in [
            (News::Turn, Duration::ZERO, 1, None),
            (News::Counts, Duration::ZERO, 1, Some(REST)),
            (News::Counts, second, 1, Some(REST - second)),
            (News::Counts, REST, 1, None),
            (News::Counts, 10 * REST, 1, None),
            (News::Counts, second, 50, Some(REST - second)),
            (News::Counts, second, 250, Some(9 * second)),
            (News::Counts, second, 1_000_000, Some(REST_MAX - second)),
            (News::Turn, second, 1_000_000, None),
            (News::Beginning, second, 1, Some(BEGINNING - second)),
            (News::Beginning, BEGINNING, 1, None),
            (News::Beginning, second, 250, Some(9 * second)),
            // Who waits for one of a thousand to work does not wait for the others.
            (News::Arrival, second, 1_000_000, Some(REST - second)),
            (News::Arrival, REST, 1_000_000, None),
        ] {
            assert_eq!(rest(news, since, objects), left, "{news:?} {since:?} {objects}");
        }
    }

    #[test]
    fn writes_that_matter_no_more_are_forgotten() {
        let (writes, now) = (Writes::default(), Instant::now());
        (0..REMEMBERED).for_each(|index| writes.note(&index.to_string(), now));
        let soon = now + Duration::from_secs(1);
        assert_eq!((writes.since("7", soon), writes.objects(soon)), (Duration::from_secs(1), REMEMBERED));
        let later = now + REST_MAX;
        writes.note("new", later);
        assert_eq!(writes.objects(later), 1);
        assert_eq!(writes.since("7", later), Duration::ZERO, "nothing is known of it any more");
        assert_eq!(writes.since("7", later + REST), REST, "it counts from then on");
    }
}
