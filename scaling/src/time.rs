//! Time in a world: whole milliseconds since its beginning, so that no order of events hangs on rounding.

/// Milliseconds.
pub(crate) type Millis = u64;

pub(crate) const SECOND: Millis = 1_000;
pub(crate) const HOUR: Millis = 3_600 * SECOND;

pub(crate) fn seconds(time: Millis) -> f64 {
    time as f64 / SECOND as f64
}

/// Nearest; what is negative or no number is none at all.
pub(crate) fn millis(seconds: f64) -> Millis {
    (seconds * SECOND as f64).round() as Millis
}

pub(crate) fn hours(time: Millis) -> f64 {
    time as f64 / HOUR as f64
}
