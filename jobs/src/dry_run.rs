//! What a job would do, shown on a few groups of its input.

use std::path::PathBuf;
use std::sync::Arc;

use shoal_core::blobs::BlobSource;
use shoal_core::functions::Functions;
use shoal_core::job::Work;
use shoal_core::{Failure, Job, Reason};

use crate::grouped_training;
pub use crate::grouped_training::dry_run::{DryRun, Estimate, GroupsBy, TriedGroup};

/// What a dry run may use.
#[derive(Clone)]
pub struct Lent {
    /// Processes for a user's function.
    pub functions: Arc<dyn Functions>,
    /// Where the files are that the job brings along.
    pub blobs: Arc<dyn BlobSource>,
    /// A folder for what does not fit in memory.
    pub scratch: PathBuf,
    /// Memory of a task, in bytes.
    pub memory_bytes: u64,
    /// Tasks that the job itself would run at the same time.
    pub slots: u32,
}

/// Trains a few groups of a job's input. Nothing is written where the job would write.
///
/// # Errors
/// What is wrong with the job, as the job itself would say it; [`Reason::InvalidValue`] for a kind without groups to train.
pub async fn dry_run(job: &Job, lent: &Lent) -> Result<DryRun, Failure> {
    match &job.work {
        Work::GroupedTraining(training) => grouped_training::dry_run::dry_run(job, training, lent).await,
        other => Err(Failure::new(Reason::InvalidValue, format!("a job of kind `{}` has no dry run", other.kind()))
            .field(format!("spec.{}", other.kind()))
            .next("run it without `--dry-run`; a `groupedTraining` has one")),
    }
}
