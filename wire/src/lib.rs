//! What processes of one cluster say to each other, and how they say it: the protocol between head and workers, Flight
//! tickets, failures that keep their type across gRPC, the token, who may ask a head, TLS, and the probes that every process answers.

pub mod callers;
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

/// Version of the protocol that this build speaks. Version 2 lets workers be drained: they say so, and take over
/// partitions of each other.
pub const WIRE_VERSION: u32 = 2;

/// Oldest version that a head of this build accepts: the one before its own, so that a cluster can be upgraded worker by
/// worker, the head first.
pub const WIRE_VERSION_OLDEST: u32 = 1;

/// Version since which a worker can be drained, and can take over partitions.
pub const WIRE_VERSION_DRAINS: u32 = 2;
