use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mean {
    /// What is averaged: the exact name of a column, or a SQL expression with an alias, as `ln(sales) AS log_sales`.
    #[schemars(length(min = 1, max = 1024))]
    pub target: String,
}
