//! What keeps a reconcile from its end.

use std::time::Duration;

use shoal_core::Failure;

/// What keeps a reconcile from its end. It is tried again, later each time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The API server refused something, or could not be asked.
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    /// The head refused something, or could not be asked.
    #[error("the head: {0}")]
    Head(Failure),
}

/// First pause after trouble, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// The pause after so many failures in a row, the last included: twice as long each time.
pub(crate) fn pause_after(failures: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        for (failures, expected_ms) in [(0, 500), (1, 500), (2, 1_000), (5, 8_000), (9, 120_000), (u32::MAX, 120_000)] {
            assert_eq!(pause_after(failures).as_millis(), expected_ms, "{failures}");
        }
    }
}
