//! What a forest predicts for its own rows, by the trees that did not see them.

use crate::metrics::RegressionErrors;
use crate::trees::{Columns, Ensemble};

/// Sums of the predictions of the trees that a row was not drawn for.
#[derive(Debug)]
pub(super) struct OutOfBag {
    width: usize,
    /// Row-major.
    sums: Vec<f64>,
    trees: Vec<u32>,
    drawn: Vec<bool>,
}

impl OutOfBag {
    pub(super) fn new(rows: usize, width: usize) -> Self {
        Self { width, sums: vec![0.0; rows * width], trees: vec![0; rows], drawn: vec![false; rows] }
    }

    /// Adds what the last tree predicts for the rows that are not in its bag.
    pub(super) fn add(&mut self, trees: &Ensemble, columns: &Columns<'_>, bag: &[u32]) {
        self.drawn.fill(false);
        for row in bag {
            self.drawn[*row as usize] = true;
        }
        let tree = trees.len() - 1;
        for row in (0..columns.rows()).filter(|row| !self.drawn[*row]) {
            self.trees[row] += 1;
            let sums = &mut self.sums[row * self.width..(row + 1) * self.width];
            for (sum, value) in sums.iter_mut().zip(trees.leaf(tree, columns, row)) {
                *sum += value;
            }
        }
    }

    /// R² over the rows that some tree did not see.
    pub(super) fn r2(&self, targets: &[f64]) -> Option<f64> {
        let mut errors = RegressionErrors::default();
        for ((target, sum), trees) in targets.iter().zip(&self.sums).zip(&self.trees) {
            if *trees > 0 {
                errors.push(*target, sum / f64::from(*trees));
            }
        }
        errors.r2()
    }

    /// The share of the rows that some tree did not see whose class is the most likely one; of equally likely ones, the
    /// first.
    pub(super) fn accuracy(&self, of_rows: &[usize]) -> Option<f64> {
        let (mut right, mut rows) = (0u32, 0u32);
        for ((class, sums), trees) in of_rows.iter().zip(self.sums.chunks_exact(self.width)).zip(&self.trees) {
            if *trees > 0 {
                rows += 1;
                let likely = (0..self.width).fold(0, |best, k| if sums[k] > sums[best] { k } else { best });
                right += u32::from(likely == *class);
            }
        }
        (rows > 0).then(|| f64::from(right) / f64::from(rows))
    }
}
