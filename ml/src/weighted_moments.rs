//! Centred moments of rows that do not all count the same.
//!
//! Source: D. H. D. West, "Updating mean and variance estimates: an improved method", Communications of the ACM 22
//! (1979), which is Welford's update with a weight, and the pairwise merge of Chan, Golub and LeVeque (1979) likewise.

use serde::{Deserialize, Serialize};

use crate::moments::packed_len;
use crate::summary::Summary;

/// What the weight of a row means. The coefficients are the same; their errors are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightKind {
    /// The row's precision: its error has the variance `sigma² / weight`, and it is one observation however much it
    /// weighs. Only the proportions matter. This is what `WLS` of statsmodels and `lm` of R take weights for.
    #[default]
    Analytic,
    /// How many observations the row stands for, a whole number: the fit is that of the table with each row repeated so
    /// often.
    Frequency,
}

/// The weighted moments of one group. With weights `w`: the means are `Σ w x / Σ w`, and the packed upper triangle of
/// cross-products has `C[i,j] = Σ w (x_i − mean_i)(x_j − mean_j)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightedMoments {
    /// How many rows of a positive weight were pushed.
    pub count: u64,
    /// `Σ w`.
    pub weight: f64,
    /// `Σ ln w`, which the likelihood of analytic weights has.
    pub log_weight: f64,
    /// The weighted mean of each variable.
    pub mean: Vec<f64>,
    /// The packed upper triangle of the weighted, centred cross-products.
    pub comoment: Vec<f64>,
}

impl WeightedMoments {
    /// The moments of no rows.
    pub fn new(variables: usize) -> Self {
        Self {
            count: 0,
            weight: 0.0,
            log_weight: 0.0,
            mean: vec![0.0; variables],
            comoment: vec![0.0; packed_len(variables)],
        }
    }

    /// Adds one row (West 1979). With `d = row − mean`, `W` the weight before and `w` that of the row:
    /// `C[i,j] += W w / (W + w) · d_i · d_j`, then `mean += w / (W + w) · d`.
    ///
    /// A row of weight zero changes nothing. A negative weight, or one that is not a number, makes all moments NaN,
    /// which a fit reports as such.
    pub fn push(&mut self, row: &[f64], weight: f64) {
        debug_assert_eq!(row.len(), self.mean.len());
        if weight == 0.0 {
            return;
        }
        let weight = if weight > 0.0 { weight } else { f64::NAN };
        let before = self.weight;
        self.count += 1;
        self.weight += weight;
        self.log_weight += weight.ln();
        let share = weight / self.weight;
        self.add_products(before * share, row);
        for (mean, value) in self.mean.iter_mut().zip(row) {
            *mean += share * (value - *mean);
        }
    }

    /// Adds the rows another state was built from, as [`MomentsMut::merge`](crate::MomentsMut::merge) does.
    pub fn merge(&mut self, other: &Self) {
        debug_assert_eq!(other.mean.len(), self.mean.len());
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            self.clone_from(other);
            return;
        }
        let before = self.weight;
        self.count += other.count;
        self.weight += other.weight;
        self.log_weight += other.log_weight;
        let share = other.weight / self.weight;
        self.add_products(before * share, &other.mean);
        for (mine, theirs) in self.comoment.iter_mut().zip(&other.comoment) {
            *mine += theirs;
        }
        for (mine, theirs) in self.mean.iter_mut().zip(&other.mean) {
            *mine += share * (theirs - *mine);
        }
    }

    fn add_products(&mut self, weight: f64, values: &[f64]) {
        let mut k = 0;
        for i in 0..values.len() {
            let weighted = weight * (values[i] - self.mean[i]);
            for (value, mean) in values[i..].iter().zip(&self.mean[i..]) {
                self.comoment[k] += weighted * (value - mean);
                k += 1;
            }
        }
    }

    /// A view to fit from.
    pub fn summary(&self, kind: WeightKind) -> Summary<'_> {
        let Self { count, weight, log_weight, ref mean, ref comoment } = *self;
        match kind {
            WeightKind::Analytic => Summary { count, weight, log_weight, mean, comoment },
            // Whole numbers, whose sum may have been rounded.
            WeightKind::Frequency => Summary { count: weight.round() as u64, weight, log_weight: 0.0, mean, comoment },
        }
    }
}
