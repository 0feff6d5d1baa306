//! The kinds of jobs, one module each: how a kind is planned by the head and run by workers.
//!
//! A new kind is a module here and a line in `registered`.

mod calling;
mod dealing;
pub mod dry_run;
mod grouped_scoring;
mod grouped_training;
mod planning;
mod scan_error;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use shoal_core::blobs::{BlobSource, NoBlobs};
use shoal_core::kind::{JobKind, Kinds};
use shoal_core::runner::{TaskContext, TaskRunner};
use shoal_core::task::{Assignment, TaskOutput};
use shoal_core::{Failure, Reason};

/// A kind as both sides see it: the head plans with one half, workers run the other.
struct Registered {
    kind: Arc<dyn JobKind>,
    runner: Arc<dyn TaskRunner>,
}

/// Every kind of this build. The one place where a kind is registered.
fn registered(blobs: &Arc<dyn BlobSource>) -> Vec<Registered> {
    let blobs = || Arc::clone(blobs);
    vec![
        Registered {
            kind: Arc::new(grouped_training::Planner { blobs: blobs() }),
            runner: Arc::new(grouped_training::Runner),
        },
        Registered {
            kind: Arc::new(grouped_scoring::Planner { blobs: blobs() }),
            runner: Arc::new(grouped_scoring::Runner),
        },
    ]
}

/// What a head plans with that has the files which jobs bring along there.
pub fn kinds(blobs: &Arc<dyn BlobSource>) -> Kinds {
    Kinds::new(registered(blobs).into_iter().map(|registered| registered.kind))
}

/// What a worker runs tasks with, whatever their kind.
pub fn runner() -> Arc<dyn TaskRunner> {
    // Nothing is planned here.
    let none: Arc<dyn BlobSource> = Arc::new(NoBlobs);
    let runners = registered(&none).into_iter().map(|registered| (registered.kind.name(), registered.runner)).collect();
    Arc::new(RunnerByKind(runners))
}

struct RunnerByKind(BTreeMap<&'static str, Arc<dyn TaskRunner>>);

#[async_trait]
impl TaskRunner for RunnerByKind {
    async fn run(&self, assignment: Assignment, context: TaskContext) -> Result<TaskOutput, Failure> {
        match self.0.get(assignment.kind.as_str()) {
            Some(runner) => runner.run(assignment, context).await,
            None => Err(Failure::new(
                Reason::UnknownKind,
                format!("this worker cannot run tasks of kind `{}`", assignment.kind),
            )
            .next("run the same version of shoal in the whole cluster")),
        }
    }
}
