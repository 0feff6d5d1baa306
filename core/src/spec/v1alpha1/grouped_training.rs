use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Evaluate, InputTable, Model, OutputTable, is_default};

/// What may be trained from one state per group.
const MERGEABLE: &str = "!has(self.strategy.aggregate) || (!(has(self.evaluate) && has(self.evaluate.time)) && (has(self.model.mean) \
    || (has(self.model.ols) && !has(self.model.ols.weight) && self.model.ols.standardErrors == 'classical') \
    || (has(self.model.ridge) && !has(self.model.ridge.weight)) \
    || (has(self.model.lasso) && !has(self.model.lasso.weight)) \
    || (has(self.model.elasticNet) && !has(self.model.elasticNet.weight))))";
const NOT_MERGEABLE: &str = "this model is trained from the rows of a group: `aggregate` is for `mean`, and for `ols` with \
    classical standard errors, `ridge`, `lasso` and `elasticNet` without `weight`, not evaluated by time";

/// What is needed to choose between alphas.
const COMPARES_ALPHAS: &str = "has(self.evaluate) || !((has(self.model.lasso) && has(self.model.lasso.alphas)) \
    || (has(self.model.elasticNet) && has(self.model.elasticNet.alphas)))";
const NO_ALPHA_COMPARED: &str =
    "`alphas` are compared on rows that models were not trained on: say with `evaluate` which";

/// What learns from rows in which a feature is missing.
const LEARNS_FROM_MISSING: &str = "self.onMissing != 'keep' || has(self.model.randomForest) || has(self.model.gradientBoosting) || has(self.model.python)";
const NOTHING_FROM_MISSING: &str = "this model takes no missing values: `keep` is for `randomForest` and \
    `gradientBoosting`, whose trees learn where such rows go";

/// What means nothing to a function of the user's.
const ALL_ROWS: &str = "self.onMissing != 'fail' || !has(self.model.python)";
const ALL_ROWS_AS_THEY_ARE: &str =
    "a function gets all rows of its group as they are: it has to look for missing values";
const NOT_TESTED: &str = "!has(self.evaluate) || !has(self.model.python)";
const TESTS_ITSELF: &str = "what a function returns is not tested: `evaluate` is for models that Shoal trains";
const ALL_IT_RETURNS: &str = "self.statistics == 'full' || !has(self.model.python)";
const RETURNS_SAY: &str = "`returns` says which columns the output of a function has";

/// Trains one model per group of a table's rows, and writes one row per group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": MERGEABLE, "message": NOT_MERGEABLE, "fieldPath": ".strategy"},
    {"rule": COMPARES_ALPHAS, "message": NO_ALPHA_COMPARED, "fieldPath": ".evaluate", "reason": "FieldValueRequired"},
    {"rule": LEARNS_FROM_MISSING, "message": NOTHING_FROM_MISSING, "fieldPath": ".onMissing"},
    {"rule": ALL_ROWS, "message": ALL_ROWS_AS_THEY_ARE, "fieldPath": ".onMissing"},
    {"rule": NOT_TESTED, "message": TESTS_ITSELF, "fieldPath": ".evaluate"},
    {"rule": ALL_IT_RETURNS, "message": RETURNS_SAY, "fieldPath": ".statistics"},
]))]
pub struct GroupedTraining {
    /// The table with the rows to train on.
    pub input: InputTable,
    /// Columns whose values make a group; a missing value is a group of its own.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 255)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub group_by: Vec<String>,
    /// What happens to a row in which the target or a feature is null, NaN or infinite: `drop` leaves it out and counts
    /// it, `fail` fails the job. `keep`, for trees, drops it for its target only: each split learns to which side rows go
    /// whose feature is null or NaN, and an infinite feature is beyond all others. A `python` function gets all rows.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// How rows meet the other rows of their group; chosen from the data where it is absent.
    #[serde(default)]
    pub strategy: Strategy,
    /// What the output says of each model: `full` has all that is known of it, `coefficients` only these, where the model
    /// has some, which is less to compute and to write.
    // Specs that were stored before there was a choice stay as they were.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = "full"))]
    pub statistics: Statistics,
    /// How well each model predicts rows of its group that it was not trained on; not asked where it is absent. What is
    /// found comes in further columns, and the model itself is of all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate: Option<Evaluate>,
    /// The model to train: exactly one.
    pub model: Model,
    /// The table of models.
    pub output: OutputTable,
}

/// What happens to a row with a missing value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnMissing {
    #[allow(missing_docs)]
    #[default]
    Drop,
    #[allow(missing_docs)]
    Fail,
    #[allow(missing_docs)]
    Keep,
}

/// What the output says of each model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Statistics {
    #[allow(missing_docs)]
    #[default]
    Full,
    #[allow(missing_docs)]
    Coefficients,
}

/// How rows meet the other rows of their group: exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Strategy {
    /// Measures rows per group on a sample and takes what is done sooner; a small input is trained by one task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<Chosen>,
    /// Workers fold rows into one state per group and exchange the states. Best for groups of many rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Chosen>,
    /// Workers exchange the rows, so that each group's rows meet on one worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketStrategy>,
}

impl Default for Strategy {
    fn default() -> Self {
        Self { auto: Some(Chosen {}), aggregate: None, bucket: None }
    }
}

/// A choice without options: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chosen {}

/// Options of the `bucket` strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketStrategy {
    /// Number of buckets that groups are dealt to, each one task; chosen from the data where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub buckets: Option<u32>,
}
