use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BucketStrategy, Chosen, InputTable, OutputTable, PythonPredictor};

/// What means nothing where a function of the user's predicts.
const ITS_OWN_COLUMNS: &str = "!has(self.predictionColumn) || !has(self.python)";
const RETURNS_SAY: &str = "`python.returns` says which columns a function predicts";
const ITS_OWN_BOUNDS: &str = "!has(self.interval) || !has(self.python)";
const NO_BOUNDS: &str = "`interval` is for models that Shoal trains: a function may return bounds as further columns";
const ITS_OWN_FEATURES: &str = "!has(self.features) || self.features.size() == 0 || !has(self.python)";
const COLUMNS_SAY: &str =
    "`features` is for models that Shoal trains: `python.columns` says which columns a function sees";
const WHOLE_GROUPS: &str = "!has(self.strategy.broadcast) || !has(self.python)";
const GROUPS_MEET: &str =
    "a function gets the rows of a group together, for which workers exchange them: `broadcast` does not";

/// Predicts for the rows of a table with the models of another: each row by the model of its group. No row is dropped: one
/// that nothing can be predicted for has null and a reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.keep) || !has(self.predictionColumn) || !(self.predictionColumn in self.keep)", "message": "the column of predictions has the name of a column that is kept", "fieldPath": ".predictionColumn"},
    {"rule": ITS_OWN_COLUMNS, "message": RETURNS_SAY, "fieldPath": ".predictionColumn"},
    {"rule": ITS_OWN_BOUNDS, "message": NO_BOUNDS, "fieldPath": ".interval"},
    {"rule": ITS_OWN_FEATURES, "message": COLUMNS_SAY, "fieldPath": ".features"},
    {"rule": WHOLE_GROUPS, "message": GROUPS_MEET, "fieldPath": ".strategy"},
]))]
pub struct GroupedScoring {
    /// The table of models, as `groupedTraining` writes it: the columns in front of `status` are the keys.
    pub models: ModelsTable,
    /// The table with the rows to predict for. It has the columns that the models were grouped by, and those that they
    /// predict from.
    pub input: InputTable,
    /// What features of the models are in the input: SQL expressions with the feature's name as alias, as
    /// `ln(capital) AS log_capital`, or that name where a column of the input is it. One that is not listed is what it was in
    /// the training: the stored expression, or else the column of its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), inner(length(min = 1, max = 1024)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub features: Vec<String>,
    /// Columns of the input that the output has in front of the predictions; all of them where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096), inner(length(min = 1, max = 255)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub keep: Option<Vec<String>>,
    /// Name of the column with what is predicted: `prediction` where this is absent, and `predicted_class` for models of
    /// classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[^ ,;{}()\n\t=]+$"))]
    pub prediction_column: Option<String>,
    /// Adds the bounds between which the value of a new row lies, for models that know them: `ols` and `mean`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<PredictionInterval>,
    /// Statuses of models that predict. A model of another one has null and that status as the reason.
    #[serde(default = "default_statuses")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 63), regex(pattern = "^[a-z_]+$")))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub statuses: Vec<String>,
    /// How rows meet the model of their group; chosen by the size of the models where it is absent.
    #[serde(default)]
    pub strategy: ScoringStrategy,
    /// A Python function that predicts with the models, which may be any that a training's function has returned, as pickles. It
    /// is absent for models that Shoal trained, which predict by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<Box<PythonPredictor>>,
    /// The table of predictions: a row for each row of the input.
    pub output: OutputTable,
}

/// The table of models to predict with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelsTable {
    /// Where it is: the folder of a Delta table, relative to the job file, or the same in an object store, as
    /// `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`.
    #[schemars(length(min = 1, max = 4096))]
    pub table: String,
    /// Version of the table; the latest where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub version: Option<u64>,
}

/// Between which bounds a new row's value lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PredictionInterval {
    /// With which probability it lies there, as 0.95.
    #[serde(default = "default_level")]
    #[schemars(range(min = 0.01, max = 0.999_999))]
    pub level: f64,
}

/// How rows meet the model of their group: exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct ScoringStrategy {
    /// By the size of the models: each task reads all of them where that is little, else rows and models are exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<Chosen>,
    /// Each task reads all models. They have to fit into a worker's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Chosen>,
    /// Workers exchange rows and models, so that those of one group meet on one worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketStrategy>,
}

impl Default for ScoringStrategy {
    fn default() -> Self {
        Self { auto: Some(Chosen {}), broadcast: None, bucket: None }
    }
}

fn default_level() -> f64 {
    0.95
}

fn default_statuses() -> Vec<String> {
    vec!["ok".to_owned()]
}
