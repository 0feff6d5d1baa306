//! A worker: actors around a task runner, the partitions that tasks leave for each other, and the Flight server that
//! hands them to other workers.
//!
//! ```text
//!              supervisor (restarts what fails)
//!              /                         \
//!   membership (the head's stream)     pool (slots, cancelling)
//!              \                         / \
//!               \<------- results ------/   task runtime: one future per attempt, threads of its own
//!                                                |
//!   Flight server --------> store <--------------+
//!   (other workers read)    (partitions in memory, then on disk)
//! ```
//!
//! What must outlive a restarted actor (results not yet sent, the highest epoch, the attempts that occupy slots) lies in
//! `shared`; everything that must be undone is undone in `Drop`, because an actor that panicked runs no code of its own.

mod attempt_log;
mod config;
mod disk;
mod flight;
mod function_counters;
mod heads;
mod limits;
mod membership;
mod metrics;
mod pool;
mod results;
mod running;
mod scratch;
mod shared;
pub mod store;
mod supervisor;
mod worker;

pub use attempt_log::attempt_logs;
pub use config::WorkerConfig;
pub use flight::serve_partitions;
pub use heads::{FixedHeads, Heads};
pub use metrics::StoreMetrics;
pub use store::Store;
pub use worker::{Worker, start};
