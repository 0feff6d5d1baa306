//! From rows to a fitted model.

use crate::design::Design;
use crate::rows::Rows;
use crate::status::FitStatus;

use super::family::GlmOptions;
use super::fit::GlmFit;
use super::inference;
use super::irls::Iteration;

/// Fits the expectation of the target of `rows`, `link(μ) = b + xᵀw`, by maximum likelihood.
///
/// Each step is the weighted least squares fit of `η + (y − μ) dη/dμ` with the weights `(dμ/dη)² / V(μ)` (J. A. Nelder,
/// R. W. M. Wedderburn, "Generalized linear models", JRSS A 135, 1972); from the second one on the weights are the observed
/// curvature of the likelihood, which with a canonical link is the same. A step that overshoots is halved. Coefficients, errors, deviance and dispersion are those of statsmodels' `GLM`.
///
/// A weight says how many rows a row stands for (statsmodels' `freq_weights`). Dependent features are dropped. Where the
/// features tell some zeros or ones perfectly, so that the coefficients grow without end, the status says so.
///
/// # Panics
///
/// If an option is outside its range.
pub fn fit_glm(rows: Rows<'_>, options: &GlmOptions) -> GlmFit {
    options.check().expect("the options of the model were checked");
    let terms = rows.features().len() + usize::from(options.intercept);
    solve_group(rows, options).unwrap_or_else(|status| GlmFit::empty(status, options.effective_link(), terms))
}

fn solve_group(rows: Rows<'_>, options: &GlmOptions) -> Result<GlmFit, FitStatus> {
    if !rows.are_usable() {
        return Err(FitStatus::NonFinite);
    }
    let counted = || (0..rows.len()).filter(|&i| rows.weight(i) > 0.0);
    let (family, link) = (options.family, options.effective_link());
    if counted().any(|i| !family.has(rows.target()[i])) {
        return Err(FitStatus::InvalidTarget);
    }
    let terms = rows.features().len() + usize::from(options.intercept);
    if counted().count() < terms.max(1) {
        return Err(FitStatus::TooFewRows);
    }
    let design = Design::new(rows, options.intercept, true)?;
    let mut iteration = Iteration::new(rows, &design, family, link);
    let (converged, iterations) = iteration.run(options)?;

    let status = match (converged, design.dropped.is_empty()) {
        (false, _) => FitStatus::NotConverged,
        (true, true) => FitStatus::Ok,
        (true, false) => FitStatus::RankDeficient,
    };
    let mut fit = GlmFit::empty(status, link, design.terms());
    fit.iterations = iterations;
    fit.coefficients = design.coefficients(&iteration.parameters).ok_or(FitStatus::NonFinite)?;
    iteration.weigh();
    let information = iteration.information();
    inference::complete(&mut fit, rows, &design, family, &iteration.mu, information);
    fit.dropped = design.dropped;
    Ok(fit)
}
