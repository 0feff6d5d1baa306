//! What tests of several crates share: services that they run beside Shoal.
//!
//! `make services` builds them once; a service that is not there is a failing test that says so.
#![allow(clippy::unwrap_used)]

mod etcd;
pub mod kubernetes;
mod numbers;
mod ports;
mod python;
mod services;
mod wait;

pub use etcd::{Etcd, EtcdSecurity};
pub use numbers::Numbers;
pub use ports::free_ports;
pub use python::python;
pub use services::program;
pub use wait::{PATIENCE, eventually, eventually_within};
