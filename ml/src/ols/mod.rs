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

use crate::moments::{MomentsRef, packed_len};
use crate::status::FitStatus;

use cholesky::Factor;
use cross_products::CrossProducts;

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
pub fn fit_ols(moments: MomentsRef<'_>, options: &OlsOptions) -> OlsFit {
    let variables = moments.mean.len();
    assert!(variables > 0, "there is no target to fit");
    assert_eq!(moments.comoment.len(), packed_len(variables));
    let OlsOptions { intercept } = *options;

    let terms = variables - 1 + usize::from(intercept);
    if moments.count == 0 || moments.count < terms as u64 {
        return OlsFit::empty(FitStatus::TooFewRows, terms);
    }
    CrossProducts::new(moments, intercept)
        .and_then(|products| {
            let factor = Factor::new(&products);
            inference::estimate(moments, intercept, &products, &factor)
        })
        .unwrap_or_else(|| OlsFit::empty(FitStatus::NonFinite, terms))
}
