//! Many seeds at once. Each world is its own; only who runs which is up to the threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Outcome, Summary, run};

/// Runs seeds on all processors. `progress` hears of each that has ended, and how many have by then.
///
/// Seeds of a thread in which the code under test panicked are not in the sums, so that those have fewer seeds.
pub fn run_all(seeds: &[u64], progress: impl Fn(&Outcome, usize) + Sync) -> Summary {
    let (next, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut summary = Summary::default();
    std::thread::scope(|scope| {
        let share = || {
            let mut summary = Summary::default();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(seed) = seeds.get(index) else { return summary };
                let outcome = run(*seed, None, false);
                summary.add(&outcome);
                progress(&outcome, ended.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        let shares: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        // A panic is shown where it happened.
        shares.into_iter().filter_map(|share| share.join().ok()).for_each(|share| summary.join(share));
    });
    summary
}
