//! The numerics of Shoal: mergeable sample moments, the models fitted from them, and the tail
//! probabilities their tests need.
//!
//! A model here is a pure function of a fixed-size summary of a group's rows. Workers fold rows into
//! [`Moments`] wherever the rows lie, the summaries of one group are merged in any order, and
//! [`fit_ols`] turns what is left into coefficients and their tests. Nothing in this crate reads a
//! file, waits, or knows what a group is.

mod coordinate_descent;
pub mod distributions;
mod incomplete_beta;
pub mod moments;
mod needs;
pub mod ols;
mod option_error;
pub mod penalized;
mod predict;
mod rows;
pub mod status;
mod summary;
mod weighted_moments;

pub use moments::{Moments, MomentsMut, MomentsRef};
pub use needs::Needs;
pub use ols::{OlsFit, OlsOptions, fit_ols};
pub use option_error::OptionError;
pub use penalized::{
    ElasticNetOptions, PenalizedFit, RidgeOptions, alpha_path, fit_elastic_net, fit_elastic_net_path, fit_ridge,
};
pub use rows::Rows;
pub use status::FitStatus;
pub use summary::Summary;
pub use weighted_moments::{WeightKind, WeightedMoments};
