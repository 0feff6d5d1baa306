//! Shoal on Kubernetes: the definitions of its resources, made from the types that `shoal run` reads, and the operator
//! that makes pods and submissions of them.
//!
//! ```text
//!   watch --store--> facts --decide--> changes, status, next step --carry out--> API server, head
//! ```
//! Each kind has a module with a `reconcile` that gathers facts and carries out, and a pure `decide`.

mod budget;
mod callers;
mod certificates;
mod changes;
mod check;
mod cluster;
mod conditions;
mod context;
mod crds;
mod crypto;
mod door;
mod failures;
mod group;
mod head_client;
mod heads;
mod index;
mod informer;
mod job;
mod lead;
mod lease;
mod merge;
mod metrics;
mod names;
mod news;
mod pod_state;
mod pods;
mod policies;
mod python_image;
mod resources;
mod run;
mod scaling;
mod term;
mod token;
mod trouble;
mod yaml;

pub use callers::KubernetesCallers;
pub use check::check;
pub use context::{Config, HEAD_URL, METRICS_URL};
pub use crds::{crds_yaml, generated_files};
pub use door::{AtHand, Authority, Door, DoorTo, Explanation, explain};
pub use run::run;
