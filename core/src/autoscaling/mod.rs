//! Groups of workers that follow the work.
//!
//! ```text
//!   samples --signal--> Facts  \
//!   spec ------parse--> Policy  +--decide--> Decision (what to do) + Report (why) + the next History
//!   last time --------> History/
//! ```

mod behavior;
mod blocking;
mod capacity;
mod choice;
pub mod constants;
pub mod decision;
pub mod estimate;
pub mod facts;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fixture;
pub mod history;
mod leaving;
mod placement;
pub mod policy;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod properties;
pub mod report;
pub mod samples;
pub mod signal;
mod size;
mod sleep;
pub mod trouble;
mod trust;
mod words;

pub use decision::{ClusterSize, Decision, GroupDecision, Leaving};
pub use facts::{
    Facts, GroupFacts, HeadState, Observed, TaskShape, WorkClass, WorkFacts, WorkerFacts, WorkerShape, WorkerState,
};
pub use history::{History, LeavingPhase, WhyLeave};
pub use policy::{Behavior, GroupPolicy, Policy, RatePolicy, RateType, SelectPolicy};
pub use report::{ClusterReport, GroupReport, Hold, Inputs, Misfit, Rule};
pub use size::decide;
