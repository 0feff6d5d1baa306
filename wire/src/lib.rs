//! What processes of one cluster say to each other, and how they say it: the protocol between head and workers, Flight
//! tickets, failures that keep their type across gRPC, the token, TLS, and the probes that every process answers.

pub mod failure;
pub mod json;
pub mod limits;
pub mod listen;
pub mod memory;
pub mod probes;
pub mod proto;
pub mod ticket;
pub mod tls;
pub mod token;
pub mod transport;

pub use tls::Tls;
pub use token::Token;

/// Version of the protocol that this build speaks.
pub const WIRE_VERSION: u32 = 1;

/// Oldest version that a head of this build accepts: the one before its own, once there is one, so that a cluster can
/// be upgraded worker by worker.
pub const WIRE_VERSION_OLDEST: u32 = 1;
