//! The worker's half of the kind: picks what to run by the stage's name.

use async_trait::async_trait;
use shoal_core::runner::{TaskContext, TaskRunner};
use shoal_core::task::{Assignment, TaskOutput};
use shoal_core::{Failure, Reason};

use super::tasks::stage;
use super::{deal, join, predict, score};
use crate::grouped_training::{environment, load};

pub(crate) struct Runner;

#[async_trait]
impl TaskRunner for Runner {
    async fn run(&self, assignment: Assignment, context: TaskContext) -> Result<TaskOutput, Failure> {
        match assignment.stage.as_str() {
            stage::ENVIRONMENT => environment::run(&assignment, &context).await,
            stage::LOAD => load::run(&assignment, &context).await,
            stage::SCORE => score::run(&assignment, &context).await,
            stage::DEAL => deal::run(&assignment, &context).await,
            stage::JOIN => join::run(&assignment, &context).await,
            stage::PREDICT => predict::run(&assignment, &context).await,
            other => Err(Failure::new(
                Reason::IncompatibleVersion,
                format!("this worker has no stage `{other}` of grouped scoring"),
            )
            .next("run the same version of shoal in the whole cluster")),
        }
    }
}
