//! Shoal on Kubernetes: so far the definitions of its resources, made from the types that `shoal run` reads.

mod crds;
mod yaml;

pub use crds::{crds_yaml, generated_files, shoal_job_crd};
