//! What the user chooses about a logistic regression.

use serde::{Deserialize, Serialize};

use crate::needs::Needs;
use crate::option_error::{OptionError, require};

/// What coefficients `w` cost beside `c` times the loss: the smaller `c`, the smaller the coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Penalty {
    /// Nothing: the coefficients are the most likely ones, and have standard errors.
    None,
    /// `½ Σ w²`.
    L2 {
        /// What the loss is multiplied with, above zero.
        c: f64,
    },
    /// `Σ |w|`.
    L1 {
        /// What the loss is multiplied with, above zero.
        c: f64,
    },
    /// `l1_ratio Σ |w| + ½ (1 − l1_ratio) Σ w²`.
    ElasticNet {
        /// What the loss is multiplied with, above zero.
        c: f64,
        /// The share of absolute values, from 0 to 1.
        l1_ratio: f64,
    },
}

impl Penalty {
    /// What the loss is multiplied with, and what absolute values and half squares then cost.
    pub(super) fn costs(&self) -> (f64, f64, f64) {
        match *self {
            Self::None => (1.0, 0.0, 0.0),
            Self::L2 { c } => (c, 0.0, 1.0),
            Self::L1 { c } => (c, 1.0, 0.0),
            Self::ElasticNet { c, l1_ratio } => (c, l1_ratio, 1.0 - l1_ratio),
        }
    }
}

/// What the user chooses about a logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogisticOptions {
    /// Whether the model has a constant term, which is not penalised.
    pub intercept: bool,
    /// What coefficients cost.
    pub penalty: Penalty,
    /// How many steps are made at most.
    pub max_iterations: usize,
    /// The fall of the objective that the last step promises, as a share of it. As the steps converge quadratically, the
    /// coefficients are then right to about as many digits.
    pub tolerance: f64,
}

impl Default for LogisticOptions {
    /// With an intercept and scikit-learn's default penalty.
    fn default() -> Self {
        Self { intercept: true, penalty: Penalty::L2 { c: 1.0 }, max_iterations: 100, tolerance: 1e-10 }
    }
}

impl LogisticOptions {
    /// What the fit is made from.
    pub const NEEDS: Needs = Needs::Rows;

    /// # Errors
    ///
    /// If an option is outside its range.
    pub fn check(&self) -> Result<(), OptionError> {
        let (c, l1, _) = self.penalty.costs();
        require(c > 0.0 && c.is_finite(), "c", "must be above zero")?;
        require((0.0..=1.0).contains(&l1), "l1_ratio", "must be from 0 to 1")?;
        require(self.max_iterations > 0, "max_iterations", "must be one or more")?;
        require(self.tolerance >= 0.0 && self.tolerance.is_finite(), "tolerance", "must be zero or more")
    }
}
