//! Shorthands the tests share.

use shoal_ml::{Moments, OlsFit, OlsOptions, fit_ols};

pub(crate) const WITH_INTERCEPT: OlsOptions = OlsOptions { intercept: true };
pub(crate) const THROUGH_ORIGIN: OlsOptions = OlsOptions { intercept: false };

pub(crate) fn moments_of<R: AsRef<[f64]>>(rows: &[R]) -> Moments {
    let mut moments = Moments::new(rows[0].as_ref().len());
    for row in rows {
        moments.as_mut().push(row.as_ref());
    }
    moments
}

pub(crate) fn fit<R: AsRef<[f64]>>(rows: &[R], options: &OlsOptions) -> OlsFit {
    fit_ols(moments_of(rows).as_ref(), options)
}

/// Fails unless `actual` is within `tolerance` of `expected`, relative to the larger of `expected` and
/// `scale`.
#[track_caller]
pub(crate) fn assert_close(actual: f64, expected: f64, scale: f64, tolerance: f64) {
    let error = (actual - expected).abs() / expected.abs().max(scale);
    assert!(
        error <= tolerance || actual == expected,
        "{actual:e} is {error:e} away from {expected:e}, allowed {tolerance:e}"
    );
}

#[track_caller]
pub(crate) fn assert_relative(actual: Option<f64>, expected: f64, tolerance: f64) {
    let actual = actual.unwrap_or_else(|| panic!("missing, expected {expected:e}"));
    assert_close(actual, expected, f64::MIN_POSITIVE, tolerance);
}
