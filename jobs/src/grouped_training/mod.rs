//! `groupedTraining`: one model per group of a table's rows.
//!
//! ```text
//!   learn (columns of categories only) -> measure (strategy auto only) -> map, one task per split -> reduce, one task per bucket -> commit
//!                                                                     \-> train, one task per range of keys ------------------/
//!
//!   aggregate: map folds rows into one state per group, reduce merges states and fits
//!   bucket:    map deals rows to buckets by their key, reduce trains group by group
//!   function:  models are what a user's function returns; before anything is read, environment installs what it needs
//!              and load has a process load it
//!   clustered: where the input's files prove that groups lie together, train reads whole groups, and no row is exchanged
//! ```

mod clustered;
pub(crate) mod dry_run;
pub(crate) mod environment;
mod facts;
mod fitting;
mod learn;
pub(crate) mod load;
mod map;
mod measure;
mod plan;
pub(crate) mod program;
pub(crate) mod reduce;
mod requirements;
mod runner;
pub(crate) mod sink;
mod skew;
mod strategy;
mod tasks;
mod train;

use std::sync::Arc;

use async_trait::async_trait;
use shoal_core::Payload;
use shoal_core::blobs::BlobSource;
use shoal_core::job::{GroupedTraining, Work};
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
        "groupedTraining"
    }

    async fn facts(&self, job: &Job) -> Result<Payload, Failure> {
        Payload::of(&facts::gather(job, training(job)?, &*self.blobs).await?)
    }

    fn plan(&self, job: &Job, facts: &Payload, done: &[StageOutcome], capacity: Capacity) -> Result<Planned, Failure> {
        plan::plan(job, training(job)?, &facts.read()?, done, capacity)
    }
}

fn training(job: &Job) -> Result<&GroupedTraining, Failure> {
    match &job.work {
        Work::GroupedTraining(training) => Ok(training),
        other => Err(Failure::internal(format!("a job of kind `{}` is no training", other.kind()))),
    }
}
