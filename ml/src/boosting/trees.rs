//! The fitted model.

use crate::trees::{Columns, Ensemble};

use super::loss::Loss;

/// Boosted trees. Tree `t` adds to output `t mod outputs`.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostedTrees {
    /// What was minimised.
    pub loss: Loss,
    /// What the outputs are before the first tree.
    pub baseline: Vec<f64>,
    /// One value per leaf, the learning rate included.
    pub trees: Ensemble,
}

impl BoostedTrees {
    /// Predictions, row-major: a number per row, or a probability per class.
    pub fn predict(&self, columns: &Columns<'_>) -> Vec<f64> {
        let width = self.loss.prediction_width();
        let mut sums = vec![0.0; self.baseline.len()];
        let mut predictions = vec![0.0; columns.rows() * width];
        for (row, prediction) in predictions.chunks_exact_mut(width).enumerate() {
            sums.copy_from_slice(&self.baseline);
            for tree in 0..self.trees.len() {
                sums[tree % self.baseline.len()] += self.trees.leaf(tree, columns, row)[0];
            }
            self.loss.predict(&sums, prediction);
        }
        predictions
    }
}
