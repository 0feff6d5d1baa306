//! Least squares from the rows themselves.

use crate::rows::Rows;
use crate::status::FitStatus;
use crate::summary::Summary;
use crate::weighted_moments::{WeightKind, WeightedMoments};

use super::OlsOptions;
use super::cholesky::Factor;
use super::cross_products::CrossProducts;
use super::fit::OlsFit;
use super::householder::norm;
use super::inference;
use super::precision::Precision;

/// Fits the target of `rows` on their features, as [`fit_ols`](crate::fit_ols) does from moments, by Householder
/// reflections of the rows.
///
/// It costs memory for a copy of the rows and twice the time, and loses half as many digits to nearly dependent features:
/// what cross-products cannot tell from a dependent feature is estimated here to eight digits.
pub fn fit_ols_rows(rows: Rows<'_>, weights: WeightKind, options: &OlsOptions) -> OlsFit {
    let OlsOptions { intercept } = *options;
    let terms = rows.features().len() + usize::from(intercept);
    if !rows.are_usable() {
        return OlsFit::empty(FitStatus::NonFinite, terms);
    }
    let moments = rows.weighted_moments();
    let summary = moments.summary(weights);
    if summary.count == 0 || summary.count < terms as u64 {
        return OlsFit::empty(FitStatus::TooFewRows, terms);
    }
    factorised(rows, &moments, intercept)
        .and_then(|(products, factor)| inference::estimate(summary, intercept, &products, &factor, Precision::Rows))
        .unwrap_or_else(|| OlsFit::empty(FitStatus::NonFinite, terms))
}

/// The factor of the rows and the scales it is of, `None` if a moment is not finite.
pub(super) fn factorised(
    rows: Rows<'_>,
    moments: &WeightedMoments,
    intercept: bool,
) -> Option<(CrossProducts, Factor)> {
    let products = CrossProducts::new(Summary { ..moments.summary(WeightKind::Analytic) }, intercept)?;
    let roots: Vec<f64> = (0..rows.len()).map(|i| rows.weight(i).sqrt()).collect();
    let mut norms = Vec::with_capacity(products.variables);
    let target = rows.target();
    let columns = rows.features().iter().chain([&target]).enumerate().map(|(j, column)| {
        let scale = products.scale[j];
        if scale == 0.0 {
            norms.push(0.0);
            return vec![0.0; rows.len()];
        }
        let mut scaled: Vec<f64> = column.iter().zip(&roots).map(|(value, root)| value / scale * root).collect();
        norms.push(norm(&scaled));
        if intercept {
            let mean = moments.mean[j];
            for ((entry, value), root) in scaled.iter_mut().zip(*column).zip(&roots) {
                *entry = (value - mean) / scale * root;
            }
        }
        scaled
    });
    let columns = columns.collect();
    let factor = Factor::of_columns(columns, &norms);
    Some((products, factor))
}
