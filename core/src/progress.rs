//! How far a running task is.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How far a running task is: told by its runner, and asked by its worker now and then. Clones are the same one.
#[derive(Clone, Debug)]
pub struct TaskProgress {
    begun: Instant,
    measured: Arc<OnceLock<Measured>>,
}

/// Of how much a task is done.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    /// It is done of so much in all.
    pub fn set(&self, done: u64) {
        self.0.store(done, Ordering::Relaxed);
    }

    /// It is done of so much more.
    pub fn add(&self, done: u64) {
        self.0.fetch_add(done, Ordering::Relaxed);
    }
}

/// What a task does most of the time.
struct Measured {
    since: Instant,
    total: u64,
    done: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measured").field("total", &self.total).field("done", &(self.done)()).finish_non_exhaustive()
    }
}

impl TaskProgress {
    /// That of a task that begins.
    pub fn begun(now: Instant) -> Self {
        Self { begun: now, measured: Arc::default() }
    }

    /// From now on the task does `total` of something, as rows, and `done` says of how many it is done. What is measured
    /// first counts: a task measures what takes most of its time.
    pub fn measure(&self, total: u64, done: impl Fn() -> u64 + Send + Sync + 'static) {
        let done = Box::new(done);
        let _ = self.measured.set(Measured { since: Instant::now(), total, done });
    }

    /// The same, with a count to be kept.
    pub fn count(&self, total: u64) -> Count {
        let count = Count::default();
        let counted = count.clone();
        self.measure(total, move || counted.0.load(Ordering::Relaxed));
        count
    }

    /// The part of the task's time that has passed, in thousandths, where that can be told.
    pub fn permille(&self, now: Instant) -> Option<u16> {
        let Measured { since, total, done } = self.measured.get()?;
        let before = since.saturating_duration_since(self.begun);
        part_of_time(before, now.saturating_duration_since(*since), done(), *total)
    }
}

/// What of a task has to be done before it tells how long the rest takes: what comes first, as a process that has to be warmed
/// up, takes longer.
const TELLING_SHARE: f64 = 0.05;

/// The part of a task's time that has passed, in thousandths, at most 999 as it still runs: `before` went by until something
/// was measured, and since then `done` of `total` was done. None before enough of it was.
fn part_of_time(before: Duration, since: Duration, done: u64, total: u64) -> Option<u16> {
    if total == 0 || since.is_zero() || (done as f64) < total as f64 * TELLING_SHARE {
        return None;
    }
    let whole = before.as_secs_f64() + since.as_secs_f64() * (total as f64 / done as f64).max(1.0);
    let passed = (before + since).as_secs_f64();
    Some((passed * 1_000.0 / whole).min(999.0) as u16)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_went_before_is_not_repeated_for_the_rest() {
        let seconds = Duration::from_secs;
        // (before, since, done, total, expected)
        for (before, since, done, total, expected) in [
            (0, 10, 0, 100, None),
            (0, 10, 4, 100, None),
            (0, 10, 5, 100, Some(50)),
            (0, 10, 5, 0, None),
            (5, 0, 5, 10, None),
            (0, 10, 25, 100, Some(250)),
            // Ten seconds more for the other half, and the ten before.
            (10, 10, 50, 100, Some(666)),
            (10, 10, 100, 100, Some(999)),
            // There is more than was expected.
            (0, 10, 150, 100, Some(999)),
        ] {
            assert_eq!(part_of_time(seconds(before), seconds(since), done, total), expected, "{before} {since} {done}");
        }
    }

    #[test]
    fn the_first_measure_counts_for_all_clones() {
        let begun = Instant::now();
        let progress = TaskProgress::begun(begun);
        assert_eq!(progress.permille(begun + Duration::from_secs(1)), None);
        let done = progress.clone().count(4);
        progress.measure(1, || 1);
        let later = Instant::now() + Duration::from_secs(1_000);
        assert_eq!(progress.permille(later), None);
        done.set(0);
        done.add(1);
        assert!((249..=251).contains(&progress.permille(later).unwrap()), "{progress:?}");
    }
}
