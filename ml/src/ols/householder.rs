//! The factor of a fit from its rows, without squaring them.
//!
//! Source: G. H. Golub, "Numerical methods for solving linear least squares problems", Numerische Mathematik 7 (1965):
//! reflections make the columns triangular one after the other. There is no pivoting, so that dependent columns are found
//! in the order of the features.

use super::cholesky::Factor;
use super::cross_products::Numbers;

/// How many roundings of every column that goes into it may be left of a dependent one. On exactly dependent columns of
/// up to 1000 rows a third of one was the most that was seen.
const ROUNDINGS: f64 = 16.0;

impl Factor {
    /// The factor of `columns`, scaled features and last the target, about their means if there is an intercept; `norms`
    /// are those of the columns as they were before the means were taken out, in the same scale.
    ///
    /// `R` is `Lᵀ` of the cross-products' factor but for signs, which are chosen to be the same, and `Qᵀy` is `L⁻¹ Xᵀy`.
    pub(super) fn of_columns(mut columns: Vec<Vec<f64>>, norms: &[f64]) -> Self {
        let target = columns.len() - 1;
        let mut factor = Self::of_nothing(target);
        let mut reflectors: Vec<Vec<f64>> = Vec::with_capacity(target);
        for (feature, column) in columns[..target].iter_mut().enumerate() {
            let mut column = std::mem::take(column);
            let mut row = reflected(&mut column, &reflectors, &factor.rows);
            let left = column.get(reflectors.len()..).map_or(0.0, norm);
            if left <= factor.roundings(norms, feature, &row) {
                factor.dropped.push(feature);
                continue;
            }
            row.push(left);
            factor.rows.push(row);
            factor.kept.push(feature);
            reflectors.push(reflector(&column[reflectors.len()..], left));
        }
        let mut column = std::mem::take(&mut columns[target]);
        factor.explained = reflected(&mut column, &reflectors, &factor.rows);
        let left = column.get(reflectors.len()..).map_or(0.0, norm);
        let roundings = factor.roundings(norms, target, &factor.explained);
        factor.residual = if left > roundings { left * left } else { 0.0 };
        factor
    }

    /// What rounding may leave of a column that depends on the kept ones, given its row of the factor.
    fn roundings(&self, norms: &[f64], column: usize, row: &[f64]) -> f64 {
        let through = self.solve_upper(row.into());
        let all = self.kept.iter().zip(&through).fold(norms[column], |sum, (&k, b)| b.abs().mul_add(norms[k], sum));
        ROUNDINGS * f64::EPSILON * all
    }
}

/// Reflects `column` as the kept ones before it were; its entries above what is left are returned.
fn reflected(column: &mut [f64], reflectors: &[Vec<f64>], rows: &[Numbers]) -> Numbers {
    for (k, reflector) in reflectors.iter().enumerate() {
        let below = &mut column[k..];
        let along: f64 = reflector.iter().zip(&*below).map(|(v, x)| v * x).sum();
        for (x, v) in below.iter_mut().zip(reflector) {
            *x = (-2.0 * along).mul_add(*v, *x);
        }
    }
    debug_assert_eq!(reflectors.len(), rows.len());
    // A reflection turns its own column into minus the sign of its first entry; the factor has positive diagonals.
    reflectors.iter().zip(&*column).map(|(v, x)| if v[0] > 0.0 { -x } else { *x }).collect()
}

/// The unit vector `v` for which `(I − 2 v vᵀ) x` is all in the first entry, for `x` of that norm.
fn reflector(x: &[f64], norm_of_x: f64) -> Vec<f64> {
    let mut v = x.to_vec();
    // Away from zero, so that nothing cancels.
    v[0] += norm_of_x.copysign(x[0]);
    let length = norm(&v);
    v.iter_mut().for_each(|value| *value /= length);
    v
}

/// The columns are scaled, so no square overflows.
pub(super) fn norm(x: &[f64]) -> f64 {
    x.iter().map(|value| value * value).sum::<f64>().sqrt()
}
