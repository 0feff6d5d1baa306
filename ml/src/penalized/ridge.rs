//! Ridge regression, solved at once.

use serde::{Deserialize, Serialize};

use crate::needs::Needs;
use crate::ols::{CrossProducts, Factor};
use crate::option_error::{OptionError, require};
use crate::status::FitStatus;
use crate::summary::Summary;

use super::fit::PenalizedFit;
use super::problem::Problem;

/// What the user chooses about a ridge fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RidgeOptions {
    /// Whether the model has a constant term, which is not penalised.
    pub intercept: bool,
    /// How much a squared coefficient costs, zero or more. It is in the units of the sum of squares, so it means less
    /// the more rows there are.
    pub alpha: f64,
}

impl RidgeOptions {
    /// What the fit is made from.
    pub const NEEDS: Needs = Needs::Moments;

    /// # Errors
    ///
    /// If an option is outside its range.
    pub fn check(&self) -> Result<(), OptionError> {
        require(self.alpha >= 0.0 && self.alpha.is_finite(), "alpha", "must be zero or more")
    }
}

/// Fits the last variable of `moments` on the ones before it, minimising
///
/// `Σ (y − b − xᵀw)² + alpha Σ w_j²`,
///
/// the objective of scikit-learn's `Ridge`. The solution is `w = (C + alpha I)⁻¹ c` with the centred cross-products `C`
/// of the features and `c` with the target (A. E. Hoerl, R. W. Kennard, "Ridge regression", Technometrics 12, 1970), by
/// the Cholesky factorisation that [`fit_ols`](crate::fit_ols) uses; without a penalty it is least squares, and
/// dependent features are dropped. With one, a group of a single row can be fitted.
///
/// # Panics
///
/// If `moments` has no variable, its slices do not fit each other, or `alpha` is negative.
pub fn fit_ridge<'a>(moments: impl Into<Summary<'a>>, options: &RidgeOptions) -> PenalizedFit {
    fit_summary(moments.into(), options)
}

fn fit_summary(summary: Summary<'_>, options: &RidgeOptions) -> PenalizedFit {
    summary.check_shape();
    options.check().expect("the options of ridge were checked");
    let RidgeOptions { intercept, alpha } = *options;
    let width = summary.mean.len() - 1;
    let terms = width + usize::from(intercept);
    let needed = if alpha > 0.0 { 1 } else { terms.max(1) as u64 };
    if summary.count < needed {
        return PenalizedFit::empty(FitStatus::TooFewRows, terms, alpha);
    }
    solve(summary, intercept, alpha).unwrap_or_else(|| PenalizedFit::empty(FitStatus::NonFinite, terms, alpha))
}

/// `None` if a moment or a coefficient is not finite.
fn solve(summary: Summary<'_>, intercept: bool, alpha: f64) -> Option<PenalizedFit> {
    let problem = Problem::new(summary, intercept)?;
    let mut products = CrossProducts::new(summary, intercept)?;
    for (j, scale) in problem.scale.iter().enumerate() {
        // Twice, for their square may overflow.
        let penalty = alpha / scale / scale;
        if products.scale[j] != 0.0 && penalty.is_finite() {
            products.add_to_diagonal(j, penalty);
        }
    }
    let factor = Factor::new(&products);
    let mut u = vec![0.0; problem.scale.len()];
    for (&j, slope) in factor.kept.iter().zip(factor.slopes()) {
        u[j] = if (alpha / problem.scale[j] / problem.scale[j]).is_finite() { slope } else { 0.0 };
    }
    let mut fit = PenalizedFit::of_slopes(summary, &problem, intercept, alpha, &u)?;
    if alpha == 0.0 && !factor.dropped.is_empty() {
        fit.status = FitStatus::RankDeficient;
        for &feature in &factor.dropped {
            fit.coefficients[usize::from(intercept) + feature] = None;
        }
        fit.dropped = factor.dropped;
    }
    Some(fit)
}
