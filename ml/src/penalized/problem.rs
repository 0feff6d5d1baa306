//! The scaled cross-products as a penalised fit takes them.

use crate::ols::CrossProducts;
use crate::summary::Summary;

/// Cross-products of the scaled features `Z_j = X_j / scale_j` and target `Y / target_scale`. Scales are powers of two,
/// so that nothing is rounded, and no square overflows.
pub(crate) struct Problem {
    /// `ZᵀZ`, whole, by rows.
    pub(crate) gram: Vec<f64>,
    /// `ZᵀY`.
    pub(crate) linear: Vec<f64>,
    /// `YᵀY`.
    pub(crate) target_squares: f64,
    /// What each feature was divided by; 1 where it has no spread, and its products are 0.
    pub(crate) scale: Vec<f64>,
    /// What the target was divided by; 1 where it has no spread.
    pub(crate) target_scale: f64,
}

impl Problem {
    /// `None` if a moment is not finite.
    pub(crate) fn new(summary: Summary<'_>, intercept: bool) -> Option<Self> {
        let products = CrossProducts::new(summary, intercept)?;
        let width = products.variables - 1;
        let mut gram = vec![0.0; width * width];
        for i in 0..width {
            for j in 0..width {
                gram[i * width + j] = products.get(i, j);
            }
        }
        let or_one = |scale: f64| if scale == 0.0 { 1.0 } else { scale };
        Some(Self {
            gram,
            linear: (0..width).map(|j| products.get(j, width)).collect(),
            target_squares: products.get(width, width),
            scale: products.scale[..width].iter().map(|&scale| or_one(scale)).collect(),
            target_scale: or_one(products.scale[width]),
        })
    }

    /// The residual sum of squares `YᵀY − 2 uᵀZᵀY + uᵀZᵀZu`, 0 where rounding would make it negative.
    pub(crate) fn residual(&self, u: &[f64]) -> f64 {
        let width = u.len();
        let mut left = self.target_squares;
        for j in 0..width {
            let row = &self.gram[j * width..(j + 1) * width];
            let explained: f64 = row.iter().zip(u).map(|(q, v)| q * v).sum();
            left = u[j].mul_add(explained - 2.0 * self.linear[j], left);
        }
        left.max(0.0)
    }
}
