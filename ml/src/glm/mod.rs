//! Generalised linear models: counts, positive amounts and shares.

mod deviance;
mod family;
mod fit;
mod inference;
mod irls;
mod separation;

pub use family::{Family, GlmOptions, Link};
pub use fit::GlmFit;
pub use irls::fit_glm;
