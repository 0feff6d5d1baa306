//! Predictions for rows by the models of their groups.
//!
//! ```text
//!   rows   -- keys, kept columns, features --+
//!                                            +-- right join on the keys --> predict(status, model, features...)
//!   models -- keys, status, model -----------+
//! ```
//!
//! One plan serves jobs and SQL. It never drops a row: a key without a model, a model that failed and a missing value are
//! reasons in the output.

mod by_function;
mod cache;
mod coefficients;
mod gather;
mod models_table;
mod output;
mod plan;
mod predict;
mod resolve;
mod udf;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use datafusion::arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use shoal_ml::model::Feature;

use crate::columns::KeyColumn;

pub use by_function::{
    FunctionRequest, FunctionScoring, HeldModels, KeptFrom, Message, Messages, Met, Predictions, Why, Without,
    resolve_function,
};
pub use models_table::{ModelsForm, models_frame, models_schema, refuse_twins};
pub use output::output_schema;
pub use plan::{predictions, rows_frame};
pub use resolve::{Request, resolve};

/// Everything that scoring needs to know beside the two tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scoring {
    /// Columns that rows and models meet by, with their logical types.
    pub keys: Vec<KeyColumn>,
    /// How the table of models holds them.
    pub models: ModelsForm,
    /// What the models predict from, and where it comes from.
    pub features: Vec<FeatureColumn>,
    /// Columns of the input that the output has.
    pub kept: Vec<KeptColumn>,
    /// A SQL expression: rows for which it is not true are left out.
    pub filter: Option<String>,
    /// What is predicted.
    pub outcome: Outcome,
    /// With which probability a new row's value lies between the bounds, where bounds are asked for.
    pub level: Option<f64>,
    /// Statuses of models that predict.
    pub statuses: Vec<String>,
    /// Name of the column of predictions.
    pub prediction_column: String,
}

/// What models predict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// A number.
    Number,
    /// One of several classes, each with a probability.
    Classes,
}

/// A feature of the models, as the input has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureColumn {
    /// Its name in the models.
    pub name: String,
    /// The exact name of a column, or a SQL expression with its alias.
    pub expression: String,
    /// Which of the two it is.
    pub is_column: bool,
    /// Whether its values are categories; else they are numbers.
    pub is_category: bool,
    /// Whether it is what the first model says that it was trained on, as all of them have to say. Else the job says what
    /// it is.
    #[serde(default)]
    pub is_as_trained: bool,
}

impl FeatureColumn {
    /// Whether a model that was trained on this feature predicts from the column.
    fn is_of(&self, feature: &Feature) -> bool {
        let expression = (!self.is_column).then_some(self.expression.as_str());
        !self.is_as_trained || feature.expression.as_deref() == expression
    }
}

/// A column of the input that the output has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptColumn {
    /// Its name, in both.
    pub name: String,
    /// Its type in the output.
    pub data_type: DataType,
}

impl Scoring {
    /// What the names of columns within a plan begin with: no column that is kept begins so.
    fn prefix(&self) -> String {
        let mut prefix = "__".to_owned();
        while self.kept.iter().any(|column| column.name.starts_with(&prefix)) {
            prefix.push('_');
        }
        prefix
    }

    fn names(&self, what: &str, count: usize) -> Vec<String> {
        let prefix = self.prefix();
        (0..count).map(|index| format!("{prefix}{what}_{index}")).collect()
    }

    fn model_keys(&self) -> Vec<String> {
        self.names("model_key", self.keys.len())
    }

    fn row_keys(&self) -> Vec<String> {
        self.names("row_key", self.keys.len())
    }

    fn feature_names(&self) -> Vec<String> {
        self.names("feature", self.features.len())
    }

    fn status_name(&self) -> String {
        format!("{}status", self.prefix())
    }

    fn model_name(&self) -> String {
        format!("{}model", self.prefix())
    }
}
