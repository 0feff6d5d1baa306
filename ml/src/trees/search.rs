//! The best split of a node, from the histogram of one feature after the other.

use crate::random::Random;

use super::binning::{Binned, MISSING};
use super::grow::GrowOptions;
use super::histogram::{Histogram, Layout};

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
    /// For each bin of a feature: a gradient per output, the hessian, the number of rows.
    histogram: Vec<f64>,
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
            left: vec![0.0; stride],
            total: vec![0.0; stride],
            features: Vec::new(),
        }
    }

    /// Sums over rows: a gradient per output, the hessian, the number of rows.
    pub(super) fn totals(&mut self, gradients: Gradients<'_>, rows: &[u32]) -> &[f64] {
        self.total.fill(0.0);
        for row in rows {
            add_row(&mut self.total, gradients, *row as usize, 1.0);
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
        let (mut features, mut histogram) = (std::mem::take(&mut self.features), std::mem::take(&mut self.histogram));
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
            let last_bin = usize::from(binned.last_bin(feature));
            let occupied = self.fill(&mut histogram, (binned.column(feature), last_bin), gradients, rows);
            if occupied.is_splittable() {
                self.scan(&histogram, occupied, (feature, last_bin), options, &mut best);
                tried += 1;
            }
            self.clear(&mut histogram, occupied);
            if tried == wanted {
                break;
            }
        }
        (self.features, self.histogram) = (features, histogram);
        best
    }

    /// As [`Self::best`] of all candidates, whose sums are known.
    pub(super) fn best_of(
        &mut self,
        binned: &Binned,
        (layout, histogram): (&Layout, &Histogram),
        candidates: &[u32],
        options: &GrowOptions,
    ) -> Option<Split> {
        let stride = self.width + 2;
        let mut best = None;
        for (place, feature) in candidates.iter().enumerate() {
            let (feature, sums) = (*feature as usize, histogram.feature(layout, place));
            let mut occupied = Occupied::default();
            for (bin, sums) in sums.chunks_exact(stride).enumerate() {
                // Rows are counted exactly, so that what rounding leaves in an empty bin is not looked at.
                if sums[stride - 1] > 0.0 {
                    occupied.add(bin);
                }
            }
            if occupied.is_splittable() {
                let last_bin = usize::from(binned.last_bin(feature));
                self.scan(sums, occupied, (feature, last_bin), options, &mut best);
            }
        }
        best
    }

    fn fill(
        &self,
        histogram: &mut [f64],
        (bins, last_bin): (&[u8], usize),
        gradients: Gradients<'_>,
        rows: &[u32],
    ) -> Occupied {
        let stride = self.width + 2;
        let mut occupied = Occupied::default();
        for row in rows {
            let row = *row as usize;
            // That of missing values is above all others, and comes after the last of these.
            let bin = usize::from(bins[row]).min(last_bin + 1);
            occupied.add(bin);
            add_row(&mut histogram[bin * stride..(bin + 1) * stride], gradients, row, 1.0);
        }
        occupied
    }

    fn clear(&self, histogram: &mut [f64], occupied: Occupied) {
        let stride = self.width + 2;
        for bin in occupied.bins() {
            histogram[bin * stride..(bin + 1) * stride].fill(0.0);
        }
    }

    /// Tries each bin of a feature as the last one on the left, with missing values on the right and then on the left.
    fn scan(
        &mut self,
        histogram: &[f64],
        occupied: Occupied,
        (feature, last_bin): (usize, usize),
        options: &GrowOptions,
        best: &mut Option<Split>,
    ) {
        let stride = self.width + 2;
        let missing = last_bin + 1;
        let has_missing = occupied.has(missing);
        let known = occupied.without(missing);
        let parent = score(&self.total, self.width, options.l2);

        for missing_left in [false, true] {
            if missing_left && !has_missing {
                break;
            }
            self.left.fill(0.0);
            if missing_left {
                self.left.copy_from_slice(&histogram[missing * stride..(missing + 1) * stride]);
            }
            for bin in known.bins() {
                for (left, value) in self.left.iter_mut().zip(&histogram[bin * stride..(bin + 1) * stride]) {
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

/// Adds a row to sums, or with −1 takes it out.
// Always, so that nothing is multiplied by a number that the caller knows.
#[inline(always)]
pub(super) fn add_row(sums: &mut [f64], gradients: Gradients<'_>, row: usize, times: f64) {
    let Gradients { width, gradients, hessians } = gradients;
    if width == 1 {
        sums[0] += times * gradients[row];
    } else {
        for (sum, gradient) in sums[..width].iter_mut().zip(&gradients[row * width..(row + 1) * width]) {
            *sum += times * gradient;
        }
    }
    sums[width] += times * hessians.get(row).copied().unwrap_or(1.0);
    sums[width + 1] += times;
}

/// The bins of a feature that are not empty, a bit each.
#[derive(Clone, Copy, Debug, Default)]
struct Occupied([u64; 4]);

impl Occupied {
    #[inline]
    fn add(&mut self, bin: usize) {
        self.0[bin / 64] |= 1 << (bin % 64);
    }

    fn has(self, bin: usize) -> bool {
        self.0[bin / 64] >> (bin % 64) & 1 == 1
    }

    fn without(mut self, bin: usize) -> Self {
        self.0[bin / 64] &= !(1 << (bin % 64));
        self
    }

    /// Whether rows lie in two bins at least.
    fn is_splittable(self) -> bool {
        self.0.iter().map(|bits| bits.count_ones()).sum::<u32>() > 1
    }

    /// The bins, ascending.
    fn bins(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(word * 64 + bit)
            })
        })
    }
}
