//! Waiting for a condition.

use std::time::{Duration, Instant};

/// How often a condition is looked at. Short against everything that is waited for, long against what a look costs.
const POLL: Duration = Duration::from_millis(20);

/// How long tests wait for what should take a moment: generous, because a loaded machine is slow, and reached only when
/// something is broken.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until `look` finds something, and returns it. Blocks the thread.
///
/// # Panics
/// After `limit`, saying what was waited for.
pub fn eventually_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
        std::thread::park_timeout(POLL);
    }
}

/// As [`eventually_within`], with [`PATIENCE`].
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}
