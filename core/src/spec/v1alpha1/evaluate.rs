use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How well models predict rows of their group that they were not trained on: exactly one way to choose these rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Evaluate {
    /// Deals the rows to so many folds by a hash of their values, and predicts each fold by a model of the others. Equal rows
    /// are of one fold, and a row is of the same fold in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 100))]
    pub folds: Option<u32>,
    /// The rows with one value of this column, or aliased expression, are a fold; a missing value is one as well. Each fold
    /// is predicted by a model of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub column: Option<String>,
    /// Predicts what comes later by models of what came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeFolds>,
}

/// Folds that follow each other in time: each is predicted by a model of all rows before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimeFolds {
    /// The column, or aliased expression, by which rows are ordered: a date, a timestamp or a number.
    #[schemars(length(min = 1, max = 1024))]
    pub column: String,
    /// How many folds are predicted. The group's rows are cut into one part more, equally large but for the first, which is
    /// only trained on.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 100))]
    pub folds: u32,
}

fn five() -> u32 {
    5
}
