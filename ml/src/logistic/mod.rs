//! Logistic regression, of two classes or of more.
//!
//! The objective is scikit-learn's, `C Σ loss + penalty`, so that a `c` means the same there and here: no feature is
//! standardised before it is penalised, and the intercept is not penalised.

mod binary;
mod by_class;
mod fit;
mod inference;
mod multinomial;
mod options;
mod solve;

pub use fit::LogisticFit;
pub use options::{LogisticOptions, Penalty};
pub use solve::fit_logistic;
