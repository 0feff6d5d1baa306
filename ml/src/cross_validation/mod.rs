//! How well a linear model predicts rows that it was not fitted on, from the moments of folds.
//!
//! One pass over the rows gives the moments of each fold; what a fold's model is fitted on are the moments of all others
//! together, and what it is off by on the fold's rows follows from the fold's own moments. Nothing is read twice, so
//! every estimator that is fitted from moments is cross-validated at the cost of its fits.
//!
//! The moments of the other folds could be had by subtracting the fold's from the total. That loses the digits in which
//! the fold's exceed what is left, all of them where one fold has a far outlier or nearly all of the rows; so they are
//! merged instead, in all `3k` merges for `k` folds rather than `k` subtractions, which no fit notices.

mod folds;
mod score;

pub use folds::complements;
pub use score::{CrossValidation, cross_validate, cross_validate_rows, squared_error};
