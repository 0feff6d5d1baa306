//! Real faults on real processes: heads, workers, etcd and S3 in network namespaces of their own, while a job runs whose
//! table must be the one that it makes when nothing happens.
//!
//! `make chaos RUNS=N` does N runs with fresh seeds, `make chaos SEED=S` replays one. `make test` does ten, so that every
//! scenario of the table is run. Each run is a process of its own in namespaces of its own (network, mounts, processes):
//! whatever it leaves behind, the kernel takes away with it, and whatever it should not leave behind can be seen.
#![allow(clippy::unwrap_used)]

mod fault;
mod input;
mod inside;
mod leaks;
mod network;
mod outside;
mod plan;
mod result;
mod scenario;
mod watch;
mod world;

use std::process::ExitCode;

/// First argument of the process that does one run; after it come its seed and the folder that runs share.
const INSIDE: &str = "inside";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [first, seed, shared] if first == INSIDE => inside::main(seed, shared.as_ref()),
        _ => outside::main(&arguments),
    }
}
