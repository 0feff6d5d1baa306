//! The clusters that other tests run on: they answer, they run what a real one runs, and nothing of them stays.
//!
//! `make test-kubernetes` builds what they need and runs them. A node needs root on Linux.
#![allow(clippy::unwrap_used)]

mod command;
mod control_plane;
mod leftovers;
mod node;
