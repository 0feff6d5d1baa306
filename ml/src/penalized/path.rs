//! Elastic nets for many alphas.

use crate::status::FitStatus;
use crate::summary::Summary;

use super::elastic_net::{Descent, ElasticNetOptions, without_selection};
use super::fit::PenalizedFit;

/// As [`fit_elastic_net`](crate::fit_elastic_net) for each of `alphas`, whatever that of `options` is, in their order.
///
/// They are gone through from the largest to the smallest, each descent beginning where the one before ended: a path of a
/// hundred costs little more than a few of its fits.
///
/// # Panics
///
/// If `moments` has no variable, its slices do not fit each other, or an option or an alpha is outside its range.
pub fn fit_elastic_net_path<'a>(
    moments: impl Into<Summary<'a>>,
    options: &ElasticNetOptions,
    alphas: &[f64],
) -> Vec<PenalizedFit> {
    let summary = moments.into();
    summary.check_shape();
    for &alpha in alphas {
        ElasticNetOptions { alpha, ..options.clone() }.check().expect("the options of the path were checked");
    }
    let terms = summary.mean.len() - 1 + usize::from(options.intercept);
    let mut order: Vec<usize> = (0..alphas.len()).collect();
    order.sort_by(|&a, &b| alphas[b].total_cmp(&alphas[a]));
    let mut fits: Vec<_> =
        alphas.iter().map(|&alpha| PenalizedFit::empty(FitStatus::NonFinite, terms, alpha)).collect();
    let mut descent = Descent::new(summary, options);
    for position in order {
        let alpha = alphas[position];
        fits[position] = match &mut descent {
            _ if alpha * options.l1_ratio == 0.0 => without_selection(summary, options, alpha),
            Ok(descent) => descent.fit(alpha),
            Err(status) => PenalizedFit::empty(*status, terms, alpha),
        };
    }
    fits
}

/// `count` alphas for a path, in equal ratios from the smallest one that leaves no slope down to `smallest` of it, as
/// scikit-learn chooses them. None if that one is zero or not finite: the target does not vary, or with no feature.
///
/// # Panics
///
/// If `moments` has no variable, its slices do not fit each other, an option is outside its range, or nothing is
/// penalised by absolute value: no alpha is then large enough.
pub fn alpha_path<'a>(
    moments: impl Into<Summary<'a>>,
    options: &ElasticNetOptions,
    count: usize,
    smallest: f64,
) -> Vec<f64> {
    let summary = moments.into();
    summary.check_shape();
    options.check().expect("the options of the path were checked");
    assert!(options.l1_ratio > 0.0, "a path of alphas takes a penalty on absolute values");
    assert!(smallest > 0.0 && smallest < 1.0, "the smallest alpha is a share of the largest");
    let Ok(descent) = Descent::new(summary, options) else {
        return Vec::new();
    };
    let largest = descent.largest_alpha();
    if !(largest > 0.0 && largest.is_finite()) {
        return Vec::new();
    }
    let last = count.saturating_sub(1).max(1) as f64;
    (0..count).map(|i| largest * smallest.powf(i as f64 / last)).collect()
}
