//! Which copies are to be made now. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shoal_core::{Failure, JobUid};

/// First pause after a copy could not be written, and the longest: a store that is away for an hour is asked again within
/// a minute of its return.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What is known of one job's copy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Copy {
    /// When the job ended: one that goes on and ends again is copied again.
    pub(super) finished_ms: u64,
    pub(super) state: CopyState,
}

/// How far the copy is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CopyState {
    Stored,
    /// It could not be written, so many times in a row, and is tried again then.
    Failed {
        failure: Failure,
        tries: u32,
        again_at: Instant,
    },
}

/// The copies to make now, and when to look again where nothing happens before.
pub(super) fn due(
    known: &BTreeMap<JobUid, Copy>,
    ended: &[(JobUid, u64)],
    now: Instant,
) -> (Vec<(JobUid, u64)>, Option<Duration>) {
    let mut due = Vec::new();
    let mut wait: Option<Duration> = None;
    for (uid, finished_ms) in ended {
        match known.get(uid).filter(|copy| copy.finished_ms == *finished_ms).map(|copy| &copy.state) {
            Some(CopyState::Stored) => {}
            Some(CopyState::Failed { again_at, .. }) if *again_at > now => {
                let left = again_at.duration_since(now);
                wait = Some(wait.map_or(left, |wait| wait.min(left)));
            }
            Some(CopyState::Failed { .. }) | None => due.push((*uid, *finished_ms)),
        }
    }
    (due, wait)
}

/// The pause after so many failures in a row: twice as long each time, and shorter by up to half of it, as `random` (from
/// 0 to 1) says, so that heads which share a store do not come back together.
pub(super) fn pause_after(tries: u32, random: f64) -> Duration {
    let full = PAUSE_MIN.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX)).min(PAUSE_MAX);
    full.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use shoal_core::Reason;
    use uuid::Uuid;

    use super::*;

    fn uid(number: u128) -> JobUid {
        JobUid(Uuid::from_u128(number))
    }

    #[test]
    fn what_is_not_stored_is_due_once_its_pause_is_over() {
        let now = Instant::now();
        let failed = |again_at| CopyState::Failed { failure: Failure::new(Reason::Io, "full"), tries: 1, again_at };
        let later = now + Duration::from_secs(3);
        let known = BTreeMap::from([
            (uid(1), Copy { finished_ms: 10, state: CopyState::Stored }),
            (uid(2), Copy { finished_ms: 10, state: CopyState::Stored }),
            (uid(3), Copy { finished_ms: 10, state: failed(now) }),
            (uid(4), Copy { finished_ms: 10, state: failed(later) }),
            (uid(5), Copy { finished_ms: 10, state: failed(later + Duration::from_secs(1)) }),
        ]);
        // The second has gone on since, and ended again; of the sixth nothing is known.
        let ended = [(uid(1), 10), (uid(2), 20), (uid(3), 10), (uid(4), 10), (uid(5), 10), (uid(6), 10)];
        let (due_now, wait) = due(&known, &ended, now);
        assert_eq!(due_now, [(uid(2), 20), (uid(3), 10), (uid(6), 10)]);
        assert_eq!(wait, Some(Duration::from_secs(3)));
        assert_eq!(due(&known, &ended[..1], now), (vec![], None));
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_are_shortened_by_chance() {
        for (tries, expected) in [(1, 1.0), (2, 2.0), (6, 32.0), (7, 60.0), (u32::MAX, 60.0)] {
            assert_eq!(pause_after(tries, 0.0).as_secs_f64(), expected, "{tries}");
            assert_eq!(pause_after(tries, 1.0).as_secs_f64(), expected / 2.0, "{tries}");
        }
    }
}
