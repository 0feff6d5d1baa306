//! Errors of predicted numbers.

/// Sums over rows from which the metrics of a regression follow.
///
/// The target's spread, which R² refers to, is centred as it grows, as in [`crate::moments`]: raw sums of squares lose it
/// to cancellation where the target's mean is large.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegressionErrors {
    count: u64,
    squared: f64,
    absolute: f64,
    /// `Σ |error / target|` over the rows whose target is not 0, and how many they are.
    relative: f64,
    relative_count: u64,
    target_mean: f64,
    target_spread: f64,
}

impl RegressionErrors {
    /// The sums of one slice of rows.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    pub fn of(targets: &[f64], predictions: &[f64]) -> Self {
        assert_eq!(targets.len(), predictions.len());
        let mut errors = Self::default();
        for (target, prediction) in targets.iter().zip(predictions) {
            errors.push(*target, *prediction);
        }
        errors
    }

    /// Adds one row.
    pub fn push(&mut self, target: f64, prediction: f64) {
        let error = target - prediction;
        self.count += 1;
        self.squared = error.mul_add(error, self.squared);
        self.absolute += error.abs();
        if target != 0.0 {
            self.relative += (error / target).abs();
            self.relative_count += 1;
        }
        let deviation = target - self.target_mean;
        self.target_mean += deviation / self.count as f64;
        self.target_spread += deviation * (target - self.target_mean);
    }

    /// Adds the rows of another value, in any order.
    pub fn merge(&mut self, other: &Self) {
        let Self { count, squared, absolute, relative, relative_count, target_mean, target_spread } = other;
        if *count == 0 {
            return;
        }
        let (before, added) = (self.count as f64, *count as f64);
        self.count += count;
        let share = added / self.count as f64;
        let deviation = target_mean - self.target_mean;
        self.target_spread += target_spread + before * share * deviation * deviation;
        self.target_mean += share * deviation;
        self.squared += squared;
        self.absolute += absolute;
        self.relative += relative;
        self.relative_count += relative_count;
    }

    /// How many rows were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean squared error, `Σ (y − ŷ)² / n`.
    pub fn mse(&self) -> Option<f64> {
        self.mean(self.squared)
    }

    /// Root of the mean squared error.
    pub fn rmse(&self) -> Option<f64> {
        self.mse().map(f64::sqrt)
    }

    /// Mean absolute error, `Σ |y − ŷ| / n`.
    pub fn mae(&self) -> Option<f64> {
        self.mean(self.absolute)
    }

    /// Coefficient of determination, `1 − Σ (y − ŷ)² / Σ (y − ȳ)²`; below 0 for predictions that are worse than the mean.
    ///
    /// Missing where all targets are equal: scikit-learn says 1 or 0 there, by whether the predictions are exact.
    pub fn r2(&self) -> Option<f64> {
        finite(1.0 - self.squared / self.target_spread).filter(|_| self.target_spread > 0.0)
    }

    /// Mean absolute percentage error as a fraction (0.1 is 10 %), `Σ |y − ŷ| / |y| / n`, over the rows with `y ≠ 0`.
    ///
    /// scikit-learn divides by 2e-16 in the other rows, which makes the mean say nothing of the rest.
    pub fn mean_absolute_percentage_error(&self) -> Option<f64> {
        finite(self.relative / self.relative_count as f64)
    }

    fn mean(&self, sum: f64) -> Option<f64> {
        finite(sum / self.count as f64)
    }
}

/// The median of `|y − ŷ| / |y|` over the rows with `y ≠ 0`, as a fraction; the mean of the middle two if they are even.
///
/// # Panics
///
/// If the slices differ in length.
pub fn median_absolute_percentage_error(targets: &[f64], predictions: &[f64]) -> Option<f64> {
    assert_eq!(targets.len(), predictions.len());
    let rows = targets.iter().zip(predictions).filter(|(target, _)| **target != 0.0);
    let mut errors: Vec<f64> = rows.map(|(target, prediction)| ((target - prediction) / target).abs()).collect();
    finite(median(&mut errors)?)
}

/// The middle value, or the mean of the middle two; the order of the values is lost.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !even {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(lower + (upper - lower) / 2.0)
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
