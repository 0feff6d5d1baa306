//! Decision trees: how they are kept, and how they are grown from histograms of binned values.
//!
//! Boosting and forests share the grower. It minimises a second-order loss: each row has a gradient per output and a
//! weight (the hessian), and a split is as good as `Σ_k G_k² / (H + λ)` grows by it, summed over both sides. With the
//! gradients of a loss that is XGBoost's and LightGBM's gain; with minus the target and unit weights it is the decrease of
//! the variance; with minus the one-hot class it is the decrease of the Gini impurity.

mod binning;
mod columns;
mod ensemble;
mod grow;
mod histogram;
mod search;

pub use columns::Columns;
pub use ensemble::{Ensemble, EnsembleError};

pub(crate) use binning::Binned;
pub(crate) use grow::{GrowOptions, Grower};
pub(crate) use search::Gradients;

/// Bins of a feature at most, beside the one for missing values: a bin's number fits one byte.
pub const MAX_BINS: usize = 255;
