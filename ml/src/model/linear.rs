//! The stored form of all linear models, however they were fitted.

use std::f64::consts::FRAC_1_SQRT_2;

use crate::moments::{packed_index, packed_len};

use super::error::ModelError;
use super::interval::critical_value;

/// Coefficients of terms.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModel {
    /// How it was fitted.
    pub method: LinearMethod,
    /// From the linear combination to the prediction.
    pub link: Link,
    /// The terms that have a coefficient, among those of the model and in their order. Dropped terms are not there.
    pub terms: Vec<String>,
    /// A constant per output; empty in a model without.
    pub intercepts: Vec<f64>,
    /// Output-major: `coefficients[output * terms + term]`.
    pub coefficients: Vec<f64>,
    /// What prediction intervals need, where the model has them.
    pub uncertainty: Option<Uncertainty>,
}

/// How a linear model was fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinearMethod {
    /// Ordinary or weighted least squares.
    Ols,
    /// Least squares with an L2 penalty.
    Ridge,
    /// Least squares with an L1 penalty.
    Lasso,
    /// Least squares with both penalties.
    ElasticNet,
    /// Logistic regression of two or more classes.
    Logistic,
    /// A generalised linear model.
    Glm,
}

/// From the linear combination η to the prediction μ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// `μ = η`
    Identity,
    /// `μ = exp η`
    Log,
    /// `μ = 1 / η`
    Inverse,
    /// `μ = η²`
    Sqrt,
    /// `μ = 1 / (1 + exp −η)`; with two classes, the probability of the second.
    Logit,
    /// `μ = Φ(η)`, of the standard normal distribution.
    Probit,
    /// `μ = 1 − exp(−exp η)`
    Cloglog,
    /// `μ_k = exp η_k / Σ exp η`, with an output per class.
    Softmax,
}

/// What the prediction interval of least squares needs: `ŷ ± t(level, df) σ √(1 + x' (X'X)⁻¹ x)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Uncertainty {
    /// The residual standard deviation σ.
    pub sigma: f64,
    /// Its degrees of freedom.
    pub df: f64,
    /// `(X'X)⁻¹` as its packed upper triangle, row by row, over the intercept (where there is one, first) and the terms.
    pub inverse_gram: Vec<f64>,
}

impl LinearModel {
    /// Outputs of the model.
    pub fn outputs(&self, classes: usize) -> usize {
        if self.link == Link::Softmax { classes } else { 1 }
    }

    pub(super) fn check(&self, terms: &[String], classes: usize) -> Result<(), ModelError> {
        let invalid = |what: &str| Err(ModelError::Invalid(what.to_owned()));
        let fits = match (self.link, classes) {
            (Link::Softmax, classes) => classes >= 2,
            (Link::Logit, 0 | 2) | (_, 0) => true,
            _ => false,
        };
        if !fits {
            return invalid("the link is not one for these classes");
        }
        if self.places(terms).is_none() {
            return invalid("a coefficient is of a term that no feature has");
        }
        let outputs = self.outputs(classes);
        if !(self.intercepts.is_empty() || self.intercepts.len() == outputs)
            || Some(self.coefficients.len()) != outputs.checked_mul(self.terms.len())
        {
            return invalid("there is not a coefficient per output and term");
        }
        let Some(Uncertainty { sigma: _, df: _, inverse_gram }) = &self.uncertainty else { return Ok(()) };
        if self.link != Link::Identity || inverse_gram.len() != packed_len(self.gram_size()) {
            return invalid("the inverse of X'X is not one for these terms");
        }
        Ok(())
    }

    /// Where each term with a coefficient is among all terms. They are in the same order, so each is looked for after the
    /// one before it.
    pub(super) fn places(&self, terms: &[String]) -> Option<Vec<usize>> {
        let mut all = terms.iter().enumerate();
        self.terms.iter().map(|term| all.find(|(_, other)| *other == term).map(|(place, _)| place)).collect()
    }

    /// The prediction of one row, whose values are those of the model's terms.
    pub(super) fn predict(&self, row: &[f64], sums: &mut [f64], prediction: &mut [f64]) {
        for (output, sum) in sums.iter_mut().enumerate() {
            let coefficients = &self.coefficients[output * self.terms.len()..(output + 1) * self.terms.len()];
            let constant = self.intercepts.get(output).copied().unwrap_or(0.0);
            *sum = coefficients.iter().zip(row).fold(constant, |sum, (c, x)| c.mul_add(*x, sum));
        }
        let eta = sums[0];
        let mean = match self.link {
            Link::Identity => eta,
            Link::Log => eta.exp(),
            Link::Inverse => 1.0 / eta,
            Link::Sqrt => eta * eta,
            Link::Logit => 1.0 / (1.0 + (-eta).exp()),
            // Of the small tail, which keeps its digits.
            Link::Probit => libm::erfc(-eta * FRAC_1_SQRT_2) / 2.0,
            Link::Cloglog => -(-eta.exp()).exp_m1(),
            Link::Softmax => {
                let largest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = sums.iter().map(|sum| (sum - largest).exp()).sum();
                for (share, sum) in prediction.iter_mut().zip(sums.iter()) {
                    *share = (sum - largest).exp() / total;
                }
                return;
            }
        };
        match prediction {
            [value] => *value = mean,
            // Two classes: the first one's share is computed as itself, so that a small one keeps its digits.
            [first, second] => (*first, *second) = (1.0 / (1.0 + eta.exp()), mean),
            _ => {}
        }
    }

    /// `t(level, df) σ`, by which [`Self::spread`] is multiplied.
    pub(super) fn interval_scale(&self, level: f64) -> Option<f64> {
        let Uncertainty { sigma, df, inverse_gram: _ } = self.uncertainty.as_ref()?;
        Some(critical_value(level, *df) * sigma)
    }

    /// `√(1 + x' (X'X)⁻¹ x)` of one row.
    pub(super) fn spread(&self, row: &[f64]) -> f64 {
        let Some(Uncertainty { inverse_gram, .. }) = &self.uncertainty else { return f64::NAN };
        let size = self.gram_size();
        let first = size - row.len();
        let value = |place: usize| if place < first { 1.0 } else { row[place - first] };
        let mut form = 0.0;
        for i in 0..size {
            for j in i..size {
                let twice = if i == j { 1.0 } else { 2.0 };
                form += twice * inverse_gram[packed_index(size, i, j)] * value(i) * value(j);
            }
        }
        (1.0 + form).sqrt()
    }

    fn gram_size(&self) -> usize {
        self.terms.len() + usize::from(!self.intercepts.is_empty())
    }
}
