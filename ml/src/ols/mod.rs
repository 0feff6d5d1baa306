//! Ordinary least squares from merged moments.
//!
//! The fit solves the normal equations of the centred, scaled cross-products by a Cholesky
//! factorisation that keeps the features in their order, so which of several dependent features is
//! dropped is the user's choice of order and not an accident of rounding.

mod cholesky;
mod cross_products;
mod fit;
mod inference;

pub use fit::OlsFit;

use serde::{Deserialize, Serialize};

use crate::status::FitStatus;
use crate::summary::Summary;

pub(crate) use cholesky::Factor;
pub(crate) use cross_products::CrossProducts;

/// What the user chooses about a least squares fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlsOptions {
    /// Whether the model has a constant term. Without one, R² and F are the uncentred ones.
    pub intercept: bool,
}

/// Fits the last variable of `moments` on the ones before it.
///
/// With fewer rows than terms nothing is estimated; with as many independent terms as rows the
/// coefficients and R² are, but no error. Dependent features are dropped and the others estimated
/// without them, as R's `lm` does.
///
/// # Panics
///
/// If `moments` has no variable, or its slices do not fit each other.
pub fn fit_ols<'a>(moments: impl Into<Summary<'a>>, options: &OlsOptions) -> OlsFit {
    fit_summary(moments.into(), options)
}

fn fit_summary(summary: Summary<'_>, options: &OlsOptions) -> OlsFit {
    summary.check_shape();
    let OlsOptions { intercept } = *options;

    let terms = summary.mean.len() - 1 + usize::from(intercept);
    if summary.count == 0 || summary.count < terms as u64 {
        return OlsFit::empty(FitStatus::TooFewRows, terms);
    }
    CrossProducts::new(summary, intercept)
        .and_then(|products| {
            let factor = Factor::new(&products);
            inference::estimate(summary, intercept, &products, &factor)
        })
        .unwrap_or_else(|| OlsFit::empty(FitStatus::NonFinite, terms))
}
