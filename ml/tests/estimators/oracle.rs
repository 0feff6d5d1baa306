//! Programs that others wrote, asked what is right.

use serde_json::Value;

pub(crate) use crate::python::run as ask;

/// Numbers of an answer.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect()
}

/// Fails unless each number is within `tolerance` of the oracle's, relative where that is above 1.
#[track_caller]
pub(crate) fn assert_all_close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (place, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual - expected).abs() / expected.abs().max(1.0);
        assert!(error <= tolerance, "number {place}: {actual:e} is {error:e} away from {expected:e}");
    }
}
