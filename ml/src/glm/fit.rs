//! The result of a generalised linear model.

use serde::{Deserialize, Serialize};

use crate::predict::linear_predictor;
use crate::status::FitStatus;

use super::family::Link;

/// The fit of one group. Every value that is present is finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GlmFit {
    /// How the fit ended.
    pub status: FitStatus,
    /// What the linear sum is of the expectation.
    pub link: Link,
    /// The 0-based indices of the features that depend linearly on the terms before them.
    pub dropped: Vec<usize>,
    /// The estimate of each term: the intercept first where there is one, then the features in order.
    pub coefficients: Vec<Option<f64>>,
    /// The standard error of each term: the root of the diagonal of `dispersion · (Xᵀ W X)⁻¹`.
    pub std_errors: Vec<Option<f64>>,
    /// Each coefficient divided by its standard error.
    pub z_values: Vec<Option<f64>>,
    /// `P(|Z| > |z|)` of each term, for a standard normal Z.
    pub p_values: Vec<Option<f64>>,
    /// Twice the logarithm by which the likelihood is below that of a model with a term per row, not divided by the
    /// dispersion.
    pub deviance: Option<f64>,
    /// The deviance of the mean of the target alone.
    pub null_deviance: Option<f64>,
    /// `Σ (y − μ)² / V(μ)`, weighted as the rows are.
    pub pearson_chi2: Option<f64>,
    /// What the variance is multiplied with: `pearson_chi2 / df_residual` for gamma, 1 for the others.
    pub dispersion: Option<f64>,
    /// What the rows weigh together, less the number of estimated terms.
    pub df_residual: Option<f64>,
    /// The logarithm of the likelihood at the coefficients and the dispersion.
    pub log_likelihood: Option<f64>,
    /// `−2 log_likelihood + 2 terms`; the dispersion is not counted.
    pub aic: Option<f64>,
    /// How many steps were made.
    pub iterations: usize,
}

impl GlmFit {
    /// A fit that estimated nothing.
    pub(super) fn empty(status: FitStatus, link: Link, terms: usize) -> Self {
        Self {
            status,
            link,
            dropped: Vec::new(),
            coefficients: vec![None; terms],
            std_errors: vec![None; terms],
            z_values: vec![None; terms],
            p_values: vec![None; terms],
            deviance: None,
            null_deviance: None,
            pearson_chi2: None,
            dispersion: None,
            df_residual: None,
            log_likelihood: None,
            aic: None,
            iterations: 0,
        }
    }

    /// What the model expects of a row with these features: `None` if nothing was estimated, or where the link has no
    /// expectation of the sum.
    ///
    /// # Panics
    ///
    /// If there are not as many as the fit had.
    pub fn predict(&self, features: &[f64]) -> Option<f64> {
        let eta = linear_predictor(&self.coefficients, features)?;
        self.link.inverse(eta).map(|(mu, _)| mu)
    }
}
