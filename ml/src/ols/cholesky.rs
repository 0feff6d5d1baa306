//! The in-order Cholesky factorisation of the normal equations, and what is solved with it.

use smallvec::SmallVec;

use super::cross_products::{CrossProducts, Numbers};

/// The factor `L` of the kept features' scaled cross-products, `L Lᵀ`, extended by the target.
pub(crate) struct Factor {
    /// The features that do not depend on the ones before them, in order.
    pub(crate) kept: SmallVec<[usize; 8]>,
    pub(crate) dropped: Vec<usize>,
    /// `L` by rows, row `r` with its `r + 1` entries up to the diagonal.
    pub(crate) rows: SmallVec<[Numbers; 4]>,
    /// `z = L⁻¹ Xᵀy`: its squares are what each kept feature explains of the target, after the ones
    /// before it.
    pub(crate) explained: Numbers,
    /// The target's last pivot `yᵀy − zᵀz`: the scaled residual sum of squares, 0 where it cannot be
    /// told from rounding error.
    pub(crate) residual: f64,
    /// Whether a feature was dropped that may yet be independent of the ones before it: what it left is too little to
    /// say, and so is what rounding leaves of a feature that is not.
    pub(crate) unclear: bool,
}

impl Factor {
    /// With room for so many features, of which none is in it yet.
    pub(super) fn of_nothing(features: usize) -> Self {
        Self {
            kept: SmallVec::with_capacity(features),
            dropped: Vec::new(),
            rows: SmallVec::with_capacity(features),
            explained: Numbers::new(),
            residual: 0.0,
            unclear: false,
        }
    }

    pub(crate) fn new(products: &CrossProducts) -> Self {
        let target = products.variables - 1;
        let mut factor = Self::of_nothing(target);
        for feature in 0..target {
            let (mut row, pivot) = factor.eliminate(products, feature);
            let tolerance = products.dependence_tolerance(&factor.kept, feature);
            if pivot > tolerance * products.get(feature, feature) {
                row.push(pivot.sqrt());
                factor.rows.push(row);
                factor.kept.push(feature);
            } else {
                factor.unclear |= !factor.is_dependent(products, feature, &row, pivot);
                factor.dropped.push(feature);
            }
        }
        let (explained, pivot) = factor.eliminate(products, target);
        let floor = products.rounding_share(&factor.kept, target) * products.get(target, target);
        factor.explained = explained;
        factor.residual = if pivot > floor { pivot } else { 0.0 };
        factor
    }

    /// Whether what is left of `feature`, whose row of the factor this would be, is what rounding leaves of an exactly
    /// dependent one, and rounding leaves so little that an independent one would have shown.
    ///
    /// With `b` its coefficients on the kept features, what is left is `[−b, 1]ᵀ S [−b, 1]` of the scaled products `S`,
    /// so a share of rounding error in them is multiplied by at most `(1 + Σ |b|)²`.
    fn is_dependent(&self, products: &CrossProducts, feature: usize, row: &[f64], pivot: f64) -> bool {
        let own = products.get(feature, feature);
        if own == 0.0 {
            return true;
        }
        let spread = 1.0 + self.solve_upper(row.into()).iter().map(|b| b.abs()).sum::<f64>();
        let noise = products.rounding_share(&self.kept, feature) * spread * spread;
        let tolerance = products.dependence_tolerance(&self.kept, feature);
        pivot <= noise * own && noise <= tolerance
    }

    /// The next row of the factor for `variable`, and the square of its diagonal entry.
    fn eliminate(&self, products: &CrossProducts, variable: usize) -> (Numbers, f64) {
        let row = self.solve_lower(self.kept.iter().map(|&k| products.get(k, variable)));
        let pivot = row.iter().fold(products.get(variable, variable), |left, v| v.mul_add(-v, left));
        (row, pivot)
    }

    /// `L⁻¹ b`.
    pub(crate) fn solve_lower(&self, b: impl IntoIterator<Item = f64>) -> Numbers {
        let mut solution = Numbers::with_capacity(self.rows.len() + 1);
        for (row, value) in self.rows.iter().zip(b) {
            let known = row.iter().zip(&solution);
            let left = known.fold(value, |left, (l, s): (_, &f64)| (-l).mul_add(*s, left));
            solution.push(left / row[solution.len()]);
        }
        solution
    }

    /// The scaled slopes of the kept features, `L⁻ᵀ z`.
    ///
    /// They are not refined iteratively: on the NIST data sets neither that, with residuals in twice the
    /// precision, nor a residual sum of squares computed that way gains a digit over the rounding error
    /// that the moments come with.
    pub(crate) fn slopes(&self) -> Numbers {
        self.solve_upper(self.explained.clone())
    }

    /// `L⁻ᵀ b`.
    pub(crate) fn solve_upper(&self, mut b: Numbers) -> Numbers {
        for (r, row) in self.rows.iter().enumerate().rev() {
            b[r] /= row[r];
            let (above, solved) = b.split_at_mut(r);
            for (value, l) in above.iter_mut().zip(row) {
                *value = (-l).mul_add(solved[0], *value);
            }
        }
        b
    }

    /// The diagonal of `(L Lᵀ)⁻¹`: a sum of squares, so nothing cancels.
    pub(crate) fn inverse_diagonal(&self) -> Numbers {
        let rank = self.rows.len();
        (0..rank)
            .map(|unit| {
                let column = self.solve_lower((0..rank).map(|r| f64::from(u8::from(r == unit))));
                column.iter().map(|v| v * v).sum()
            })
            .collect()
    }
}
