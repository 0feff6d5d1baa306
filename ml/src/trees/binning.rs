//! Values as the number of the bin that they lie in.

use super::{Columns, MAX_BINS};

/// The bin of a missing value; those of other values are below it.
pub(crate) const MISSING: u8 = MAX_BINS as u8;

/// The features of some rows as bins, and the thresholds between them.
///
/// As in scikit-learn's `_BinMapper`: with at most [`MAX_BINS`] distinct values a threshold lies midway between each two
/// neighbours, so that every split of the rows is found; with more, the thresholds are the quantiles `k / bins` (the
/// averaged inverse of the distribution function), each once. Bin `b` holds `thresholds[b − 1] < x <= thresholds[b]`.
#[derive(Clone, Debug)]
pub(crate) struct Binned {
    rows: usize,
    /// Column-major: `bins[feature * rows + row]`.
    bins: Vec<u8>,
    thresholds: Vec<Vec<f64>>,
}

impl Binned {
    /// Bins all rows by thresholds that are learned from `learned_from`.
    pub(crate) fn new(columns: &Columns<'_>, learned_from: &[u32], max_bins: usize) -> Self {
        let rows = columns.rows();
        let mut bins = Vec::with_capacity(rows * columns.features());
        let mut thresholds = Vec::with_capacity(columns.features());
        let mut sorted = Vec::with_capacity(learned_from.len());
        for feature in 0..columns.features() {
            let column = columns.column(feature);
            sorted.clear();
            sorted.extend(learned_from.iter().map(|row| column[*row as usize]).filter(|value| !value.is_nan()));
            sorted.sort_unstable_by(f64::total_cmp);
            let between = thresholds_of(&sorted, max_bins);
            bins.extend(column.iter().map(|value| {
                // At most MAX_BINS - 1 thresholds, so the number of those below fits.
                if value.is_nan() { MISSING } else { between.partition_point(|threshold| threshold < value) as u8 }
            }));
            thresholds.push(between);
        }
        Self { rows, bins, thresholds }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn features(&self) -> usize {
        self.thresholds.len()
    }

    /// The bin of each row.
    pub(crate) fn column(&self, feature: usize) -> &[u8] {
        &self.bins[feature * self.rows..(feature + 1) * self.rows]
    }

    /// The largest value of a bin; infinity for the last one, which has no upper end.
    pub(crate) fn threshold(&self, feature: usize, bin: u8) -> f64 {
        self.thresholds[feature].get(usize::from(bin)).copied().unwrap_or(f64::INFINITY)
    }

    /// The last bin that values can lie in.
    pub(crate) fn last_bin(&self, feature: usize) -> u8 {
        self.thresholds[feature].len() as u8
    }
}

fn thresholds_of(sorted: &[f64], max_bins: usize) -> Vec<f64> {
    let mut distinct: Vec<f64> = sorted.to_vec();
    distinct.dedup();
    if distinct.len() <= max_bins {
        return distinct.windows(2).map(|pair| between(pair[0], pair[1])).collect();
    }
    let count = sorted.len();
    let mut thresholds: Vec<f64> = (1..max_bins)
        .map(|k| {
            let place = k * count / max_bins;
            let is_whole = (k * count).is_multiple_of(max_bins);
            if is_whole { middle(sorted[place - 1], sorted[place]) } else { sorted[place] }
        })
        // An infinite threshold is one that only missing values are above.
        .map(|threshold| threshold.min(f64::MAX))
        .collect();
    thresholds.dedup();
    thresholds
}

/// A threshold that `low` is not above and `high` is.
fn between(low: f64, high: f64) -> f64 {
    let middle = middle(low, high).min(f64::MAX);
    // Two neighbouring floats have nothing between them.
    if middle >= low && middle < high { middle } else { low }
}

fn middle(low: f64, high: f64) -> f64 {
    // The sum of two large values overflows, the sum of their halves does not.
    let sum = low + high;
    if sum.is_finite() { sum * 0.5 } else { low * 0.5 + high * 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(values: &[f64], max_bins: usize) -> (Vec<u8>, Vec<f64>) {
        let rows: Vec<u32> = (0..values.len() as u32).collect();
        let binned = Binned::new(&Columns::new(values.len(), &[values]), &rows, max_bins);
        (binned.column(0).to_vec(), binned.thresholds[0].clone())
    }

    #[test]
    fn few_values_have_a_bin_each() {
        assert_eq!(bins(&[3.0, 1.0, f64::NAN, 1.0, 7.0], 255), (vec![1, 0, 255, 0, 2], vec![2.0, 5.0]));
        assert_eq!(bins(&[2.0, 2.0], 255), (vec![0, 0], vec![]));
        assert_eq!(bins(&[f64::NAN], 255), (vec![255], vec![]));
        assert_eq!(bins(&[], 255), (vec![], vec![]));
    }

    #[test]
    fn the_ends_of_the_range_of_floats_are_values_like_others() {
        let next = 1.0f64.next_up();
        let values = [f64::NEG_INFINITY, f64::MIN, 1.0, next, f64::MAX, f64::INFINITY];
        let (bins, thresholds) = bins(&values, 255);
        assert_eq!(bins, [0, 1, 2, 3, 4, 5]);
        assert!(thresholds.iter().all(|threshold| *threshold < f64::INFINITY), "{thresholds:?}");
        assert_eq!(super::thresholds_of(&[f64::NEG_INFINITY, f64::INFINITY], 255), [f64::MAX]);
    }

    #[test]
    fn many_values_are_spread_evenly() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let (bins, thresholds) = bins(&values, 10);
        assert_eq!(thresholds, [99.5, 199.5, 299.5, 399.5, 499.5, 599.5, 699.5, 799.5, 899.5]);
        assert_eq!(bins[0..101].iter().filter(|bin| **bin == 0).count(), 100);
    }
}
