//! Moments, weighted or not, as the estimators that are fitted from them see them.

use crate::moments::{Moments, MomentsRef, packed_len};

/// The moments of one group, borrowed, with what its rows weigh.
///
/// Made of a [`MomentsRef`], where each row weighs 1, or by
/// [`WeightedMoments::summary`](crate::WeightedMoments::summary).
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// How many observations there are: what degrees of freedom are counted from.
    pub(crate) count: u64,
    /// What the rows weigh together.
    pub(crate) weight: f64,
    /// The sum of the logarithms of the weights, as far as they are known to be precisions of the rows.
    pub(crate) log_weight: f64,
    /// The weighted mean of each variable.
    pub(crate) mean: &'a [f64],
    /// The packed upper triangle of the weighted cross-products about the means.
    pub(crate) comoment: &'a [f64],
}

impl Summary<'_> {
    /// # Panics
    ///
    /// If there is no target, or the slices do not fit each other.
    pub(crate) fn check_shape(&self) {
        assert!(!self.mean.is_empty(), "there is no target to fit");
        assert_eq!(self.comoment.len(), packed_len(self.mean.len()));
    }
}

impl<'a> From<MomentsRef<'a>> for Summary<'a> {
    fn from(MomentsRef { count, mean, comoment }: MomentsRef<'a>) -> Self {
        Self { count, weight: count as f64, log_weight: 0.0, mean, comoment }
    }
}

impl<'a> From<&'a Moments> for Summary<'a> {
    fn from(moments: &'a Moments) -> Self {
        moments.as_ref().into()
    }
}
