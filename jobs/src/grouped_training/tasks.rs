//! What the planner tells the runner, and what the runner reports back.

use datafusion::arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use shoal_core::functions::Program;
use shoal_core::spec::v1alpha1::OnMissing;
use shoal_engine::columns::ResolvedColumns;
use shoal_engine::keys::Buckets;
use shoal_engine::models::Folds;
use shoal_engine::table::{Cluster, InputFile, PinnedTable, Split};
use shoal_ml::encode::Encoder;

use super::fitting::Fitting;

/// Names of the stages.
pub(super) mod stage {
    pub(crate) const ENVIRONMENT: &str = "environment";
    pub(crate) const LOAD: &str = "load";
    pub(crate) const LEARN: &str = "learn";
    pub(crate) const MEASURE: &str = "measure";
    pub(crate) const MAP: &str = "map";
    pub(crate) const REDUCE: &str = "reduce";
    pub(crate) const TRAIN: &str = "train";
}

/// What the head finds out before it plans: the input pinned, everything resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) table: PinnedTable,
    pub(super) files: Vec<InputFile>,
    pub(super) columns: ResolvedColumns,
    pub(super) output_schema: SchemaRef,
    /// Parts of the input that have groups to themselves, where its files prove that there are some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) clusters: Vec<Cluster>,
    /// How many groups there are at the most, where the input's files prove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) groups_max: Option<u64>,
    /// The user's function with its code, where one is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) program: Option<Program>,
}

/// How rows of a group meet, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Exchange {
    /// Workers exchange one state per group and split.
    States,
    /// Workers exchange the rows.
    Rows,
}

/// For every task that looks for categories; a task's own payload is its [`Split`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LearnStage {
    pub(super) table: PinnedTable,
    pub(super) columns: ResolvedColumns,
}

/// What it found: of each column whose categories are looked for, those of the split, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Learned(pub(super) Vec<Vec<String>>);

/// For the task that measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MeasureTask {
    pub(super) table: PinnedTable,
    pub(super) columns: ResolvedColumns,
    /// The file to look into.
    pub(super) file: InputFile,
}

/// What it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Rows looked at.
    pub(super) rows: u64,
    /// Different keys among them.
    pub(super) groups: u64,
    /// Bytes of those keys, once each, as Arrow holds them.
    pub(super) key_bytes: u64,
    /// Those that have many of the rows, the largest first.
    #[serde(default)]
    pub(super) large: Vec<LargeGroup>,
}

/// A group that has many of the rows that were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LargeGroup {
    /// Hash of its key.
    pub(super) hash: u64,
    /// Its rows.
    pub(super) rows: u64,
}

/// For every task of the map stage; a task's own payload is its [`Split`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MapStage {
    pub(super) table: PinnedTable,
    pub(super) columns: ResolvedColumns,
    pub(super) on_missing: OnMissing,
    pub(super) folds: Option<Folds>,
    /// What makes terms of the columns of categories.
    pub(super) encoders: Vec<Encoder>,
    /// What the variables of a row are called.
    pub(super) variables: Vec<String>,
    pub(super) exchange: Exchange,
    pub(super) buckets: Buckets,
    /// Rows and bytes of all splits, where files say how many rows they have and the job takes all of them.
    #[serde(default)]
    pub(super) rows_and_bytes: Option<(u64, u64)>,
}

/// For every task of the reduce stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReduceStage {
    pub(super) columns: ResolvedColumns,
    pub(super) exchange: Exchange,
    pub(super) training: Fitting,
    pub(super) output_table: String,
}

/// For every task that reads whole groups, whose own payload is its [`Split`]: what a task of each of the two stages would be
/// told, as it does the work of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrainStage {
    pub(super) map: MapStage,
    pub(super) reduce: ReduceStage,
}

/// A payload of the map stage.
pub(super) type MapTask = Split;
