//! Ordinary and weighted least squares, from merged moments or from rows.
//!
//! The fit solves the normal equations of the centred, scaled cross-products by a Cholesky
//! factorisation that keeps the features in their order, so which of several dependent features is
//! dropped is the user's choice of order and not an accident of rounding.

mod cholesky;
mod cross_products;
mod fit;
mod householder;
mod inference;
mod precision;
mod predictor;
mod robust;
mod rows;

pub use fit::OlsFit;
pub use predictor::{IntervalOf, Intervals, OlsPredictor, Prediction};
pub use robust::{RobustErrors, RobustKind, robust_errors};
pub use rows::fit_ols_rows;

use serde::{Deserialize, Serialize};

use crate::needs::Needs;
use crate::status::FitStatus;
use crate::summary::Summary;

pub(crate) use cholesky::Factor;
pub(crate) use cross_products::CrossProducts;
use precision::Precision;

/// What the user chooses about a least squares fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlsOptions {
    /// Whether the model has a constant term. Without one, R² and F are the uncentred ones.
    pub intercept: bool,
}

impl OlsOptions {
    /// What the fit is made from. One with the status [`FitStatus::IllConditioned`] is worth repeating over the rows,
    /// with [`fit_ols_rows`], where they are at hand.
    pub const NEEDS: Needs = Needs::Moments;
}

/// Fits the last variable of `moments` on the ones before it.
///
/// With fewer rows than terms nothing is estimated; with as many independent terms as rows the
/// coefficients and R² are, but no error. Dependent features are dropped and the others estimated
/// without them, as R's `lm` does. Nearly dependent ones cost digits, twice as many of them here as in a fit of the rows:
/// once they may be more than half of all, the status says so.
///
/// # Panics
///
/// If `moments` has no variable, or its slices do not fit each other.
pub fn fit_ols<'a>(moments: impl Into<Summary<'a>>, options: &OlsOptions) -> OlsFit {
    fit_summary(moments.into(), options)
}

/// As [`fit_ols`], where nothing but the coefficients is asked for: all else but the status, and what it says, is missing, and the lists of
/// errors and tests are empty or have nothing in them.
///
/// # Panics
///
/// As [`fit_ols`].
pub fn fit_ols_coefficients<'a>(moments: impl Into<Summary<'a>>, options: &OlsOptions) -> OlsFit {
    solve(moments.into(), options, |summary, products, factor| {
        inference::coefficients(summary, options.intercept, products, factor, Precision::Moments).map(|(fit, _)| fit)
    })
}

fn fit_summary(summary: Summary<'_>, options: &OlsOptions) -> OlsFit {
    solve(summary, options, |summary, products, factor| {
        inference::estimate(summary, options.intercept, products, factor, Precision::Moments)
    })
}

fn solve(
    summary: Summary<'_>,
    options: &OlsOptions,
    estimate: impl FnOnce(Summary<'_>, &CrossProducts, &Factor) -> Option<OlsFit>,
) -> OlsFit {
    summary.check_shape();
    let OlsOptions { intercept } = *options;

    let terms = summary.mean.len() - 1 + usize::from(intercept);
    if summary.count == 0 || summary.count < terms as u64 {
        return OlsFit::empty(FitStatus::TooFewRows, terms);
    }
    CrossProducts::new(summary, intercept)
        .and_then(|products| {
            let factor = Factor::new(&products);
            estimate(summary, &products, &factor)
        })
        .unwrap_or_else(|| OlsFit::empty(FitStatus::NonFinite, terms))
}
