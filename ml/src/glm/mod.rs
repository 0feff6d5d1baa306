//! Generalised linear models: counts, positive amounts and shares.

mod deviance;
mod family;
mod fit;
mod inference;
mod irls;
mod separation;
mod solve;

pub use family::{Family, GlmOptions, Link};
pub use fit::GlmFit;
pub use solve::fit_glm;
