//! Coefficients, their errors and the statistics of the whole fit.

use std::f64::consts::PI;

use smallvec::smallvec;

use crate::distributions::{f_upper_tail, student_t_two_sided};
use crate::status::FitStatus;
use crate::summary::Summary;

use super::cholesky::Factor;
use super::cross_products::{CrossProducts, Numbers};
use super::fit::OlsFit;
use super::precision::Precision;

/// The fit of at least as many rows as terms, or `None` if a coefficient is not finite.
pub(super) fn estimate(
    summary: Summary<'_>,
    intercept: bool,
    products: &CrossProducts,
    factor: &Factor,
    precision: Precision,
) -> Option<OlsFit> {
    let (mut fit, inverse) = coefficients(summary, intercept, products, factor, precision)?;
    complete(&mut fit, summary, intercept, products, factor, &inverse);
    Some(fit)
}

/// The coefficients and nothing else that is known per term, with the diagonal of the inverse of the scaled cross-products.
pub(super) fn coefficients(
    summary: Summary<'_>,
    intercept: bool,
    products: &CrossProducts,
    factor: &Factor,
    precision: Precision,
) -> Option<(OlsFit, Numbers)> {
    let Summary { count, mean, .. } = summary;
    let target = products.variables - 1;
    let first_slope = usize::from(intercept);
    let rank = factor.kept.len() + first_slope;
    let df_residual = count - rank as u64;
    let exact = df_residual == 0;

    let status = if exact {
        FitStatus::TooFewRows
    } else if factor.dropped.is_empty() {
        FitStatus::Ok
    } else {
        FitStatus::RankDeficient
    };
    let mut fit = OlsFit::of_coefficients(status, vec![None; target + first_slope]);
    fit.dropped.clone_from(&factor.dropped);
    fit.df_residual = i64::try_from(df_residual).ok();

    // Back from scaled slopes to the units of the data.
    let unscaled: Numbers = factor
        .slopes()
        .iter()
        .zip(&factor.kept)
        .map(|(slope, &k)| slope * products.scale[target] / products.scale[k])
        .collect();
    for (&k, &slope) in factor.kept.iter().zip(&unscaled) {
        fit.coefficients[first_slope + k] = Some(slope);
    }
    if intercept {
        let known = factor.kept.iter().zip(&unscaled);
        let constant = known.fold(mean[target], |left, (&k, slope)| (-slope).mul_add(mean[k], left));
        fit.coefficients[0] = Some(constant);
    }
    if !fit.coefficients.iter().flatten().all(|c| c.is_finite()) {
        return None;
    }

    let inverse = factor.inverse_diagonal();
    let lost = precision.digits_lost(products, factor, &inverse);
    fit.digits_lost = Some(lost);
    if !exact && lost > precision.most_digits_lost() {
        fit.status = FitStatus::IllConditioned;
    }
    Some((fit, inverse))
}

/// All else that is known of a fit.
fn complete(
    fit: &mut OlsFit,
    summary: Summary<'_>,
    intercept: bool,
    products: &CrossProducts,
    factor: &Factor,
    inverse: &[f64],
) {
    let count = summary.count;
    let target = products.variables - 1;
    let first_slope = usize::from(intercept);
    let rank = factor.kept.len() + first_slope;
    let df_residual = count - rank as u64;
    let exact = df_residual == 0;
    let unknown = vec![None; fit.coefficients.len()];
    (fit.std_errors, fit.t_values, fit.p_values) = (unknown.clone(), unknown.clone(), unknown);

    let total = products.get(target, target);
    let residual = if exact { 0.0 } else { factor.residual };
    let explained = if residual > 0.0 { factor.explained.iter().fold(0.0, |sum, z| z.mul_add(*z, sum)) } else { total };
    fit.r2 = finite(explained / total);
    if exact {
        return;
    }

    let df = df_residual as f64;
    let sigma = (residual / df).sqrt() * products.scale[target];
    fit.sigma = finite(sigma);
    fit.adj_r2 = finite(1.0 - residual / total * (count - first_slope as u64) as f64 / df);
    let slopes = factor.kept.len() as f64;
    if let Some(f) = finite(explained / slopes / (residual / df)) {
        fit.f_value = Some(f);
        fit.f_p_value = finite(f_upper_tail(f, slopes, df));
    }
    likelihood(fit, summary, rank as f64, residual, products.scale[target]);
    let errors = unit_errors(summary, intercept, products, factor, inverse);
    test_coefficients(fit, &errors, sigma, df);
}

/// The standard error of each term for a residual standard deviation of 1.
fn unit_errors(
    summary: Summary<'_>,
    intercept: bool,
    products: &CrossProducts,
    factor: &Factor,
    inverse_diagonal: &[f64],
) -> Numbers {
    let Summary { weight, mean, .. } = summary;
    let first_slope = usize::from(intercept);
    let mut errors: Numbers = smallvec![f64::NAN; products.variables - 1 + first_slope];
    for (&k, inverse) in factor.kept.iter().zip(inverse_diagonal) {
        errors[first_slope + k] = inverse.sqrt() / products.scale[k];
    }
    if intercept {
        // The mean of the target and the slopes are uncorrelated, so the intercept's variance is that of
        // the mean plus that of the slopes carried to the origin.
        let to_origin = factor.solve_lower(factor.kept.iter().map(|&k| mean[k] / products.scale[k]));
        let carried: f64 = to_origin.iter().map(|v| v * v).sum();
        errors[0] = (1.0 / weight + carried).sqrt();
    }
    errors
}

fn test_coefficients(fit: &mut OlsFit, unit_errors: &[f64], sigma: f64, df: f64) {
    for (term, unit_error) in unit_errors.iter().enumerate() {
        let Some(coefficient) = fit.coefficients[term] else {
            continue;
        };
        let error = sigma * unit_error;
        fit.std_errors[term] = finite(error);
        if let Some(t) = finite(coefficient / error) {
            fit.t_values[term] = Some(t);
            fit.p_values[term] = finite(student_t_two_sided(t, df));
        }
    }
}

fn likelihood(fit: &mut OlsFit, summary: Summary<'_>, rank: f64, residual: f64, scale: f64) {
    let count = summary.count as f64;
    // The logarithm of a product that could overflow.
    let log_variance = (residual / count).ln() + 2.0 * scale.ln();
    let value = -count / 2.0 * ((2.0 * PI).ln() + log_variance + 1.0) + summary.log_weight / 2.0;
    fit.log_likelihood = finite(value);
    fit.aic = finite(-2.0 * value + 2.0 * rank);
    fit.bic = finite(-2.0 * value + rank * count.ln());
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
