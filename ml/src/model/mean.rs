//! The stored baseline.

use super::interval::critical_value;

/// The mean of a number, or the share of each class.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanModel {
    /// One number, or a share per class.
    pub values: Vec<f64>,
    /// The rows that it is the mean of.
    pub rows: u64,
    /// The standard deviation of a row around the mean, where there is one.
    pub sigma: Option<f64>,
}

impl MeanModel {
    /// How far a new row is from the mean at most, with a probability of `level`:
    /// `t(level, n − 1) σ √(1 + 1/n)`.
    pub(super) fn half_width(&self, level: f64) -> Option<f64> {
        let (rows, sigma) = (self.rows as f64, self.sigma?);
        (self.rows > 1).then(|| critical_value(level, rows - 1.0) * sigma * (1.0 + 1.0 / rows).sqrt())
    }
}
