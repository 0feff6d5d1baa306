//! The control plane in a world of models, all of whose chance comes from one seed.
//!
//! ```text
//!             seed -> scenario (sizes, jobs, faults)
//!                        |
//!   users <-> heads: core's Control in core's EffectLoop <-> store (journal, election)
//!                        |                              <-> lake (Delta logs, files)
//!                     streams (delay, cuts, breaks)
//!                        |
//!                     workers <-> workers
//! ```
//!
//! The state machine, the loop that carries its effects out, the fence, the stored form of records and the decisions
//! about commits are the very ones of production; everything else is a model of what production has there. After every
//! event invariants are checked, each by its name. Nothing in a world reads a clock, starts a thread or draws a number
//! that does not come from the seed: the same seed tells the same story, event by event.

mod fault;
mod invariants;
mod kind;
mod lake;
mod many;
mod message;
mod queue;
mod random;
mod report;
pub mod scale;
mod scenario;
mod store;
mod world;

use std::collections::BTreeMap;

pub use invariants::Violation;
pub use many::run_all;
pub use report::Summary;
pub use shoal_core::control::Mutation;

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// Events until then, or until the end.
    pub events: u64,
    /// What was met, and how often.
    pub met: BTreeMap<String, u64>,
    /// The story, where it was asked for.
    pub trace: Vec<String>,
}

/// Runs the world of one seed to its end, or to the first invariant that does not hold.
pub fn run(seed: u64, mutation: Option<Mutation>, trace: bool) -> Outcome {
    let mut world = world::World::new(seed, mutation, trace);
    let violation = world.run().err();
    Outcome {
        seed,
        violation,
        events: world.events,
        met: std::mem::take(&mut world.met),
        trace: world.trace.take().unwrap_or_default(),
    }
}
