//! What the planner tells the runner.

use datafusion::arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use shoal_engine::scoring::Scoring;
use shoal_engine::table::{InputFile, PinnedTable, Split};

use crate::planning::bytes_of;

/// Names of the stages.
pub(super) mod stage {
    pub(crate) const SCORE: &str = "score";
    pub(crate) const DEAL: &str = "deal";
    pub(crate) const JOIN: &str = "join";
}

/// A table and its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pinned {
    pub(super) table: PinnedTable,
    pub(super) files: Vec<InputFile>,
}

impl Pinned {
    pub(super) fn bytes(&self) -> u64 {
        bytes_of(&self.files)
    }
}

/// What the head finds out before it plans: both tables pinned, everything resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) models: Pinned,
    pub(super) rows: Pinned,
    pub(super) scoring: Scoring,
    pub(super) output_schema: SchemaRef,
}

/// Where predictions go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Output {
    pub(super) table: String,
    pub(super) schema: SchemaRef,
}

/// For every task of the stage that scores with all models; a task's own payload is its [`Split`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ScoreStage {
    pub(super) models: Pinned,
    pub(super) rows: PinnedTable,
    pub(super) scoring: Scoring,
    pub(super) output: Output,
}

/// For every task of the stage that deals to buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DealStage {
    pub(super) models: PinnedTable,
    pub(super) rows: PinnedTable,
    pub(super) scoring: Scoring,
    pub(super) buckets: u32,
}

/// What one of them deals. Tasks of models come first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum DealTask {
    Models(Split),
    Rows(Split),
}

/// For every task of the stage that joins a bucket's rows with its models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct JoinStage {
    pub(super) scoring: Scoring,
    /// How many tasks of the stage before dealt models.
    pub(super) model_tasks: u32,
    pub(super) output: Output,
}
