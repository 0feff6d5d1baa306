//! The scaled cross-products a fit is solved from, and how far they can be trusted.

use smallvec::SmallVec;

use crate::moments::packed_index;
use crate::summary::Summary;

/// Numbers of which there is one per feature: of a few, as most models have, nothing is allocated.
pub(crate) type Numbers = SmallVec<[f64; 8]>;

/// The share of a feature's sum of squares that has to be left once the terms before it are taken out.
///
/// Scaled cross-products carry a rounding error of some 1e-15, so what an exactly dependent feature
/// leaves is of that order, more after ill-conditioned predecessors: 1e-11 leaves four digits for
/// that. What a genuine feature leaves is the inverse of its variance inflation: the notorious Longley
/// data reach 1e-3, and a feature dropped here would have standard errors inflated 300 000 times and
/// at best four correct digits.
const DEPENDENCE_TOLERANCE: f64 = 1e-11;

/// Sums of squares and products of the features and, last, the target: about their means with an
/// intercept, about zero without.
pub(crate) struct CrossProducts {
    pub(crate) variables: usize,
    /// Packed upper triangle, each variable divided by its scale.
    pub(crate) scaled: SmallVec<[f64; 21]>,
    /// The power of two just below each variable's root sum of squares: any other number would scale
    /// with a rounding error. 0 for a variable without spread, whose scaled products are 0 as well.
    pub(crate) scale: Numbers,
    /// Per variable, the share of its sum of squares that may be rounding error.
    noise: Numbers,
}

impl CrossProducts {
    /// `None` if any of the products is not finite.
    pub(crate) fn new(summary: Summary<'_>, intercept: bool) -> Option<Self> {
        let Summary { count, weight, log_weight: _, mean, comoment } = summary;
        let variables = mean.len();
        let count = count as f64;

        let mut scaled: SmallVec<[f64; 21]> = SmallVec::from_slice(comoment);
        if !intercept {
            let mut k = 0;
            for i in 0..variables {
                for j in i..variables {
                    scaled[k] = (weight * mean[i]).mul_add(mean[j], scaled[k]);
                    k += 1;
                }
            }
        }
        if !mean.iter().chain(&scaled).all(|v| v.is_finite()) {
            return None;
        }

        let mut scale = Numbers::with_capacity(variables);
        let mut noise = Numbers::with_capacity(variables);
        for i in 0..variables {
            let squares = scaled[packed_index(variables, i, i)];
            let offset = if intercept { mean[i] / (squares / weight).sqrt() } else { 0.0 };
            let share = noise_share(count, offset);
            let spread = squares > 0.0 && share < 1.0;
            scale.push(if spread { power_of_two_below(squares.sqrt()) } else { 0.0 });
            noise.push(share);
        }
        let mut k = 0;
        for i in 0..variables {
            for j in i..variables {
                let spread = scale[i] != 0.0 && scale[j] != 0.0;
                scaled[k] = if spread { scaled[k] / scale[i] / scale[j] } else { 0.0 };
                k += 1;
            }
        }
        Some(Self { variables, scaled, scale, noise })
    }

    /// The share of its own sum of squares that variable `i` has to keep, once `before` are taken out,
    /// not to count as dependent on them.
    pub(crate) fn dependence_tolerance(&self, before: &[usize], i: usize) -> f64 {
        DEPENDENCE_TOLERANCE.max(self.rounding_share(before, i))
    }

    /// The share of its own sum of squares that variable `i` may seem to keep for rounding alone, once
    /// `before` are taken out.
    pub(crate) fn rounding_share(&self, before: &[usize], i: usize) -> f64 {
        before.iter().fold(self.noise[i], |worst, &k| worst.max(self.noise[k]))
    }

    /// Adds to the scaled square of variable `i`.
    pub(crate) fn add_to_diagonal(&mut self, i: usize, amount: f64) {
        self.scaled[packed_index(self.variables, i, i)] += amount;
    }

    /// The scaled product of variables `i` and `j`, in either order.
    pub(crate) fn get(&self, i: usize, j: usize) -> f64 {
        self.scaled[packed_index(self.variables, i.min(j), i.max(j))]
    }
}

/// The share of a sum of squares that may be rounding error of the updates that built it, for `count`
/// rows whose mean is `offset` standard deviations from zero.
///
/// The first part is their own rounding, a random walk over the rows. The second is that of the mean
/// they are taken about, which only enters squared: it counts once the offset is some 1e7. On exactly
/// dependent columns of 20 to 20 000 rows and offsets up to 1e10, pushed one by one, this was at least
/// 5 times what was seen.
fn noise_share(count: f64, offset: f64) -> f64 {
    let mean_rounding = f64::EPSILON * offset;
    4.0 * f64::EPSILON * count.sqrt() + count * mean_rounding * mean_rounding
}

/// The largest power of two that is not above a positive, normal `x`.
fn power_of_two_below(x: f64) -> f64 {
    const EXPONENT: u64 = 0x7ff0_0000_0000_0000;
    f64::from_bits(x.to_bits() & EXPONENT)
}
