//! The numerics of Shoal: mergeable sample moments, the models fitted from them, and the tail
//! probabilities their tests need.
//!
//! A model here is a pure function of a fixed-size summary of a group's rows. Workers fold rows into
//! [`Moments`] wherever the rows lie, the summaries of one group are merged in any order, and
//! [`fit_ols`] turns what is left into coefficients and their tests. Nothing in this crate reads a
//! file, waits, or knows what a group is.

pub mod boosting;
mod coordinate_descent;
pub mod cross_validation;
mod design;
pub mod distributions;
pub mod encode;
pub mod forest;
pub mod glm;
mod incomplete_beta;
pub mod logistic;
pub mod mean;
pub mod metrics;
pub mod model;
pub mod moments;
mod needs;
mod newton;
pub mod ols;
mod option_error;
pub mod penalized;
mod positive_definite;
mod predict;
mod random;
mod rows;
pub mod status;
mod summary;
pub mod trees;
mod weighted_moments;

pub use cross_validation::{CrossValidation, complements, cross_validate, cross_validate_rows, squared_error};
pub use glm::{Family, GlmFit, GlmOptions, Link, fit_glm};
pub use logistic::{LogisticFit, LogisticOptions, Penalty, fit_logistic};
pub use moments::{Moments, MomentsMut, MomentsRef};
pub use needs::Needs;
pub use ols::{
    IntervalOf, Intervals, OlsFit, OlsOptions, OlsPredictor, Prediction, RobustErrors, RobustKind, fit_ols,
    fit_ols_coefficients, fit_ols_rows, robust_errors,
};
pub use option_error::OptionError;
pub use penalized::{
    Alphas, ElasticNetOptions, PenalizedFit, RidgeOptions, alpha_path, best_alpha, fit_elastic_net,
    fit_elastic_net_path, fit_ridge,
};
pub use rows::Rows;
pub use status::FitStatus;
pub use summary::Summary;
pub use weighted_moments::{WeightKind, WeightedMoments};
