//! The best split of a node, from one histogram at a time.

use crate::random::Random;

use super::binning::{Binned, MISSING};
use super::grow::GrowOptions;

/// Gradients and weights of the rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gradients<'a> {
    /// Outputs of each row.
    pub(crate) width: usize,
    /// Row-major: `gradients[row * width + output]`.
    pub(crate) gradients: &'a [f64],
    /// One per row; all ones if empty.
    pub(crate) hessians: &'a [f64],
}

/// Where to split a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) gain: f64,
    pub(super) feature: usize,
    /// The last bin that goes left.
    pub(super) bin: u8,
    pub(super) missing_left: bool,
}

/// A gain below this share of what it is the difference of is rounding, and so is a lead of one split over another: the
/// first of several equal splits is taken, however their sums were rounded.
const ROUNDING: f64 = 1e-12;

/// The hessian that a side has at least, as in scikit-learn: below it the leaf's value is noise.
const MIN_HESSIAN: f64 = 1e-3;

/// What is needed again for each node, so that small nodes cost no allocation.
#[derive(Debug)]
pub(super) struct Search {
    width: usize,
    /// For each bin: a gradient per output, the hessian, the number of rows.
    histogram: Vec<f64>,
    /// The bins that are not empty, a bit each.
    occupied: [u64; 4],
    /// Sums of the left side and of the node, laid out as a bin.
    left: Vec<f64>,
    total: Vec<f64>,
    features: Vec<u32>,
}

impl Search {
    pub(super) fn new(width: usize) -> Self {
        let stride = width + 2;
        Self {
            width,
            histogram: vec![0.0; (usize::from(MISSING) + 1) * stride],
            occupied: [0; 4],
            left: vec![0.0; stride],
            total: vec![0.0; stride],
            features: Vec::new(),
        }
    }

    /// Sums over rows: a gradient per output, the hessian, the number of rows.
    pub(super) fn totals(&mut self, gradients: Gradients<'_>, rows: &[u32]) -> &[f64] {
        self.total.fill(0.0);
        for row in rows {
            add_row(&mut self.total, gradients, *row as usize);
        }
        &self.total
    }

    /// The best split of the rows that [`Self::totals`] was last asked about, if one is worth it.
    pub(super) fn best(
        &mut self,
        binned: &Binned,
        gradients: Gradients<'_>,
        rows: &[u32],
        candidates: &[u32],
        options: &GrowOptions,
        random: &mut Random,
    ) -> Option<Split> {
        let mut features = std::mem::take(&mut self.features);
        features.clear();
        features.extend_from_slice(candidates);
        let wanted = options.features_per_node.unwrap_or(features.len());
        let sampled = wanted < features.len();
        let mut best = None;
        let mut tried = 0;
        for place in 0..features.len() {
            if sampled {
                // One more at a time: a feature that is constant in this node does not count.
                random.draw(&mut features[place..], 1);
            }
            let feature = features[place] as usize;
            self.fill(binned.column(feature), gradients, rows);
            let splittable = self.occupied.iter().map(|bits| bits.count_ones()).sum::<u32>() > 1;
            if splittable {
                self.scan(feature, binned.last_bin(feature), options, &mut best);
                tried += 1;
            }
            self.clear();
            if tried == wanted {
                break;
            }
        }
        self.features = features;
        best
    }

    fn fill(&mut self, bins: &[u8], gradients: Gradients<'_>, rows: &[u32]) {
        let stride = self.width + 2;
        for row in rows {
            let row = *row as usize;
            let bin = usize::from(bins[row]);
            self.occupied[bin / 64] |= 1 << (bin % 64);
            add_row(&mut self.histogram[bin * stride..(bin + 1) * stride], gradients, row);
        }
    }

    fn clear(&mut self) {
        let stride = self.width + 2;
        for bin in set_bits(self.occupied) {
            self.histogram[bin * stride..(bin + 1) * stride].fill(0.0);
        }
        self.occupied = [0; 4];
    }

    /// Tries each bin as the last one on the left, with missing values on the right and then on the left.
    fn scan(&mut self, feature: usize, last_bin: u8, options: &GrowOptions, best: &mut Option<Split>) {
        let stride = self.width + 2;
        let missing = usize::from(MISSING);
        let has_missing = self.occupied[missing / 64] >> (missing % 64) & 1 == 1;
        let mut known = self.occupied;
        known[missing / 64] &= !(1 << (missing % 64));
        let parent = score(&self.total, self.width, options.l2);

        for missing_left in [false, true] {
            if missing_left && !has_missing {
                break;
            }
            self.left.fill(0.0);
            if missing_left {
                self.left.copy_from_slice(&self.histogram[missing * stride..]);
            }
            for bin in set_bits(known) {
                for (left, value) in self.left.iter_mut().zip(&self.histogram[bin * stride..(bin + 1) * stride]) {
                    *left += value;
                }
                let (rows_left, rows) = (self.left[stride - 1], self.total[stride - 1]);
                if rows_left < options.min_samples_leaf || self.left[stride - 2] < MIN_HESSIAN {
                    continue;
                }
                let hessian_right = self.total[stride - 2] - self.left[stride - 2];
                if rows - rows_left < options.min_samples_leaf || hessian_right < MIN_HESSIAN {
                    break;
                }
                let mut squares = 0.0;
                for (total, left) in self.total[..self.width].iter().zip(&self.left) {
                    squares += (total - left) * (total - left);
                }
                let sides = score(&self.left, self.width, options.l2) + squares / (hessian_right + options.l2);
                let gain = sides - parent;
                if gain > ROUNDING * sides && best.is_none_or(|best| gain > best.gain * (1.0 + ROUNDING)) {
                    // Where nothing was missing, a missing value goes the way of most rows.
                    let majority_left = rows_left > rows - rows_left;
                    let missing_left = if has_missing { missing_left } else { majority_left };
                    // What is between the last value on the left and the first on the right stays undecided in this node;
                    // scikit-learn takes the lowest threshold too.
                    debug_assert!(bin <= usize::from(last_bin));
                    *best = Some(Split { gain, feature, bin: bin as u8, missing_left });
                }
            }
        }
    }
}

/// `Σ_k G_k² / (H + λ)`.
fn score(sums: &[f64], width: usize, l2: f64) -> f64 {
    sums[..width].iter().map(|gradient| gradient * gradient).sum::<f64>() / (sums[width] + l2)
}

#[inline]
fn add_row(sums: &mut [f64], gradients: Gradients<'_>, row: usize) {
    let Gradients { width, gradients, hessians } = gradients;
    if width == 1 {
        sums[0] += gradients[row];
    } else {
        for (sum, gradient) in sums[..width].iter_mut().zip(&gradients[row * width..(row + 1) * width]) {
            *sum += gradient;
        }
    }
    sums[width] += hessians.get(row).copied().unwrap_or(1.0);
    sums[width + 1] += 1.0;
}

/// The places of the set bits, ascending.
fn set_bits(words: [u64; 4]) -> impl Iterator<Item = usize> {
    words.into_iter().enumerate().flat_map(|(word, mut bits)| {
        std::iter::from_fn(move || {
            let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
            Some(word * 64 + bit)
        })
    })
}
