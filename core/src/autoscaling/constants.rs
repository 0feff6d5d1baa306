//! Numbers that no user sets, each with its reason.

use std::time::Duration;

/// A fact that is older counts as missing: Prometheus asks every minute where nobody says otherwise, and one answer may be
/// lost.
pub const FACT_AGE_MAX: Duration = Duration::from_secs(120);

/// How far a fact may be ahead of us: clocks of a cluster's nodes differ by less.
pub const FACT_AHEAD_MAX: Duration = Duration::from_secs(30);

/// Complete samples in a row before a group becomes smaller: what one of them has wrong is no reason.
pub const SAMPLES_TO_SHRINK: u32 = 3;

/// How long something is missing before `fallbackReplicas` count: a head that is replaced tells again by then.
pub const FALLBACK_AFTER: Duration = Duration::from_secs(60);

/// How long a worker is expected to take to start before one has: a pod whose image is there takes seconds.
pub const STARTUP_PRIOR: Duration = Duration::from_secs(15);

/// How long a worker stays that nothing needs, where nobody says and no start has been measured: what Ray and Spark take.
pub const IDLE_PRIOR: Duration = Duration::from_secs(60);

/// The bounds of how long a worker stays that nothing needs, where nobody says: a few samples, and what nobody would wait for.
pub const IDLE_BOUNDS: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(600));

/// How long the head may take to hear of a worker that takes no more tasks, or takes them again.
pub const CORDON_TIME: Duration = Duration::from_secs(30);

/// How long a worker may take to end its tasks and hand over what it holds.
pub const DRAIN_TIME: Duration = Duration::from_secs(600);

/// How long a group that gives no workers is left alone at most.
pub const BLOCKED_MAX: Duration = Duration::from_secs(3_600);

/// When is looked again where nothing is to be waited for.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Spans of time in which what was asked for is remembered, over the longest window: it is this precise.
pub const SPANS_OF_WINDOW: u32 = 16;

/// Hours after which an interruption counts half.
pub const INTERRUPTION_HALF_LIFE_HOURS: f64 = 6.0;

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
