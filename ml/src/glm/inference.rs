//! Deviances, dispersion and the errors of the coefficients.

use crate::design::Design;
use crate::distributions::normal_two_sided;
use crate::positive_definite::{factorise, inverse};
use crate::rows::Rows;

use super::family::Family;
use super::fit::GlmFit;

/// Completes a fit that has its coefficients; `mu` are the expectations, `information` is `ZᵀWZ` there.
pub(super) fn complete(
    fit: &mut GlmFit,
    rows: Rows<'_>,
    design: &Design,
    family: Family,
    mu: &[f64],
    mut information: Vec<f64>,
) {
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let counted = || (0..rows.len()).filter(|&i| rows.weight(i) > 0.0);
    let total: f64 = counted().map(|i| rows.weight(i)).sum();
    let mean = counted().map(|i| rows.weight(i) * rows.target()[i]).sum::<f64>() / total;
    let deviance = |expected: &dyn Fn(usize) -> f64| {
        finite(counted().map(|i| rows.weight(i) * family.deviance(rows.target()[i], expected(i))).sum())
    };
    fit.deviance = deviance(&|i| mu[i]);
    fit.null_deviance = deviance(&|_| mean);
    let pearson = pearson(rows, family, mu);
    fit.pearson_chi2 = finite(pearson);
    let width = design.width();
    let df = total - width as f64;
    fit.df_residual = Some(df);
    let estimated = finite(pearson / df).filter(|_| df > 0.0);
    fit.dispersion = if family.has_dispersion() { estimated } else { Some(1.0) };
    let Some(dispersion) = fit.dispersion else {
        return;
    };
    let likelihood: f64 =
        counted().map(|i| family.log_likelihood(rows.target()[i], mu[i], dispersion, rows.weight(i))).sum();
    fit.log_likelihood = finite(likelihood);
    fit.aic = finite(-2.0 * likelihood + 2.0 * width as f64);

    if !factorise(&mut information, width, 0.0) {
        return;
    }
    let mut covariance = inverse(&information, width);
    covariance.iter_mut().for_each(|value| *value *= dispersion);
    fit.std_errors = design.std_errors(&covariance);
    for (term, error) in fit.std_errors.iter().enumerate() {
        let z = fit.coefficients[term].zip(*error).map(|(coefficient, error)| coefficient / error);
        if let Some(z) = z.filter(|z| z.is_finite()) {
            fit.z_values[term] = Some(z);
            fit.p_values[term] = Some(normal_two_sided(z));
        }
    }
}

/// `Σ (y − μ)² / V(μ)`.
pub(super) fn pearson(rows: Rows<'_>, family: Family, mu: &[f64]) -> f64 {
    let counted = (0..rows.len()).filter(|&i| rows.weight(i) > 0.0);
    let terms = counted.map(|i| {
        let residual = rows.target()[i] - mu[i];
        if residual == 0.0 { 0.0 } else { rows.weight(i) * residual * residual / family.variance(mu[i]) }
    });
    terms.sum()
}
