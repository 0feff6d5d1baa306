//! What a linear model says of a row.

/// `Σ coefficient · value`, plus the first coefficient where the model has one more of them than there are features.
///
/// A feature that was dropped adds nothing. `None` if nothing was estimated, or the sum is not finite.
///
/// # Panics
///
/// If the coefficients are not those of as many features.
pub(crate) fn linear_predictor(coefficients: &[Option<f64>], features: &[f64]) -> Option<f64> {
    let intercept = coefficients.len().checked_sub(features.len());
    assert!(matches!(intercept, Some(0 | 1)), "{} coefficients for {} features", coefficients.len(), features.len());
    if coefficients.iter().all(Option::is_none) {
        return None;
    }
    let (constant, slopes) = coefficients.split_at(coefficients.len() - features.len());
    let constant = constant.first().copied().flatten().unwrap_or(0.0);
    let known = slopes.iter().zip(features).filter_map(|(slope, value)| Some((slope.as_ref()?, value)));
    Some(known.fold(constant, |sum, (slope, value)| slope.mul_add(*value, sum))).filter(|sum| sum.is_finite())
}
