//! What boosting minimises, and how a sum of trees becomes a prediction.

use serde::{Deserialize, Serialize};

/// What is minimised where the target is a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NumberLoss {
    /// `(y − F)² / 2`: predicts the mean.
    #[default]
    SquaredError,
    /// `|y − F|`: predicts the median. The leaves are the medians of their rows' residuals.
    AbsoluteError,
    /// `exp F − y F`, half of Poisson's deviance up to a constant: predicts the mean of counts, as `exp F`.
    Poisson,
}

/// What a model was fitted to minimise, which says how to read its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Of a number.
    Number(NumberLoss),
    /// `−ln p(class)` of so many classes, two or more. Two have one output, the log-odds of class 1; more have one each,
    /// and `p = softmax F`.
    Classes(usize),
}

impl Loss {
    /// Outputs of the model: trees per round.
    pub fn outputs(self) -> usize {
        match self {
            Self::Number(_) | Self::Classes(2) => 1,
            Self::Classes(classes) => classes,
        }
    }

    /// Values that a prediction has: one number, or a probability per class.
    pub fn prediction_width(self) -> usize {
        match self {
            Self::Number(_) => 1,
            Self::Classes(classes) => classes,
        }
    }

    /// Turns the sums of one row into a prediction.
    pub(crate) fn predict(self, sums: &[f64], prediction: &mut [f64]) {
        match self {
            Self::Number(NumberLoss::SquaredError | NumberLoss::AbsoluteError) => prediction[0] = sums[0],
            Self::Number(NumberLoss::Poisson) => prediction[0] = sums[0].exp(),
            Self::Classes(2) => {
                prediction[0] = logistic(-sums[0]);
                prediction[1] = logistic(sums[0]);
            }
            Self::Classes(_) => softmax(sums, prediction),
        }
    }
}

/// `1 / (1 + exp −x)`.
pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `exp F_k / Σ exp F`, without overflow.
pub(super) fn softmax(sums: &[f64], shares: &mut [f64]) {
    let largest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for (share, sum) in shares.iter_mut().zip(sums) {
        *share = (sum - largest).exp();
        total += *share;
    }
    for share in shares {
        *share /= total;
    }
}
