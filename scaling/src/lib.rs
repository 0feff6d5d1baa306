//! Autoscalers side by side: what happens to jobs, and what it costs, when one or another of them scales a cluster.
//!
//! ```text
//!   trace (a file, or made from a seed) -> world: jobs, scheduler, pods, nodes   -> measures -> verdict -> table, page, plots
//!                                            ^ seen            | wish
//!                                            +---- policy <----+   shoal | hpa | keda | ray | dask | fixed
//! ```
//!
//! `shoal` is the very decision function of core, behind the estimates that heads make; the others are written from their
//! published formulas. Nothing reads a clock or draws a number that does not come from the trace's seed: the same trace
//! has the same result on every machine.
//!
//! This is a crate of its own because it is in the shipped binary (`shoal simulate scaling`), for whoever wants to know
//! what an autoscaler would do with a trace of their own. The crate `simulation` is not: it drives the head's state
//! machine through faults, with mistakes that can be built into it, and nothing depends on it.

mod compare;
mod measures;
mod policy;
mod random;
mod show;
mod time;
mod trace;
mod world;

pub use compare::{Compared, Verdict, compare};
pub use measures::Measures;
pub use policy::{Choice, Scaler, Settings};
pub use show::page::{Page, page};
pub use trace::{Kind, Trace, generate, parse, read, write};

/// The seed of traces, unless another is asked for.
pub const SEED_DEFAULT: u64 = 1;
