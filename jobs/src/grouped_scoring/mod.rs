//! `groupedScoring`: predictions for the rows of a table, each by the model of its group.
//!
//! ```text
//!   broadcast: score, one task per split, each with all models                        -> commit
//!   bucket:    deal, one task per split of rows and of models -> join, one per bucket -> commit
//!   function:  environment and load as in a training -> deal -> predict, one per bucket -> commit
//! ```

mod deal;
mod facts;
mod held;
mod join;
mod plan;
mod predict;
mod runner;
mod score;
mod strategy;
mod tasks;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use shoal_core::Payload;
use shoal_core::blobs::BlobSource;
use shoal_core::job::{GroupedScoring, Work};
use shoal_core::kind::{Capacity, JobKind, Planned, StageOutcome};
use shoal_core::{Failure, Job};

pub(crate) use runner::Runner;

/// The head's half of the kind.
pub(crate) struct Planner {
    /// Where the files are that jobs bring along.
    pub(crate) blobs: Arc<dyn BlobSource>,
}

#[async_trait]
impl JobKind for Planner {
    fn name(&self) -> &'static str {
        "groupedScoring"
    }

    async fn facts(&self, job: &Job) -> Result<Payload, Failure> {
        Payload::of(&facts::gather(job, scoring(job)?, &*self.blobs).await?)
    }

    fn plan(&self, job: &Job, facts: &Payload, done: &[StageOutcome], capacity: Capacity) -> Result<Planned, Failure> {
        plan::plan(job, scoring(job)?, &facts.read()?, done, capacity)
    }
}

fn scoring(job: &Job) -> Result<&GroupedScoring, Failure> {
    match &job.work {
        Work::GroupedScoring(scoring) => Ok(scoring),
        other => Err(Failure::internal(format!("a job of kind `{}` is no scoring", other.kind()))),
    }
}
