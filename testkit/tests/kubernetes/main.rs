//! The clusters that other tests run on: they answer, they run what a real one runs, and nothing of them stays.
//!
//! `make test-kubernetes` builds what they need and runs them. A node needs root on Linux.
#![allow(clippy::unwrap_used)]

mod command;
mod control_plane;
mod leftovers;
mod node;

use std::time::Instant;

use shoal_testkit::kubernetes::{Cluster, Layer, Options};

/// A cluster of this test's own; says how long it took, which nobody promises.
fn start(layer: Layer) -> Cluster {
    let started = Instant::now();
    let cluster = Cluster::start_own(Options::new(layer)).unwrap();
    println!("{layer:?} ready after {:.1} s", started.elapsed().as_secs_f64());
    cluster
}
