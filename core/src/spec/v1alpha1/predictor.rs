use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::models::{NO_SOURCE, ONE_SOURCE};
use super::{ConfigMapKeyRef, Environment, Frame, Params, Python, Returned, ReturnedType, Upload, Variable};
use crate::limits::UPLOADS_MAX;

/// A Python function that is called for each group of rows with the group's model, its rows, its key, and `params`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": ONE_SOURCE, "message": NO_SOURCE}]))]
pub struct PythonPredictor {
    /// The file that has the function, relative to the job file: it may be the one that the models were trained with. Whoever
    /// submits the job uploads it; what else it imports is named in `files`, or has to be installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub file: Option<String>,
    /// The module that has the function, as `package.module`, installed where workers run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"))]
    pub module: Option<String>,
    /// The text of the file itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 262_144))]
    pub code: Option<String>,
    /// The key of a ConfigMap of the job's namespace that has the text, on Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
    /// Modules, packages and data that the function needs beside its own file, relative to the job file: files, and folders
    /// with all that is in them but hidden files and `__pycache__`. They lie beside the function's file as they do here, and
    /// are imported from there: `helpers.py` beside it as `helpers`. All lie in its folder or below; of a function without a
    /// file, in that of the job file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 4096)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub files: Option<Vec<String>>,
    /// What `shoal run`, `shoal job submit` and the Python client have uploaded of `file`, `files`, and the environment's
    /// `requirements` and `wheels`: they write it, and people leave it out. A job that has it is submitted as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = UPLOADS_MAX as u64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["path"]))]
    pub uploads: Option<Vec<Upload>>,
    /// Name of the function. It takes the group's model, which is a dict of what the training's function returned for it, the
    /// group's rows, its key and `params`, of which it may leave the last ones out. It returns a value for each row, in their
    /// order: a list, an array or a Series, or a DataFrame or a dict of these where there are several columns.
    #[serde(default = "predict")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub function: String,
    /// What a group's rows come as: `pandas` and `polars` DataFrames, an `arrow` RecordBatch, or `numpy` arrays by the names
    /// of columns, which cannot be written to.
    #[serde(default)]
    pub frame: Frame,
    /// The columns of the input that the function sees, in this order; all of them where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), inner(length(min = 1, max = 255)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub columns: Option<Vec<String>>,
    /// What the function returns: the columns that the output has beside those of the input.
    #[serde(default = "a_number")]
    #[schemars(length(min = 1, max = 512))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub returns: Vec<Returned>,
    /// What the function gets as its fourth argument.
    #[serde(default)]
    pub params: Params,
    /// How long one group may take, as `30s`, `5m` or `2h`; without a limit where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 8), regex(pattern = "^[1-9][0-9]{0,5}[smhd]$"))]
    pub group_timeout: Option<String>,
    /// Memory that the function's process, with all that it starts, may take, as `512Mi` or `1Gi`; without a limit where it
    /// is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 12), regex(pattern = "^[1-9][0-9]{0,6}(Mi|Gi|Ti)B?$"))]
    pub process_memory_limit: Option<String>,
    /// What the function runs in: the first `python3` of the worker's path where it is absent. A pickle wants the Python and the
    /// packages that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Environment variables that the function sees beside the few that every function does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<Variable>,
}

impl From<PythonPredictor> for Python {
    /// As a function is described whatever it is called for.
    fn from(predictor: PythonPredictor) -> Self {
        // Taken apart without `..`, so that a new field cannot be forgotten here.
        let PythonPredictor {
            file,
            module,
            code,
            config_map_key_ref,
            files,
            uploads,
            function,
            frame,
            columns,
            returns,
            params,
            group_timeout,
            process_memory_limit,
            environment,
            env,
        } = predictor;
        Self {
            file,
            module,
            code,
            config_map_key_ref,
            files,
            uploads,
            function,
            frame,
            columns,
            returns,
            params,
            group_timeout,
            process_memory_limit,
            environment,
            env,
        }
    }
}

fn predict() -> String {
    "predict".to_owned()
}

fn a_number() -> Vec<Returned> {
    vec![Returned { name: "prediction".to_owned(), data_type: ReturnedType::Float64 }]
}
