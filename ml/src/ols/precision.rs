//! How many digits nearly dependent features cost.

use super::cholesky::Factor;
use super::cross_products::CrossProducts;

/// The decimal digits of a float.
const ALL_DIGITS: f64 = 16.0;

/// The rounding errors of a reflected column, in units of the last place of its length: they add up like a random walk.
const ROW_ROUNDING: f64 = 8.0;

/// What a factor was computed from, which decides what nearly dependent features cost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Precision {
    /// Cross-products, in which the condition of the features is squared.
    Moments,
    /// The rows, scaled and centred.
    Rows,
}

impl Precision {
    /// The digits that the slopes may have lost, in standard deviations of the target per standard deviation of the
    /// feature. `inverse_diagonal` is that of the scaled cross-products.
    ///
    /// `S_jj S⁻¹_jj` is the variance inflation of feature `j`, the inverse of the share of it that the other features do
    /// not explain (D. A. Belsley, E. Kuh, R. E. Welsch, "Regression Diagnostics", 1980, section 3.1). The largest is the
    /// condition number of the scaled products but for a factor of at most the square of the number of features, and
    /// the square of that of the scaled rows.
    pub(crate) fn digits_lost(self, products: &CrossProducts, factor: &Factor, inverse_diagonal: &[f64]) -> f64 {
        if factor.unclear {
            return ALL_DIGITS;
        }
        let kept = factor.kept.iter().zip(inverse_diagonal);
        let inflation = kept.fold(1.0, |worst: f64, (&k, inverse)| worst.max(products.get(k, k) * inverse));
        let rounding = factor.kept.iter().fold(0.0, |worst: f64, &k| worst.max(products.rounding_share(&[], k)));
        let share = match self {
            Self::Moments => inflation * rounding / f64::EPSILON,
            Self::Rows => inflation.sqrt() * ROW_ROUNDING,
        };
        share.log10().clamp(0.0, ALL_DIGITS)
    }

    /// How many digits may be lost before a fit is not to be relied on.
    pub(crate) fn most_digits_lost(self) -> f64 {
        match self {
            // Half of them: there is a better way.
            Self::Moments => 8.0,
            // There is none; the four digits that are left are as many as a result is mostly quoted with.
            Self::Rows => 12.0,
        }
    }
}
