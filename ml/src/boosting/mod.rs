//! Gradient boosted trees, grown from histograms.
//!
//! The model is `F(x) = baseline + Σ_t f_t(x)`: round `t` fits one tree per output to the gradients `g` and hessians `h` of
//! the loss at `F` so far, by the gain `G_L²/(H_L+λ) + G_R²/(H_R+λ) − G²/(H+λ)`, and its leaves are the Newton steps
//! `−η G/(H+λ)`. Values are binned (at most 255 bins, beside one for missing values, which go to the side that gains
//! more); the leaf that gains most is split first.
//!
//! Sources: J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29 (2001),
//! and "Stochastic gradient boosting" (2002); T. Chen, C. Guestrin, "XGBoost", KDD 2016; G. Ke et al., "LightGBM", NIPS
//! 2017. Where those leave a choice it is that of scikit-learn's `HistGradientBoosting`, which the tests compare with.

mod early_stopping;
mod fit;
mod loss;
mod objective;
mod trees;

pub use early_stopping::EarlyStopping;
pub use fit::{BoostingFit, fit_boosted_classes, fit_boosted_numbers};
pub use loss::{Loss, NumberLoss};
pub use trees::BoostedTrees;

use serde::{Deserialize, Serialize};

use crate::option_error::{OptionError, require};
use crate::trees::MAX_BINS;

/// What the user chooses about boosting. The defaults are scikit-learn's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BoostingOptions {
    /// Rounds at most; each adds a tree per output (one per class from three classes on).
    pub rounds: usize,
    /// The share η of each step that is taken.
    pub learning_rate: f64,
    /// Edges from a tree's root to a leaf at most; no limit if absent.
    pub max_depth: Option<usize>,
    /// Leaves of a tree at most; no limit if absent.
    pub max_leaves: Option<usize>,
    /// Rows of a leaf at least.
    pub min_samples_leaf: usize,
    /// The penalty λ on the leaves' values.
    pub l2: f64,
    /// Bins per feature at most, from 2 to 255.
    pub max_bins: usize,
    /// The share of the rows that a round is fitted on, drawn without repetition.
    pub subsample: f64,
    /// The share of the features that a tree may use.
    pub column_subsample: f64,
    /// When to stop before the last round; never if absent.
    pub early_stopping: Option<EarlyStopping>,
    /// What all that is drawn at random follows from. Give each group its own, so that the result does not depend on the
    /// order in which groups are fitted.
    pub seed: u64,
}

impl Default for BoostingOptions {
    fn default() -> Self {
        Self {
            rounds: 100,
            learning_rate: 0.1,
            max_depth: None,
            max_leaves: Some(31),
            min_samples_leaf: 20,
            l2: 0.0,
            max_bins: MAX_BINS,
            subsample: 1.0,
            column_subsample: 1.0,
            early_stopping: None,
            seed: 0,
        }
    }
}

impl BoostingOptions {
    /// Whether each option is within its range.
    pub fn check(&self) -> Result<(), OptionError> {
        // Taken apart without `..`, so that a new option cannot be forgotten here.
        let Self {
            rounds,
            learning_rate,
            max_depth,
            max_leaves,
            min_samples_leaf,
            l2,
            max_bins,
            subsample,
            column_subsample,
            early_stopping,
            seed: _,
        } = self;
        require(*rounds > 0, "rounds", "must be at least 1")?;
        require(*learning_rate > 0.0 && learning_rate.is_finite(), "learning_rate", "must be above 0")?;
        require(max_depth.is_none_or(|depth| depth > 0), "max_depth", "must be at least 1")?;
        require(max_leaves.is_none_or(|leaves| leaves > 1), "max_leaves", "must be at least 2")?;
        require(*min_samples_leaf > 0, "min_samples_leaf", "must be at least 1")?;
        require(*l2 >= 0.0 && l2.is_finite(), "l2", "must be zero or more")?;
        require((2..=MAX_BINS).contains(max_bins), "max_bins", "must be from 2 to 255")?;
        require(*subsample > 0.0 && *subsample <= 1.0, "subsample", "must be above 0 and at most 1")?;
        require(
            *column_subsample > 0.0 && *column_subsample <= 1.0,
            "column_subsample",
            "must be above 0 and at most 1",
        )?;
        early_stopping.as_ref().map_or(Ok(()), EarlyStopping::check)
    }
}
