//! Groups that give no workers are left alone for a while, each time for longer.

use super::capacity::Group;
use super::constants::{BLOCKED_MAX, INTERRUPTION_HALF_LIFE_HOURS};

use super::history::{Blocked, GroupHistory};
use super::policy::Policy;

const MS_OF_HOUR: f64 = 3_600_000.0;

/// Looks whether workers of the group are late, and leaves it alone for some time where they are.
pub(super) fn advance(history: &mut GroupHistory, group: &Group<'_>, policy: &Policy, now_ms: u64) {
    let is_over = |blocked: &Blocked| now_ms >= blocked.until_ms;
    let is_forgotten =
        |blocked: &Blocked| now_ms >= blocked.until_ms.saturating_add(blocked.seconds.saturating_mul(1_000));
    if group.stuck > group.refused && history.blocked.as_ref().is_none_or(is_over) {
        let twice = history.blocked.map(|blocked| blocked.seconds.saturating_mul(2));
        let first = policy.provisioning_timeout.as_secs().max(1);
        let seconds = twice.unwrap_or(first).min(BLOCKED_MAX.as_secs().max(first));
        history.blocked = Some(Blocked { until_ms: now_ms.saturating_add(seconds.saturating_mul(1_000)), seconds });
    } else if history.blocked.as_ref().is_some_and(is_forgotten) {
        history.blocked = None;
    }
}

/// Counts workers that were taken away since the last time, and lets older ones count less.
pub(super) fn count_interruptions(history: &mut GroupHistory, group: &Group<'_>, new: u32, now_ms: u64) {
    let seen = &mut history.interruptions;
    if seen.counted_ms == 0 {
        seen.counted_ms = now_ms;
    }
    let hours = now_ms.saturating_sub(seen.counted_ms) as f64 / MS_OF_HOUR;
    let kept = 0.5_f64.powf(hours / INTERRUPTION_HALF_LIFE_HOURS);
    seen.count = seen.count * kept + f64::from(new);
    seen.worker_hours = seen.worker_hours * kept + f64::from(group.busy + group.idle) * hours;
    seen.counted_ms = now_ms.max(seen.counted_ms);
}
