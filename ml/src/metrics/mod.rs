//! How good predictions are.
//!
//! What is a sum over rows is kept as a sum ([`RegressionErrors`], [`Confusion`], [`LogLoss`]): workers add their rows and
//! the sums are merged in any order. What needs all rows at once ([`roc_auc`], [`median_absolute_percentage_error`]) is a
//! function of slices. A metric that its rows do not define is `None`, never NaN and never a made-up zero.

mod classification;
mod ranking;
mod regression;

pub use classification::{Confusion, LogLoss};
pub use ranking::roc_auc;
pub(crate) use regression::median;
pub use regression::{RegressionErrors, median_absolute_percentage_error};
