//! The linear estimators against statsmodels and scikit-learn, which run in the tests, and against what has to hold.
#![allow(clippy::unwrap_used)]

#[path = "linear/oracle.rs"]
mod oracle;
#[path = "linear/penalized.rs"]
mod penalized;
#[path = "linear/problem.rs"]
mod problem;
