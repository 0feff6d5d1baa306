//! The features of a group as iterative estimators take them: scaled, about their means, by column.

use crate::ols::{CrossProducts, Factor};
use crate::rows::Rows;
use crate::status::FitStatus;

/// The columns `z_j = (x_j − mean_j) / scale_j` of the features that are fitted, without means where there is no
/// intercept. A parameter vector is the intercept, where there is one, then the slopes of the kept features.
pub(crate) struct Design {
    pub(crate) rows: usize,
    pub(crate) intercept: bool,
    /// The features that are fitted, in order; the others are dropped.
    pub(crate) kept: Vec<usize>,
    pub(crate) dropped: Vec<usize>,
    /// The kept columns, one after the other.
    columns: Vec<f64>,
    mean: Vec<f64>,
    /// Powers of two, so that scaling rounds nothing.
    pub(crate) scale: Vec<f64>,
    /// How many features there were.
    features: usize,
}

impl Design {
    /// The design of all features, or with `drop_dependent` of those that do not depend on the ones before them.
    ///
    /// # Errors
    ///
    /// If the moments of the rows are not finite.
    pub(crate) fn new(rows: Rows<'_>, intercept: bool, drop_dependent: bool) -> Result<Self, FitStatus> {
        let moments = rows.moments();
        let products = CrossProducts::new((&moments).into(), intercept).ok_or(FitStatus::NonFinite)?;
        let features = rows.features().len();
        let (kept, dropped) = if drop_dependent {
            let factor = Factor::new(&products);
            (factor.kept.into_vec(), factor.dropped)
        } else {
            ((0..features).collect(), Vec::new())
        };
        let mut columns = Vec::with_capacity(rows.len() * kept.len());
        let mut mean = Vec::with_capacity(kept.len());
        let mut scale = Vec::with_capacity(kept.len());
        // Scales are of root sums of squares; about 1 is better for the root mean square.
        let root = ((rows.len() as f64).log2() / 2.0).round().exp2();
        for &k in &kept {
            let center = if intercept { moments.mean[k] } else { 0.0 };
            let own = if products.scale[k] == 0.0 { 0.0 } else { (products.scale[k] / root).max(f64::MIN_POSITIVE) };
            // A column without spread is all zeros, whatever rounding says of its mean.
            let factor = if own == 0.0 { 0.0 } else { 1.0 };
            let divisor = if own == 0.0 { 1.0 } else { own };
            columns.extend(rows.features()[k].iter().map(|value| (value - center) / divisor * factor));
            mean.push(center);
            scale.push(divisor);
        }
        Ok(Self { rows: rows.len(), intercept, kept, dropped, columns, mean, scale, features })
    }

    /// How many parameters there are.
    pub(crate) fn width(&self) -> usize {
        self.kept.len() + usize::from(self.intercept)
    }

    /// How many terms the user's model has, dropped ones included.
    pub(crate) fn terms(&self) -> usize {
        self.features + usize::from(self.intercept)
    }

    /// The scaled column of the kept feature at `position`.
    pub(crate) fn column(&self, position: usize) -> &[f64] {
        &self.columns[position * self.rows..(position + 1) * self.rows]
    }

    /// Puts the linear predictor of each row into `eta`.
    pub(crate) fn predict(&self, parameters: &[f64], eta: &mut [f64]) {
        let (constant, slopes) = parameters.split_at(usize::from(self.intercept));
        eta.fill(constant.first().copied().unwrap_or(0.0));
        for (position, slope) in slopes.iter().enumerate() {
            if *slope != 0.0 {
                // Not fused: without that in the instruction set, each would be a call.
                for (sum, z) in eta.iter_mut().zip(self.column(position)) {
                    *sum += slope * z;
                }
            }
        }
    }

    /// `Zᵀ v`, with the sum of `v` first where there is an intercept.
    pub(crate) fn transposed(&self, v: &[f64], product: &mut [f64]) {
        let first_slope = usize::from(self.intercept);
        if self.intercept {
            product[0] = sum(v);
        }
        for position in 0..self.kept.len() {
            product[first_slope + position] = dot(self.column(position), v);
        }
    }

    /// The block of `stride`-wide `matrix` at `(row, column)` becomes `Zᵀ diag(w) Z`; `scratch` holds a value per row.
    pub(crate) fn weighted_gram(
        &self,
        w: &[f64],
        scratch: &mut [f64],
        matrix: &mut [f64],
        stride: usize,
        (row, column): (usize, usize),
    ) {
        let first_slope = usize::from(self.intercept);
        let mut put = |i: usize, j: usize, value: f64| {
            matrix[(row + i) * stride + column + j] = value;
            matrix[(row + j) * stride + column + i] = value;
        };
        if self.intercept {
            put(0, 0, sum(w));
        }
        for i in 0..self.kept.len() {
            for ((product, w), z) in scratch.iter_mut().zip(w).zip(self.column(i)) {
                *product = w * z;
            }
            if self.intercept {
                put(0, first_slope + i, sum(scratch));
            }
            for j in i..self.kept.len() {
                put(first_slope + i, first_slope + j, dot(scratch, self.column(j)));
            }
        }
    }

    /// The coefficients of the user's terms; those of dropped features are missing. `None` if one is not finite.
    pub(crate) fn coefficients(&self, parameters: &[f64]) -> Option<Vec<Option<f64>>> {
        let first_slope = usize::from(self.intercept);
        let mut coefficients = vec![None; self.terms()];
        let mut constant = if self.intercept { parameters[0] } else { 0.0 };
        for (position, &k) in self.kept.iter().enumerate() {
            let slope = parameters[first_slope + position] / self.scale[position];
            constant = (-slope).mul_add(self.mean[position], constant);
            coefficients[first_slope + k] = Some(slope);
        }
        if self.intercept {
            coefficients[0] = Some(constant);
        }
        coefficients.iter().flatten().all(|value| value.is_finite()).then_some(coefficients)
    }

    /// The standard errors of the user's terms, from the covariance of the parameters, whole and by rows.
    pub(crate) fn std_errors(&self, covariance: &[f64]) -> Vec<Option<f64>> {
        let width = self.width();
        let first_slope = usize::from(self.intercept);
        let mut errors = vec![None; self.terms()];
        let finite = |variance: f64| Some(variance.sqrt()).filter(|error| error.is_finite());
        for (position, &k) in self.kept.iter().enumerate() {
            let at = first_slope + position;
            errors[first_slope + k] =
                finite(covariance[at * width + at]).map(|error| error / self.scale[position]).filter(|e| e.is_finite());
        }
        if self.intercept {
            let origin = |i: usize| if i == 0 { 1.0 } else { -self.mean[i - 1] / self.scale[i - 1] };
            let variance: f64 = (0..width)
                .map(|i| (0..width).map(|j| origin(i) * covariance[i * width + j] * origin(j)).sum::<f64>())
                .sum();
            errors[0] = finite(variance);
        }
        errors
    }
}

/// In four sums side by side, which the compiler keeps in one register.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a_blocks, b_blocks) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for lane in 0..4 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

fn sum(v: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let blocks = v.chunks_exact(4);
    let rest: f64 = blocks.remainder().iter().sum();
    for block in blocks {
        for lane in 0..4 {
            sums[lane] += block[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}
