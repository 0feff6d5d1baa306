//! The result of a logistic regression.

use serde::{Deserialize, Serialize};

use crate::predict::linear_predictor;
use crate::status::FitStatus;

/// The fit of one group. Every value that is present is finite.
///
/// With two classes there is one list of terms, which are those of the second one: its log odds are
/// `intercept + Σ coefficient · feature`. With `k > 2` there are `k` lists, and the probabilities are the softmax of their
/// `k` sums; as only differences between classes matter, the intercepts sum to zero, and where nothing is penalised so do
/// the coefficients of each feature. With absolute penalties alone and an even number of classes several lists are equally
/// good, and equal in their probabilities: one of them is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogisticFit {
    /// How the fit ended.
    pub status: FitStatus,
    /// The values of the target, ascending.
    pub classes: Vec<f64>,
    /// The 0-based indices of features that depend linearly on the ones before them, where nothing is penalised.
    pub dropped: Vec<usize>,
    /// Per class, or the second of two, the estimate of each term: the intercept first where there is one, then the
    /// features in order.
    pub coefficients: Vec<Vec<Option<f64>>>,
    /// The standard error of each term, with two classes and no penalty: from the inverse of the information matrix.
    pub std_errors: Vec<Option<f64>>,
    /// Each coefficient divided by its standard error.
    pub z_values: Vec<Option<f64>>,
    /// `P(|Z| > |z|)` of each term, for a standard normal Z.
    pub p_values: Vec<Option<f64>>,
    /// `Σ ln P(class)`, weighted as the rows are, at the coefficients.
    pub log_likelihood: Option<f64>,
    /// That of the model that knows only how frequent each class is, or without an intercept takes all for equally
    /// likely.
    pub null_log_likelihood: Option<f64>,
    /// McFadden's `1 − log_likelihood / null_log_likelihood`.
    pub pseudo_r2: Option<f64>,
    /// `−2 log_likelihood + 2 terms`, where nothing is penalised.
    pub aic: Option<f64>,
    /// `−2 log_likelihood + terms · ln n`, where nothing is penalised; `n` is what the rows weigh together.
    pub bic: Option<f64>,
    /// How many steps were made.
    pub iterations: usize,
}

impl LogisticFit {
    /// A fit that estimated nothing.
    pub(super) fn empty(status: FitStatus, classes: Vec<f64>, terms: usize) -> Self {
        let lists = if classes.len() > 2 { classes.len() } else { 1 };
        Self {
            status,
            classes,
            dropped: Vec::new(),
            coefficients: vec![vec![None; terms]; lists],
            std_errors: vec![None; terms],
            z_values: vec![None; terms],
            p_values: vec![None; terms],
            log_likelihood: None,
            null_log_likelihood: None,
            pseudo_r2: None,
            aic: None,
            bic: None,
            iterations: 0,
        }
    }

    /// The probability of each class for a row with these features, `None` if nothing was estimated.
    ///
    /// # Panics
    ///
    /// If there are not as many as the fit had.
    pub fn probabilities(&self, features: &[f64]) -> Option<Vec<f64>> {
        let mut scores = Vec::with_capacity(self.classes.len());
        if self.coefficients.len() == 1 {
            scores.push(0.0);
        }
        for coefficients in &self.coefficients {
            scores.push(linear_predictor(coefficients, features)?);
        }
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        scores.iter_mut().for_each(|score| *score = (*score - highest).exp());
        let sum: f64 = scores.iter().sum();
        scores.iter_mut().for_each(|score| *score /= sum);
        Some(scores)
    }

    /// The most probable class for a row with these features, the first one of several.
    ///
    /// # Panics
    ///
    /// If there are not as many as the fit had.
    pub fn predict(&self, features: &[f64]) -> Option<f64> {
        let probabilities = self.probabilities(features)?;
        let mut best = 0;
        for (class, probability) in probabilities.iter().enumerate() {
            if *probability > probabilities[best] {
                best = class;
            }
        }
        self.classes.get(best).copied()
    }
}
