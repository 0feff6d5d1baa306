//! What the suites share: the tree under test, processes of the built binary, generated data, and the oracles.
//!
//! Test code may panic; every panic here says what was expected.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod authority;
pub mod cluster;
pub mod control_group;
pub mod data;
pub mod delta_log;
pub mod fault_proxy;
pub mod http;
pub mod job;
pub mod models;
pub mod object_stores;
pub mod oracle;
pub mod process;
pub mod shoal;
pub mod signals;
pub mod slots;
pub mod table;
mod threads;
pub mod workspace;
