//! Cyclic coordinate descent on a quadratic with absolute values.
//!
//! Source: J. Friedman, T. Hastie, R. Tibshirani, "Regularization paths for generalized linear models via coordinate
//! descent", Journal of Statistical Software 33 (2010), section 2.2 (covariance updates).

/// Minimises `½ uᵀQu − cᵀu + Σ l1_j |u_j| + ½ Σ l2_j u_j²` over `u`.
pub(crate) struct Quadratic<'a> {
    /// `Q`, symmetric and positive semi-definite, whole, by rows.
    pub(crate) matrix: &'a [f64],
    /// `c`.
    pub(crate) linear: &'a [f64],
    /// What each absolute value costs.
    pub(crate) l1: &'a [f64],
    /// What half of each square costs.
    pub(crate) l2: &'a [f64],
}

/// How much a sweep over all coordinates moved.
pub(crate) struct Moved {
    /// The largest step of a coordinate, in the units of the root of the objective: `|Δu_j| √(Q_jj + l2_j)`.
    pub(crate) step: f64,
    /// The largest coordinate after the sweep, in the same units.
    pub(crate) size: f64,
}

impl Quadratic<'_> {
    /// `c − Q u`, the slope that [`Quadratic::sweep`] keeps up to date.
    pub(crate) fn slope(&self, u: &[f64], slope: &mut [f64]) {
        slope.copy_from_slice(self.linear);
        for (row, &value) in self.matrix.chunks_exact(u.len().max(1)).zip(u) {
            if value != 0.0 {
                subtract(slope, value, row);
            }
        }
    }

    /// Minimises over one coordinate after the other, once.
    pub(crate) fn sweep(&self, u: &mut [f64], slope: &mut [f64]) -> Moved {
        let width = u.len();
        let mut moved = Moved { step: 0.0, size: 0.0 };
        for j in 0..width {
            let row = &self.matrix[j * width..(j + 1) * width];
            let curvature = row[j] + self.l2[j];
            // A feature without spread explains nothing.
            if curvature <= 0.0 {
                continue;
            }
            let old = u[j];
            let new = soft_threshold(row[j] * old + slope[j], self.l1[j]) / curvature;
            let root = curvature.sqrt();
            if new != old {
                u[j] = new;
                subtract(slope, new - old, row);
                moved.step = moved.step.max((new - old).abs() * root);
            }
            moved.size = moved.size.max(new.abs() * root);
        }
        moved
    }
}

/// `slope −= by · row`.
fn subtract(slope: &mut [f64], by: f64, row: &[f64]) {
    // Not fused: without that in the instruction set, each would be a call.
    for (value, entry) in slope.iter_mut().zip(row) {
        *value -= by * entry;
    }
}

/// What is left of `value` when `threshold` of it is taken away: the minimiser of `½ (u − value)² + threshold |u|`.
pub(crate) fn soft_threshold(value: f64, threshold: f64) -> f64 {
    value.signum() * (value.abs() - threshold).max(0.0)
}
