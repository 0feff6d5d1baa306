//! Shoal on a real Kubernetes with real pods, as a user installs and uses it. It needs root, Kubernetes' programs and the
//! image: `make test-kubernetes` builds them and runs it.
//!
//! All tests share one node and the operator on it; each has a namespace and a ShoalCluster of its own.

#![allow(clippy::unwrap_used, missing_docs)]

mod bad_files;
mod callers;
mod changes;
mod door;
mod examples;
mod leftovers;
mod own_cluster;
mod place;
mod python;
mod scaling;
mod survival;
mod trouble;
mod world;
