//! What the planner tells the runner.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::prelude::{DataFrame, SessionContext};
use serde::{Deserialize, Serialize};
use shoal_core::Failure;
use shoal_core::functions::Program;
use shoal_engine::scoring::{FunctionScoring, Scoring, models_frame, rows_frame};
use shoal_engine::table::{InputFile, PinnedTable, Split};

use crate::planning::bytes_of;

/// Names of the stages.
pub(super) mod stage {
    pub(crate) const ENVIRONMENT: &str = "environment";
    pub(crate) const LOAD: &str = "load";
    pub(crate) const SCORE: &str = "score";
    pub(crate) const DEAL: &str = "deal";
    pub(crate) const JOIN: &str = "join";
    pub(crate) const PREDICT: &str = "predict";
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
    pub(super) scoring: Scorer,
    pub(super) output_schema: SchemaRef,
    /// The user's function with its code, where one predicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) program: Option<Program>,
}

/// What predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
// Plans that were stored before there were functions are of models.
#[serde(untagged)]
pub(super) enum Scorer {
    /// A function of the user's.
    Function(Box<FunctionScoring>),
    /// Our own models.
    Models(Box<Scoring>),
}

impl Scorer {
    /// How many columns make a key.
    pub(super) fn keys(&self) -> usize {
        match self {
            Self::Function(scoring) => scoring.columns.keys.len(),
            Self::Models(scoring) => scoring.keys.len(),
        }
    }

    /// What travels of the models.
    pub(super) fn models_frame(&self, frame: DataFrame) -> Result<DataFrame, Failure> {
        match self {
            Self::Function(scoring) => scoring.models_frame(frame),
            Self::Models(scoring) => models_frame(frame, scoring),
        }
    }

    /// What travels of the rows.
    pub(super) fn rows_frame(&self, ctx: &SessionContext, frame: DataFrame) -> Result<DataFrame, Failure> {
        match self {
            Self::Function(scoring) => scoring.rows_frame(ctx, frame),
            Self::Models(scoring) => rows_frame(ctx, frame, scoring),
        }
    }
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
    pub(super) scoring: Scorer,
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

/// For every task of the stage that has a function predict for a bucket's rows with its models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PredictStage {
    pub(super) scoring: FunctionScoring,
    pub(super) program: Program,
    /// How many tasks of the stage before dealt models.
    pub(super) model_tasks: u32,
    pub(super) output: Output,
}
