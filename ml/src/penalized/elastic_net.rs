//! Lasso and elastic net by coordinate descent.

use serde::{Deserialize, Serialize};

use crate::coordinate_descent::Quadratic;
use crate::needs::Needs;
use crate::option_error::{OptionError, require};
use crate::status::FitStatus;
use crate::summary::Summary;

use super::fit::PenalizedFit;
use super::problem::Problem;
use super::ridge::{RidgeOptions, fit_ridge};

/// What the user chooses about a lasso or an elastic net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ElasticNetOptions {
    /// Whether the model has a constant term, which is not penalised.
    pub intercept: bool,
    /// How much a coefficient costs, zero or more; in the units of the mean of squares, unlike that of ridge.
    pub alpha: f64,
    /// The share of the penalty on absolute values, the rest being on squares: 1 is the lasso.
    pub l1_ratio: f64,
    /// How often all coefficients are gone through at most.
    pub max_iterations: usize,
    /// The duality gap at which the fit ends, as a share of the sum of squares of the target.
    pub tolerance: f64,
}

impl Default for ElasticNetOptions {
    /// The defaults of scikit-learn's `ElasticNet`, but for the tolerance: that is 1e-4 there, which leaves three right
    /// digits, and going on costs next to nothing once the rows are cross-products.
    fn default() -> Self {
        Self { intercept: true, alpha: 1.0, l1_ratio: 0.5, max_iterations: 1000, tolerance: 1e-10 }
    }
}

impl ElasticNetOptions {
    /// What the fit is made from.
    pub const NEEDS: Needs = Needs::Moments;

    /// # Errors
    ///
    /// If an option is outside its range.
    pub fn check(&self) -> Result<(), OptionError> {
        require(self.alpha >= 0.0 && self.alpha.is_finite(), "alpha", "must be zero or more")?;
        require((0.0..=1.0).contains(&self.l1_ratio), "l1_ratio", "must be from 0 to 1")?;
        require(self.max_iterations > 0, "max_iterations", "must be one or more")?;
        require(self.tolerance >= 0.0 && self.tolerance.is_finite(), "tolerance", "must be zero or more")
    }
}

/// Fits the last variable of `moments` on the ones before it, minimising
///
/// `1/(2n) Σ (y − b − xᵀw)² + alpha l1_ratio Σ |w_j| + ½ alpha (1 − l1_ratio) Σ w_j²`,
///
/// the objective of scikit-learn's `ElasticNet`; `l1_ratio` 1 is the lasso (R. Tibshirani, "Regression shrinkage and
/// selection via the lasso", JRSS B 58, 1996; H. Zou, T. Hastie, "Regularization and variable selection via the elastic
/// net", JRSS B 67, 2005).
///
/// It ends when the last round moved no coefficient by more than `tolerance` of the largest and the duality gap is at
/// most `tolerance` of the sum of squares of the target, as scikit-learn's does, or when a round moved nothing at all.
/// Without an absolute penalty the solution is ridge's, with `n alpha` for its alpha, and solved for at once.
///
/// # Panics
///
/// If `moments` has no variable, its slices do not fit each other, or an option is outside its range.
pub fn fit_elastic_net<'a>(moments: impl Into<Summary<'a>>, options: &ElasticNetOptions) -> PenalizedFit {
    let summary = moments.into();
    summary.check_shape();
    options.check().expect("the options of the elastic net were checked");
    let alpha = options.alpha;
    if alpha * options.l1_ratio == 0.0 {
        return without_selection(summary, options, alpha);
    }
    match Descent::new(summary, options) {
        Ok(mut descent) => descent.fit(alpha),
        Err(status) => PenalizedFit::empty(status, summary.mean.len() - 1 + usize::from(options.intercept), alpha),
    }
}

/// The fit where no absolute value costs anything.
pub(super) fn without_selection(summary: Summary<'_>, options: &ElasticNetOptions, alpha: f64) -> PenalizedFit {
    let ridge = RidgeOptions { intercept: options.intercept, alpha: alpha * summary.weight };
    PenalizedFit { alpha, ..fit_ridge(summary, &ridge) }
}

/// One group's coordinate descent, with what is kept from one alpha to the next.
pub(super) struct Descent<'a> {
    summary: Summary<'a>,
    options: &'a ElasticNetOptions,
    problem: Problem,
    u: Vec<f64>,
    slope: Vec<f64>,
    l1: Vec<f64>,
    l2: Vec<f64>,
}

impl<'a> Descent<'a> {
    pub(super) fn new(summary: Summary<'a>, options: &'a ElasticNetOptions) -> Result<Self, FitStatus> {
        if summary.count == 0 {
            return Err(FitStatus::TooFewRows);
        }
        let problem = Problem::new(summary, options.intercept).ok_or(FitStatus::NonFinite)?;
        let width = problem.scale.len();
        let zeros = || vec![0.0; width];
        Ok(Self { summary, options, problem, u: zeros(), slope: zeros(), l1: zeros(), l2: zeros() })
    }

    /// The smallest alpha that leaves no slope: `max_j |x_jᵀy| / (n l1_ratio)`.
    pub(super) fn largest_alpha(&self) -> f64 {
        let Problem { linear, scale, target_scale, .. } = &self.problem;
        let largest = linear.iter().zip(scale).map(|(c, scale)| c.abs() * scale).fold(0.0, f64::max);
        largest / self.summary.weight * target_scale / self.options.l1_ratio
    }

    /// Descends from wherever the last alpha ended.
    pub(super) fn fit(&mut self, alpha: f64) -> PenalizedFit {
        let ElasticNetOptions { intercept, alpha: _, l1_ratio, max_iterations, tolerance } = *self.options;
        let n = self.summary.weight;
        let Problem { gram, linear, target_squares, scale, target_scale } = &self.problem;
        for (j, scale) in scale.iter().enumerate() {
            self.l1[j] = n * alpha * l1_ratio / target_scale / scale;
            // Beyond the largest float it is as good as infinite, which sweeps could not multiply with.
            self.l2[j] = (n * alpha * (1.0 - l1_ratio) / scale / scale).min(f64::MAX);
        }
        let quadratic = Quadratic { matrix: gram, linear, l1: &self.l1, l2: &self.l2 };
        quadratic.slope(&self.u, &mut self.slope);

        let mut iterations = 0;
        let mut gap = None;
        let mut converged = false;
        while iterations < max_iterations && !converged {
            iterations += 1;
            let moved = quadratic.sweep(&mut self.u, &mut self.slope);
            if moved.step <= tolerance * moved.size || iterations == max_iterations {
                let found = duality_gap(&quadratic, *target_squares, &self.u, &self.slope);
                converged = found <= tolerance * target_squares || moved.step == 0.0;
                gap = Some(found);
            }
        }
        let Some(mut fit) = PenalizedFit::of_slopes(self.summary, &self.problem, intercept, alpha, &self.u) else {
            self.u.fill(0.0);
            return PenalizedFit::empty(FitStatus::NonFinite, self.u.len() + usize::from(intercept), alpha);
        };
        fit.iterations = iterations;
        fit.duality_gap = gap.map(|gap| gap / target_squares).filter(|gap| gap.is_finite());
        if !converged {
            fit.status = FitStatus::NotConverged;
        }
        fit
    }
}

/// How far the objective at `u` is above the best value of the dual problem, at the residual shrunk until it is feasible
/// there (scikit-learn's `_cd_fast`; S.-J. Kim et al., "An interior-point method for large-scale l1-regularized least
/// squares", IEEE JSTSP 1, 2007). `slope` is `c − Q u`.
fn duality_gap(quadratic: &Quadratic<'_>, target_squares: f64, u: &[f64], slope: &[f64]) -> f64 {
    let Quadratic { matrix: _, linear, l1, l2 } = *quadratic;
    let (mut absolute, mut squares, mut fitted, mut fitted_squares, mut excess) = (0.0, 0.0, 0.0, 0.0, 0.0_f64);
    for j in 0..u.len() {
        absolute += l1[j] * u[j].abs();
        squares += l2[j] * u[j] * u[j];
        fitted += linear[j] * u[j];
        fitted_squares += (linear[j] - slope[j]) * u[j];
        excess = excess.max((slope[j] - l2[j] * u[j]).abs() / l1[j]);
    }
    let residual = (target_squares - 2.0 * fitted + fitted_squares).max(0.0);
    let shrink = if excess > 1.0 { 1.0 / excess } else { 1.0 };
    let halves = 0.5 * (1.0 + shrink * shrink);
    halves * residual + absolute - shrink * (target_squares - fitted) + halves * squares
}
