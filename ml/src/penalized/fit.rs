//! The result of a penalised least squares fit.

use serde::{Deserialize, Serialize};

use crate::predict::linear_predictor;
use crate::status::FitStatus;
use crate::summary::Summary;

use super::problem::Problem;

/// The fit of one group by ridge, lasso or elastic net. Every value that is present is finite.
///
/// There are no standard errors: those of least squares do not hold for coefficients that were shrunk or chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PenalizedFit {
    /// How the fit ended.
    pub status: FitStatus,
    /// The 0-based indices of features that depend linearly on the ones before them, where nothing is penalised.
    pub dropped: Vec<usize>,
    /// The estimate of each term: the intercept first where there is one, then the features in order.
    pub coefficients: Vec<Option<f64>>,
    /// What was penalised with.
    pub alpha: f64,
    /// The share of the variation of the target, about its mean or without an intercept about zero, that the model
    /// explains of the rows it was fitted on. Missing for a target that does not vary.
    pub r2: Option<f64>,
    /// The root of the mean squared residual.
    pub rmse: Option<f64>,
    /// How many slopes are not zero.
    pub nonzero: usize,
    /// How often all coefficients were gone through; 0 where they are solved for at once.
    pub iterations: usize,
    /// How far the objective may still be above its minimum, as a share of the sum of squares of the target.
    pub duality_gap: Option<f64>,
}

impl PenalizedFit {
    pub(super) fn empty(status: FitStatus, terms: usize, alpha: f64) -> Self {
        Self {
            status,
            dropped: Vec::new(),
            coefficients: vec![None; terms],
            alpha,
            r2: None,
            rmse: None,
            nonzero: 0,
            iterations: 0,
            duality_gap: None,
        }
    }

    /// The fit with the scaled slopes `u`, or `None` if a coefficient is not finite.
    pub(super) fn of_slopes(
        summary: Summary<'_>,
        problem: &Problem,
        intercept: bool,
        alpha: f64,
        u: &[f64],
    ) -> Option<Self> {
        let first_slope = usize::from(intercept);
        let mut fit = Self::empty(FitStatus::Ok, u.len() + first_slope, alpha);
        let (means, target_mean) = summary.mean.split_at(u.len());
        let mut constant = target_mean[0];
        for (j, value) in u.iter().enumerate() {
            let slope = if *value == 0.0 { 0.0 } else { value * problem.target_scale / problem.scale[j] };
            constant = (-slope).mul_add(means[j], constant);
            fit.nonzero += usize::from(slope != 0.0);
            fit.coefficients[first_slope + j] = Some(slope);
        }
        if intercept {
            fit.coefficients[0] = Some(constant);
        }
        if !fit.coefficients.iter().flatten().all(|value| value.is_finite()) {
            return None;
        }
        let residual = problem.residual(u);
        fit.r2 = (problem.target_squares > 0.0).then(|| 1.0 - residual / problem.target_squares);
        let rmse = (residual / summary.weight).sqrt() * problem.target_scale;
        fit.rmse = rmse.is_finite().then_some(rmse);
        Some(fit)
    }

    /// What the model expects of a row with these features, `None` if nothing was estimated.
    ///
    /// # Panics
    ///
    /// If there are not as many as the fit had.
    pub fn predict(&self, features: &[f64]) -> Option<f64> {
        linear_predictor(&self.coefficients, features)
    }
}
