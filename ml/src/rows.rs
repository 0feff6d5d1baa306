//! The rows of one group, as estimators that need them all take them.

use crate::design::dot;
use crate::moments::Moments;
use crate::weighted_moments::WeightedMoments;

/// How many rows are taken into moments at a time: of a few hundred features, what a core's cache holds.
const BLOCK: usize = 256;

/// The rows of one group by column, borrowed. The caller has left out rows with a missing value.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    features: &'a [&'a [f64]],
    target: &'a [f64],
    weights: Option<&'a [f64]>,
}

impl<'a> Rows<'a> {
    /// Rows that all count the same.
    ///
    /// # Panics
    ///
    /// If a feature has not as many values as the target.
    pub fn new(features: &'a [&'a [f64]], target: &'a [f64]) -> Self {
        assert!(features.iter().all(|column| column.len() == target.len()), "a feature has not one value per row");
        Self { features, target, weights: None }
    }

    /// The rows with a weight each, zero or more; a row of weight zero is as if it were not there.
    ///
    /// # Panics
    ///
    /// If there is not one weight per row.
    pub fn with_weights(self, weights: &'a [f64]) -> Self {
        assert_eq!(weights.len(), self.target.len(), "there is not one weight per row");
        Self { weights: Some(weights), ..self }
    }

    /// The columns that explain.
    pub fn features(&self) -> &'a [&'a [f64]] {
        self.features
    }

    /// The column that is explained.
    pub fn target(&self) -> &'a [f64] {
        self.target
    }

    /// The weights, where the rows have some.
    pub fn weights(&self) -> Option<&'a [f64]> {
        self.weights
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.target.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.target.is_empty()
    }

    /// The weight of row `i`, 1 where the rows have none.
    pub fn weight(&self, i: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[i])
    }

    /// Whether every value and weight is finite and no weight negative.
    pub fn are_usable(&self) -> bool {
        self.features.iter().chain([&self.target]).all(|column| column.iter().all(|value| value.is_finite()))
            && self.weights.is_none_or(|weights| weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0))
    }

    /// The moments of the features and, last, the target; weights are left aside.
    ///
    /// They are taken block by block, in two passes over each, and merged: faster and more accurate than row by row.
    pub fn moments(&self) -> Moments {
        let variables = self.features.len() + 1;
        let mut total = Moments::new(variables);
        let mut block = Moments::new(variables);
        let mut centred = vec![0.0; variables * BLOCK.min(self.len())];
        for start in (0..self.len()).step_by(BLOCK) {
            let rows = BLOCK.min(self.len() - start);
            for (j, column) in self.features.iter().chain([&self.target]).enumerate() {
                let values = &column[start..start + rows];
                // About the first value, so that a constant column has exactly its mean.
                let first = values[0];
                let mean = first + values.iter().map(|value| value - first).sum::<f64>() / rows as f64;
                block.mean[j] = mean;
                for (entry, value) in centred[j * rows..(j + 1) * rows].iter_mut().zip(values) {
                    *entry = value - mean;
                }
            }
            block.count = rows as f64;
            let mut columns = centred[..variables * rows].chunks_exact(rows);
            let mut entries = block.comoment.iter_mut();
            while let Some(column) = columns.next() {
                let others = std::iter::once(column).chain(columns.clone());
                for (other, entry) in others.zip(&mut entries) {
                    *entry = dot(column, other);
                }
            }
            total.as_mut().merge(block.as_ref());
        }
        total
    }

    /// As [`Rows::moments`], weighted.
    pub fn weighted_moments(&self) -> WeightedMoments {
        let mut moments = WeightedMoments::new(self.features.len() + 1);
        self.for_each_row(&mut vec![0.0; self.features.len() + 1], |i, row| moments.push(row, self.weight(i)));
        moments
    }

    /// Calls `each` with the number of every row and its values, the target last, which it puts into `row`.
    pub(crate) fn for_each_row(&self, row: &mut [f64], mut each: impl FnMut(usize, &[f64])) {
        for i in 0..self.len() {
            for (value, column) in row.iter_mut().zip(self.features.iter().chain([&self.target])) {
                *value = column[i];
            }
            each(i, row);
        }
    }
}
