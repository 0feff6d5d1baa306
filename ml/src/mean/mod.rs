//! The model that any other has to beat: the mean of the target, or the share of each class.

use crate::status::FitStatus;

/// The mean of a number over rows, as a state that merges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeanState {
    /// How many rows were pushed.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// `Σ (y − mean)²`.
    pub spread: f64,
}

/// A fitted mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanFit {
    /// How the fit ended.
    pub status: FitStatus,
    /// `ȳ = Σ y / n`.
    pub mean: Option<f64>,
    /// The standard deviation of a row around the mean, `√(Σ (y − ȳ)² / (n − 1))`; missing for a single row.
    pub sigma: Option<f64>,
}

impl MeanState {
    /// Adds one row (Welford 1962, as [`crate::moments`]).
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let deviation = value - self.mean;
        self.mean += deviation / self.count as f64;
        self.spread += deviation * (value - self.mean);
    }

    /// Adds the rows of another state, in any order (Chan, Golub and LeVeque 1979).
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let before = self.count as f64;
        self.count += other.count;
        let share = other.count as f64 / self.count as f64;
        let deviation = other.mean - self.mean;
        self.mean += share * deviation;
        self.spread += other.spread + before * share * deviation * deviation;
    }

    /// The mean of what was added.
    pub fn fit(&self) -> MeanFit {
        let failed = |status| MeanFit { status, mean: None, sigma: None };
        if self.count == 0 {
            return failed(FitStatus::TooFewRows);
        }
        if !self.mean.is_finite() || !self.spread.is_finite() {
            return failed(FitStatus::NonFinite);
        }
        let sigma = (self.count > 1).then(|| (self.spread / (self.count - 1) as f64).sqrt());
        MeanFit { status: FitStatus::Ok, mean: Some(self.mean), sigma }
    }
}

/// How many rows are of each class, as a state that merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassCounts(Vec<u64>);

impl ClassCounts {
    /// No rows of so many classes.
    pub fn new(classes: usize) -> Self {
        Self(vec![0; classes])
    }

    /// Adds one row.
    ///
    /// # Panics
    ///
    /// If there is no such class.
    pub fn push(&mut self, class: usize) {
        self.0[class] += 1;
    }

    /// Adds the rows of another state, in any order.
    ///
    /// # Panics
    ///
    /// If it is about another number of classes.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.0.len(), other.0.len());
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// The share of each class, `n_k / n`, or `None` without rows.
    pub fn frequencies(&self) -> Option<Vec<f64>> {
        let total: u64 = self.0.iter().sum();
        (total > 0).then(|| self.0.iter().map(|count| *count as f64 / total as f64).collect())
    }
}
