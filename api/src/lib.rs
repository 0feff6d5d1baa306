//! The head's REST interface: actix-web around the typed handle of the coordinator.
//!
//! Knows no job kind and starts nothing: what a request asks for is one call of [`shoal_coordinator::Head`], and what
//! comes back is core's own type as JSON. Every refusal is a [`shoal_core::Failure`], with the status that `refusal`
//! maps its reason to.

mod actions;
mod authorization;
mod blobs;
mod cluster;
mod environments;
mod history;
mod jobs;
mod openapi;
mod refusal;
mod routes;
mod server;

pub use blobs::{BlobQuery, MissingBlobs};
pub use cluster::ClusterStatus;
pub use environments::PackedEnvironment;
pub use history::{JobAttempts, JobLog};
pub use jobs::JobList;
pub use openapi::{generated_files, openapi};
pub use server::{Api, ApiConfig, start};
