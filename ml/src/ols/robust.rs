//! Standard errors that hold where the residuals do not all have the same variance.

use serde::{Deserialize, Serialize};

use crate::distributions::student_t_two_sided;
use crate::predict::linear_predictor;
use crate::rows::Rows;
use crate::weighted_moments::{WeightKind, WeightedMoments};

use super::OlsOptions;
use super::cholesky::Factor;
use super::cross_products::{CrossProducts, Numbers};
use super::fit::OlsFit;
use super::rows::factorised;

/// How the squared residual `u²` of a row of leverage `h` stands for the variance of its error (J. G. MacKinnon, H. White,
/// "Some heteroskedasticity-consistent covariance matrix estimators with improved finite sample properties", Journal of
/// Econometrics 29, 1985).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RobustKind {
    /// `u²` (White 1980).
    Hc0,
    /// `u² n / (n − rank)`.
    Hc1,
    /// `u² / (1 − h)`.
    Hc2,
    /// `u² / (1 − h)²`: the most careful one, to be preferred for few rows.
    Hc3,
}

/// The tests of the coefficients with robust errors; shapes as in [`OlsFit`]. Everything is missing where a row has all of
/// a coefficient to itself, so that nothing says how far off it is, with [`RobustKind::Hc2`] and [`RobustKind::Hc3`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RobustErrors {
    /// The standard error of each term.
    pub std_errors: Vec<Option<f64>>,
    /// Each coefficient divided by its standard error.
    pub t_values: Vec<Option<f64>>,
    /// `P(|T| > |t|)` of each term, for Student's t with `df_residual` degrees of freedom, as `use_t` of statsmodels has
    /// it; its default is the normal distribution, which is too sure of itself with few rows.
    pub p_values: Vec<Option<f64>>,
}

/// The leverage beyond which a row counts as having a coefficient to itself: its residual is rounding error.
const FULL_LEVERAGE: f64 = 1.0 - 1e-10;

/// The robust errors of `fit`, which was made of these rows with these weights and options: the roots of the diagonal of
/// `(XᵀX)⁻¹ Xᵀ diag(u²) X (XᵀX)⁻¹`, with `u²` as `kind` has it. `None` if the fit estimated no error.
///
/// Analytic weights are taken into the rows, `√w X` and `√w u`, as statsmodels does; rows of frequency weight count as if
/// they were repeated.
pub fn robust_errors(
    rows: Rows<'_>,
    weights: WeightKind,
    options: &OlsOptions,
    fit: &OlsFit,
    kind: RobustKind,
) -> Option<RobustErrors> {
    let df = fit.df_residual.filter(|df| *df > 0)? as f64;
    let moments = rows.weighted_moments();
    let (products, factor) = factorised(rows, &moments, options.intercept)?;
    let terms = fit.coefficients.len();
    let mut errors =
        RobustErrors { std_errors: vec![None; terms], t_values: vec![None; terms], p_values: vec![None; terms] };

    let basis = Basis { products: &products, factor: &factor, moments: &moments, intercept: options.intercept };
    let Some(spread) = spread(rows, weights, &basis, fit, kind) else {
        return Some(errors);
    };
    let count = moments.summary(weights).count as f64;
    let correction = if kind == RobustKind::Hc1 { count / df } else { 1.0 };
    for (term, direction) in basis.terms() {
        let variance = quadratic_form(&spread, &direction) * correction;
        let Some(coefficient) = fit.coefficients[term] else { continue };
        let error = Some(variance.sqrt()).filter(|error| error.is_finite());
        errors.std_errors[term] = error;
        if let Some(t) = error.map(|error| coefficient / error).filter(|t| t.is_finite()) {
            errors.t_values[term] = Some(t);
            errors.p_values[term] = Some(student_t_two_sided(t, df));
        }
    }
    Some(errors)
}

/// An orthonormal basis of the columns: `q = √w [1 / √Σw, L⁻¹ (x − mean) / scale]` of each row.
struct Basis<'a> {
    products: &'a CrossProducts,
    factor: &'a Factor,
    moments: &'a WeightedMoments,
    intercept: bool,
}

impl Basis<'_> {
    /// The row's `q`, whose squared length is its leverage.
    fn of_row(&self, rows: Rows<'_>, i: usize) -> Numbers {
        let root = rows.weight(i).sqrt();
        let centred = self.factor.kept.iter().map(|&k| {
            let mean = if self.intercept { self.moments.mean[k] } else { 0.0 };
            (rows.features()[k][i] - mean) / self.products.scale[k] * root
        });
        let mut q = self.factor.solve_lower(centred);
        if self.intercept {
            q.push(root / self.moments.weight.sqrt());
        }
        q
    }

    /// Each estimated term with the vector whose product with `Qᵀy` is its coefficient.
    fn terms(&self) -> Vec<(usize, Numbers)> {
        let first_slope = usize::from(self.intercept);
        let rank = self.factor.kept.len();
        let mut terms = Vec::with_capacity(rank + first_slope);
        for (position, &k) in self.factor.kept.iter().enumerate() {
            let unit = (0..rank).map(|r| f64::from(u8::from(r == position)));
            let mut direction = self.factor.solve_lower(unit);
            direction.iter_mut().for_each(|value| *value /= self.products.scale[k]);
            if self.intercept {
                direction.push(0.0);
            }
            terms.push((first_slope + k, direction));
        }
        if self.intercept {
            let to_origin = self.factor.kept.iter().map(|&k| -self.moments.mean[k] / self.products.scale[k]);
            let mut direction = self.factor.solve_lower(to_origin);
            direction.push(1.0 / self.moments.weight.sqrt());
            terms.push((0, direction));
        }
        terms
    }
}

/// `Σ u² q qᵀ`, whole, or `None` if a row's residual says nothing of its error.
fn spread(rows: Rows<'_>, weights: WeightKind, basis: &Basis<'_>, fit: &OlsFit, kind: RobustKind) -> Option<Vec<f64>> {
    let width = basis.factor.kept.len() + usize::from(basis.intercept);
    let mut spread = vec![0.0; width * width];
    let mut features = vec![0.0; rows.features().len()];
    for i in (0..rows.len()).filter(|&i| rows.weight(i) > 0.0) {
        for (value, column) in features.iter_mut().zip(rows.features()) {
            *value = column[i];
        }
        let residual = rows.target()[i] - linear_predictor(&fit.coefficients, &features)?;
        let q = basis.of_row(rows, i);
        let (own, repeated) = match weights {
            WeightKind::Analytic => (rows.weight(i), 1.0),
            WeightKind::Frequency => (1.0, rows.weight(i)),
        };
        let leverage = q.iter().map(|v| v * v).sum::<f64>() / repeated;
        let left = 1.0 - leverage;
        let squared = own * residual * residual;
        let variance = match kind {
            RobustKind::Hc0 | RobustKind::Hc1 => squared,
            RobustKind::Hc2 | RobustKind::Hc3 if leverage > FULL_LEVERAGE => return None,
            RobustKind::Hc2 => squared / left,
            RobustKind::Hc3 => squared / (left * left),
        };
        for (line, a) in spread.chunks_exact_mut(width).zip(&q) {
            for (entry, b) in line.iter_mut().zip(&q) {
                *entry += variance * a * b;
            }
        }
    }
    Some(spread)
}

/// `vᵀ M v`.
fn quadratic_form(matrix: &[f64], v: &[f64]) -> f64 {
    let lines = matrix.chunks_exact(v.len().max(1));
    lines.zip(v).map(|(line, a)| a * line.iter().zip(v).map(|(m, b)| m * b).sum::<f64>()).sum()
}
