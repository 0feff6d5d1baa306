//! Sums of a node's rows for each bin of each feature, and those of a node's larger child without its rows.
//!
//! What a node has more than its smaller child is its larger child's (G. Ke et al., "LightGBM", NIPS 2017): only the smaller
//! one's rows are gone through, and of the other one its bins.

use super::binning::Binned;
use super::search::{Gradients, add_row};

/// The share of what sums were rounded at that is left of them at least: below it they are taken from the rows anew, as
/// differences of large sums have lost the digits of a small one. Two digits of sixteen are lost at the most.
const LEAST_SHARE: f64 = 1.0 / 64.0;

/// Bytes of the histograms that are kept for nodes that wait to be split. Beyond it nodes are gone through row by row.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// Where the bins of some features lie in one array: those of values, and one for missing values after them.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Floats of a bin: a gradient per output, the hessian, the number of rows.
    stride: usize,
    /// For each feature where its first bin begins, in floats; and the end.
    starts: Vec<usize>,
}

impl Layout {
    pub(super) fn new(binned: &Binned, features: &[u32], width: usize) -> Self {
        let stride = width + 2;
        let mut layout = Self { stride, starts: Vec::with_capacity(features.len() + 1) };
        let mut start = 0;
        layout.starts.push(start);
        for feature in features {
            start += (usize::from(binned.last_bin(*feature as usize)) + 2) * stride;
            layout.starts.push(start);
        }
        layout
    }

    fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Calls `each` with the bin of every feature of every row.
    fn for_each_bin(
        &self,
        (binned, features): (&Binned, &[u32]),
        rows: &[u32],
        sums: &mut [f64],
        mut each: impl FnMut(&mut [f64], usize),
    ) {
        for (place, feature) in features.iter().enumerate() {
            let sums = &mut sums[self.starts[place]..self.starts[place + 1]];
            let (bins, missing) = (binned.column(*feature as usize), sums.len() / self.stride - 1);
            for row in rows.iter().map(|row| *row as usize) {
                let bin = usize::from(bins[row]).min(missing);
                each(&mut sums[bin * self.stride..(bin + 1) * self.stride], row);
            }
        }
    }

    /// Whether so many rows are worth a histogram that is kept: to subtract one is then less than to go through a child's
    /// rows, and those of all nodes that have so many rows take about as much memory as the rows.
    pub(super) fn is_worth(&self, rows: usize) -> bool {
        rows * (self.starts.len() - 1) * self.stride >= 2 * self.len()
    }

    /// How many histograms may be kept.
    pub(super) fn kept_max(&self) -> usize {
        KEPT_BYTES_MAX / (self.len() * size_of::<f64>()).max(1)
    }
}

/// What the sums of some rows are rounded at.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Magnitude {
    gradients: f64,
    hessians: f64,
}

impl Magnitude {
    fn of(gradients: Gradients<'_>, rows: &[u32]) -> Self {
        let Gradients { width, gradients, hessians } = gradients;
        let mut found = Self { gradients: 0.0, hessians: 0.0 };
        for row in rows.iter().map(|row| *row as usize) {
            let of_row = &gradients[row * width..(row + 1) * width];
            found.gradients += of_row.iter().map(|gradient| gradient.abs()).sum::<f64>();
            found.hessians += hessians.get(row).copied().unwrap_or(1.0);
        }
        found
    }

    fn is_lost_in(self, other: Self) -> bool {
        self.gradients < LEAST_SHARE * other.gradients || self.hessians < LEAST_SHARE * other.hessians
    }
}

/// The sums of a node.
#[derive(Debug)]
pub(super) struct Histogram {
    /// As [`Layout`] has it.
    sums: Vec<f64>,
    rounded_at: Magnitude,
}

impl Histogram {
    /// The sums of some rows, in an array that may be used again.
    pub(super) fn of_rows(
        layout: &Layout,
        (binned, features): (&Binned, &[u32]),
        gradients: Gradients<'_>,
        rows: &[u32],
        mut sums: Vec<f64>,
    ) -> Self {
        sums.clear();
        sums.resize(layout.len(), 0.0);
        layout.for_each_bin((binned, features), rows, &mut sums, |bin, row| add_row(bin, gradients, row, 1.0));
        Self { sums, rounded_at: Magnitude::of(gradients, rows) }
    }

    /// Whether enough digits are left in what the histogram is for these of its rows, once those of all others are taken
    /// out of it.
    pub(super) fn keeps_digits(&self, gradients: Gradients<'_>, rows: &[u32]) -> bool {
        !Magnitude::of(gradients, rows).is_lost_in(self.rounded_at)
    }

    /// Without the rows of a histogram.
    pub(super) fn without(mut self, other: &Self) -> Self {
        for (sum, other) in self.sums.iter_mut().zip(&other.sums) {
            *sum -= other;
        }
        self
    }

    /// Without some rows: less to do than [`Self::without`], where these are few.
    pub(super) fn without_rows(
        mut self,
        layout: &Layout,
        features: (&Binned, &[u32]),
        gradients: Gradients<'_>,
        rows: &[u32],
    ) -> Self {
        layout.for_each_bin(features, rows, &mut self.sums, |bin, row| add_row(bin, gradients, row, -1.0));
        self
    }

    /// The bins of one of the features.
    pub(super) fn feature(&self, layout: &Layout, place: usize) -> &[f64] {
        &self.sums[layout.starts[place]..layout.starts[place + 1]]
    }

    /// The array, to be used again.
    pub(super) fn into_sums(self) -> Vec<f64> {
        self.sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::Columns;

    /// Two features, one of them with missing values.
    fn binned() -> Binned {
        let (a, b) = ([1.0, 2.0, 1.0, 3.0, f64::NAN, 2.0], [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]);
        Binned::new(&Columns::new(6, &[&a, &b]), &[0, 1, 2, 3, 4, 5], 255)
    }

    #[test]
    fn what_is_left_of_a_node_is_its_other_child() {
        let binned = binned();
        let features = [0, 1];
        let layout = Layout::new(&binned, &features, 1);
        let values = [0.5, -1.0, 2.0, 0.25, -4.0, 1.0];
        let gradients = Gradients { width: 1, gradients: &values, hessians: &[] };
        let of = |rows: &[u32]| Histogram::of_rows(&layout, (&binned, &features), gradients, rows, Vec::new());
        let (node, small, large) = (of(&[0, 1, 2, 3, 4, 5]), of(&[1, 4]), of(&[0, 2, 3, 5]));
        assert!(node.keeps_digits(gradients, &[0, 2, 3, 5]));
        // Sums of a few halves are exact.
        assert_eq!(node.without(&small).sums, large.sums);
        let node = of(&[0, 1, 2, 3, 4, 5]);
        assert_eq!(node.without_rows(&layout, (&binned, &features), gradients, &[1, 4]).sums, large.sums);
        // Values 1, 2, 3 and a missing one: the gradient, the hessian and the number of rows of each.
        assert_eq!(small.feature(&layout, 0), [0.0, 0.0, 0.0, -1.0, 1.0, 1.0, 0.0, 0.0, 0.0, -4.0, 1.0, 1.0]);
        assert_eq!(small.feature(&layout, 1).len(), 9);
    }

    #[test]
    fn rows_whose_sums_would_be_lost_in_rounding_are_gone_through() {
        let binned = binned();
        let features = [0, 1];
        let layout = Layout::new(&binned, &features, 1);
        let values = [1e-9, 1e9, 1e-9, 1e-9, 1e9, 1e-9];
        let gradients = Gradients { width: 1, gradients: &values, hessians: &[] };
        let of = |rows: &[u32]| Histogram::of_rows(&layout, (&binned, &features), gradients, rows, Vec::new());
        assert!(!of(&[0, 1, 2, 3, 4, 5]).keeps_digits(gradients, &[0, 2, 3, 5]));
    }
}
