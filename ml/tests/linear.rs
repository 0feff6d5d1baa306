//! The linear estimators against statsmodels and scikit-learn, which run in the tests, and against what has to hold.
#![allow(clippy::unwrap_used)]

#[path = "linear/cross_validation.rs"]
mod cross_validation;
#[path = "linear/glm.rs"]
mod glm;
#[path = "linear/least_squares.rs"]
mod least_squares;
#[path = "linear/logistic.rs"]
mod logistic;
#[path = "linear/oracle.rs"]
mod oracle;
#[path = "linear/penalized.rs"]
mod penalized;
#[path = "linear/problem.rs"]
mod problem;
#[path = "support/python.rs"]
mod python;
