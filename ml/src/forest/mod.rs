//! Random forests: the mean of many deep trees, each grown on its own sample of the rows.
//!
//! `F(x) = Σ_t f_t(x) / T`. Tree `t` is grown on `n` rows drawn with repetition; each node may split by a few features only,
//! drawn anew, and takes the split that decreases the variance of the target (numbers) or the Gini impurity (classes) most.
//! A leaf is the mean of its rows' targets, or the share of each class.
//!
//! Sources: L. Breiman, "Random forests", Machine Learning 45 (2001); the defaults are scikit-learn's.
//!
//! The trees are grown by our own histogram grower and not by smartcore, although that has forests: its nodes are private
//! and can only be had through its `serde` layout, which no version promises and which a stored model would then hang on;
//! its random numbers are those of `rand::rngs::StdRng`, which may change with any version of `rand`, so that the same seed
//! would give another model after an update; and it takes no missing values. The grower is needed for boosting anyway. The
//! price is that a feature with more than 255 distinct values is split at its 255-quantiles only.

mod fit;
mod out_of_bag;

pub use fit::{ForestFit, fit_forest_classes, fit_forest_numbers};

use serde::{Deserialize, Serialize};

use crate::option_error::{OptionError, require};
use crate::trees::{Columns, Ensemble, MAX_BINS};

/// What the user chooses about a forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ForestOptions {
    /// The number of trees.
    pub trees: usize,
    /// Edges from a tree's root to a leaf at most; no limit if absent.
    pub max_depth: Option<usize>,
    /// Leaves of a tree at most; no limit if absent.
    pub max_leaves: Option<usize>,
    /// Rows of a leaf at least, repeated ones counted as often as they were drawn.
    pub min_samples_leaf: usize,
    /// The share of the features that a node may choose from, at least one of them. Where absent it is the square root of
    /// their number for classes, and all of them for numbers.
    pub features_per_split: Option<f64>,
    /// Whether each tree has its own sample, with repetition. Without, all see the same rows and there is no out-of-bag
    /// score.
    pub bootstrap: bool,
    /// Bins per feature at most, from 2 to 255.
    pub max_bins: usize,
    /// What all that is drawn at random follows from. Give each group its own, so that the result does not depend on the
    /// order in which groups are fitted.
    pub seed: u64,
}

impl Default for ForestOptions {
    fn default() -> Self {
        Self {
            trees: 100,
            max_depth: None,
            max_leaves: None,
            min_samples_leaf: 1,
            features_per_split: None,
            bootstrap: true,
            max_bins: MAX_BINS,
            seed: 0,
        }
    }
}

impl ForestOptions {
    /// Whether each option is within its range.
    pub fn check(&self) -> Result<(), OptionError> {
        // Taken apart without `..`, so that a new option cannot be forgotten here.
        let Self {
            trees,
            max_depth,
            max_leaves,
            min_samples_leaf,
            features_per_split,
            bootstrap: _,
            max_bins,
            seed: _,
        } = self;
        require(*trees > 0, "trees", "must be at least 1")?;
        require(max_depth.is_none_or(|depth| depth > 0), "max_depth", "must be at least 1")?;
        require(max_leaves.is_none_or(|leaves| leaves > 1), "max_leaves", "must be at least 2")?;
        require(*min_samples_leaf > 0, "min_samples_leaf", "must be at least 1")?;
        let is_share = features_per_split.is_none_or(|share| share > 0.0 && share <= 1.0);
        require(is_share, "features_per_split", "must be above 0 and at most 1")?;
        require((2..=MAX_BINS).contains(max_bins), "max_bins", "must be from 2 to 255")
    }
}

/// A fitted forest. Each leaf has the mean of the target, or the share of each class.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    /// The trees; as many values per leaf as a prediction has.
    pub trees: Ensemble,
}

impl Forest {
    /// Predictions, row-major: a number per row, or a probability per class.
    pub fn predict(&self, columns: &Columns<'_>) -> Vec<f64> {
        let width = self.trees.width;
        let share = 1.0 / self.trees.len() as f64;
        let mut predictions = vec![0.0; columns.rows() * width];
        for (row, prediction) in predictions.chunks_exact_mut(width).enumerate() {
            for tree in 0..self.trees.len() {
                for (sum, value) in prediction.iter_mut().zip(self.trees.leaf(tree, columns, row)) {
                    *sum += value;
                }
            }
            prediction.iter_mut().for_each(|value| *value *= share);
        }
        predictions
    }
}
