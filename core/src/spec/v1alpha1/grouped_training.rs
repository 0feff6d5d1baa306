use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InputTable, OutputTable};

/// Trains one model per group of a table's rows, and writes one row per group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupedTraining {
    /// The table with the rows to train on.
    pub input: InputTable,
    /// Columns whose values make a group; a missing value is a group of its own.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 255)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub group_by: Vec<String>,
    /// What happens to a row in which the target or a feature is null, NaN or infinite: `drop` leaves it out and counts
    /// it, `fail` fails the job.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// How rows meet the other rows of their group; chosen from the data where it is absent.
    #[serde(default)]
    pub strategy: Strategy,
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
}

/// How rows meet the other rows of their group: exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Strategy {
    /// Measures rows per group on a sample and takes what moves fewer bytes.
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

/// The model to train: exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.ols)].filter(model, model).size() == 1", "message": "exactly one model is expected: ols"}
]))]
pub struct Model {
    /// Ordinary least squares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ols: Option<Ols>,
}

/// Ordinary least squares: the linear model with the smallest sum of squared residuals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!(self.target in self.features)", "message": "the target is also a feature: a model that knows the answer learns nothing", "fieldPath": ".features"},
    {"rule": "!('intercept' in self.features)", "message": "a feature cannot be called `intercept`: the constant term of the output has that name; give it another with `AS`, as `intercept AS intercept_column`", "fieldPath": ".features"}
]))]
pub struct Ols {
    /// What the model explains: the exact name of a column, or a SQL expression with an alias, as `ln(sales) AS log_sales`.
    #[schemars(length(min = 1, max = 1024))]
    pub target: String,
    /// What it is explained by: exact names of columns, or SQL expressions with an alias, as `ln(capital) AS log_capital`.
    /// The name becomes a field of the output.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 1024)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub features: Vec<String>,
    /// Whether the model has a constant term.
    #[serde(default = "default_intercept")]
    pub intercept: bool,
}

fn default_intercept() -> bool {
    true
}
