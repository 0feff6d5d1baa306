//! Least squares with a penalty on the size of the coefficients, from merged moments.
//!
//! The objectives are scikit-learn's, so that an `alpha` means the same there and here: they differ between [`fit_ridge`]
//! and [`fit_elastic_net`], and no feature is standardised before it is penalised. The intercept is not penalised.
//!
//! With weights, each squared residual is multiplied by its row's, and `n` is what the rows weigh together.

mod choice;
mod elastic_net;
mod fit;
mod path;
mod problem;
mod ridge;

pub use choice::{Alphas, best_alpha};
pub use elastic_net::{ElasticNetOptions, fit_elastic_net};
pub use fit::PenalizedFit;
pub use path::{alpha_path, fit_elastic_net_path};
pub use ridge::{RidgeOptions, fit_ridge};
