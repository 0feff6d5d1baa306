//! Centred first and second sample moments that can be updated by a row and merged with others.
//!
//! The state of `v` variables is the row count, `v` means, and the packed upper triangle of the
//! centred cross-products `C[i,j] = Σ (x_i − mean_i)(x_j − mean_j)`. Centring as the rows arrive is
//! what keeps the digits: raw sums of squares lose all of them to cancellation once the mean is large
//! against the spread.
//!
//! Sources: B. P. Welford, "Note on a method for calculating corrected sums of squares and products",
//! Technometrics 4 (1962); T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise
//! algorithm for computing sample variances", Stanford STAN-CS-79-773 (1979), and "Algorithms for
//! computing the sample variance", The American Statistician 37 (1983).

/// The number of entries in the packed upper triangle of a symmetric matrix, diagonal included.
#[inline]
pub const fn packed_len(variables: usize) -> usize {
    variables * (variables + 1) / 2
}

/// Where entry `(i, j)` with `i <= j < variables` lies in the row-major packed upper triangle.
#[inline]
pub const fn packed_index(variables: usize, i: usize, j: usize) -> usize {
    debug_assert!(i <= j && j < variables);
    i * (2 * variables - i + 1) / 2 + (j - i)
}

/// The moments of one group, borrowed.
///
/// The slices are a group's window into flat, group-major arrays: `mean` holds `v` values and
/// `comoment` [`packed_len`]`(v)`.
#[derive(Clone, Copy, Debug)]
pub struct MomentsRef<'a> {
    /// How many rows were pushed.
    pub count: u64,
    /// The mean of each variable.
    pub mean: &'a [f64],
    /// The packed upper triangle of the centred cross-products.
    pub comoment: &'a [f64],
}

/// The moments of one group, borrowed for update; shapes as in [`MomentsRef`].
#[derive(Debug)]
pub struct MomentsMut<'a> {
    /// How many rows were pushed: a float, so that it can lie beside the others. Exact up to 2^53.
    pub count: &'a mut f64,
    /// The mean of each variable.
    pub mean: &'a mut [f64],
    /// The packed upper triangle of the centred cross-products.
    pub comoment: &'a mut [f64],
}

impl MomentsMut<'_> {
    /// Adds one row of `v` values (Welford 1962).
    ///
    /// With `d = row − mean` and `n` the new count:
    /// `C[i,j] += (n − 1)/n · d_i · d_j`, then `mean += d / n`.
    // Always, so that callers who know the number of variables get code without loops.
    #[inline(always)]
    pub fn push(&mut self, row: &[f64]) {
        debug_assert_eq!(row.len(), self.mean.len());
        debug_assert_eq!(self.comoment.len(), packed_len(self.mean.len()));
        let before = *self.count;
        *self.count += 1.0;
        let share = 1.0 / *self.count;
        let weight = before * share;

        // Deviations are taken afresh from the old means in every row of the triangle: that costs a
        // subtraction and saves a buffer. The means move only once the triangle is done.
        let mut triangle = &mut *self.comoment;
        for i in 0..row.len() {
            let (line, below) = triangle.split_at_mut(row.len() - i);
            let weighted = weight * (row[i] - self.mean[i]);
            for ((entry, value), mean) in line.iter_mut().zip(&row[i..]).zip(&self.mean[i..]) {
                *entry += weighted * (value - mean);
            }
            triangle = below;
        }
        for (mean, value) in self.mean.iter_mut().zip(row) {
            *mean += share * (value - *mean);
        }
    }

    /// Adds the rows another state was built from (Chan, Golub and LeVeque 1979).
    ///
    /// With `d = mean_b − mean_a`:
    /// `C[i,j] = C_a[i,j] + C_b[i,j] + n_a n_b / n · d_i · d_j` and `mean = mean_a + n_b / n · d`.
    /// An empty side, whatever its means hold, leaves the other as it is to the last bit.
    pub fn merge(&mut self, other: MomentsRef<'_>) {
        debug_assert_eq!(other.mean.len(), self.mean.len());
        debug_assert_eq!(other.comoment.len(), self.comoment.len());
        let MomentsRef { count, mean, comoment } = other;
        if count == 0 {
            return;
        }
        let count = count as f64;
        if *self.count == 0.0 {
            *self.count = count;
            self.mean.copy_from_slice(mean);
            self.comoment.copy_from_slice(comoment);
            return;
        }
        let before = *self.count;
        *self.count += count;
        let share = count / *self.count;
        let weight = before * share;

        let mut start = 0;
        for i in 0..mean.len() {
            let line = start..start + mean.len() - i;
            start = line.end;
            let weighted = weight * (mean[i] - self.mean[i]);
            let entries = self.comoment[line.clone()].iter_mut().zip(&comoment[line]);
            let means = self.mean[i..].iter().zip(&mean[i..]);
            for ((entry, other), (mine, theirs)) in entries.zip(means) {
                *entry += other + weighted * (theirs - mine);
            }
        }
        for (mine, theirs) in self.mean.iter_mut().zip(mean) {
            *mine += share * (theirs - *mine);
        }
    }
}

/// The moments of one group, owned; shapes as in [`MomentsRef`].
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// How many rows were pushed, as in [`MomentsMut`].
    pub count: f64,
    /// The mean of each variable.
    pub mean: Vec<f64>,
    /// The packed upper triangle of the centred cross-products.
    pub comoment: Vec<f64>,
}

impl Moments {
    /// The moments of no rows.
    pub fn new(variables: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; variables], comoment: vec![0.0; packed_len(variables)] }
    }

    /// Makes them those of no rows.
    pub fn clear(&mut self) {
        self.count = 0.0;
        self.mean.fill(0.0);
        self.comoment.fill(0.0);
    }

    /// A view to fit from or to merge into another state.
    pub fn as_ref(&self) -> MomentsRef<'_> {
        MomentsRef { count: self.count as u64, mean: &self.mean, comoment: &self.comoment }
    }

    /// A view to push to and merge into.
    pub fn as_mut(&mut self) -> MomentsMut<'_> {
        MomentsMut { count: &mut self.count, mean: &mut self.mean, comoment: &mut self.comoment }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_entries_follow_each_other_row_by_row() {
        for variables in 0..6 {
            let mut expected = 0;
            for i in 0..variables {
                for j in i..variables {
                    assert_eq!(packed_index(variables, i, j), expected);
                    expected += 1;
                }
            }
            assert_eq!(packed_len(variables), expected);
        }
    }

    #[test]
    fn small_integers_give_exact_moments() {
        let mut moments = Moments::new(2);
        for row in [[1.0, 2.0], [3.0, 6.0]] {
            moments.as_mut().push(&row);
        }
        assert_eq!(moments.count, 2.0);
        assert_eq!(moments.mean, [2.0, 4.0]);
        assert_eq!(moments.comoment, [2.0, 4.0, 8.0]);
    }

    #[test]
    fn a_constant_column_has_exactly_no_spread() {
        let mut left = Moments::new(1);
        let mut right = Moments::new(1);
        for _ in 0..7 {
            left.as_mut().push(&[0.1]);
            right.as_mut().push(&[0.1]);
        }
        left.as_mut().merge(right.as_ref());
        assert_eq!((left.count, left.mean[0], left.comoment[0]), (14.0, 0.1, 0.0));
    }
}
