use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits::UPLOADS_MAX;

pub(in crate::spec::v1alpha1) const ONE_SOURCE: &str =
    "[has(self.file), has(self.module), has(self.code), has(self.configMapKeyRef)].filter(source, source).size() == 1";
pub(in crate::spec::v1alpha1) const NO_SOURCE: &str =
    "where the function is has to be said exactly once: file, module, code or configMapKeyRef";

const SOMETHING: &str = "has(self.interpreter) || has(self.requirements) || has(self.packages)";
const NOTHING: &str = "an environment has an interpreter, requirements or packages";

const ONE_LIST: &str = "!has(self.requirements) || !has(self.packages)";
const TWO_LISTS: &str = "what is installed has to be said once: requirements or packages";

const FOR_PACKAGES: &str = "has(self.requirements) || has(self.packages) || (!has(self.wheels) && !has(self.indexUrl))";
const FOR_NONE: &str =
    "wheels and indexUrl say where packages come from: requirements or packages are to be there as well";

const ONE_PLACE: &str = "!has(self.wheels) || !has(self.indexUrl)";
const TWO_PLACES: &str = "with wheels nothing is fetched: indexUrl has no meaning";

const ONE_VALUE: &str = "has(self.value) != has(self.fromWorker)";
const NO_VALUE: &str = "a variable has a value of its own or the worker's: value or fromWorker";

const NOT_OURS: &str = "!(self.name in ['TMPDIR', 'PYTHONUTF8'])";
const OURS: &str = "TMPDIR and PYTHONUTF8 are set by the worker";

/// A Python function that is called with the rows of each group, its key, and `params`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": ONE_SOURCE, "message": NO_SOURCE}]))]
pub struct Python {
    /// The file that has the function, relative to the job file. Whoever submits the job uploads it; what else it imports is
    /// named in `files`, or has to be installed.
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
    /// Name of the function. It takes a group, its key and `params`, of which it may leave the last ones out, and returns a
    /// dict or a Series for one row of the output, or a DataFrame for several. Where the first argument is annotated as an
    /// `Iterator`, each group comes as an iterator of frames.
    #[serde(default = "fit")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub function: String,
    /// What a group's rows come as: `pandas` and `polars` DataFrames, an `arrow` RecordBatch, or `numpy` arrays by the names
    /// of columns, which cannot be written to.
    #[serde(default)]
    pub frame: Frame,
    /// The columns that the function sees, in this order; all of the table where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), inner(length(min = 1, max = 255)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub columns: Option<Vec<String>>,
    /// What the function returns: the columns that the output has beside the keys.
    #[schemars(length(min = 1, max = 512))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub returns: Vec<Returned>,
    /// What the function gets as its third argument.
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
    /// What the function runs in: the first `python3` of the worker's path where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Environment variables that the function sees beside the few that every function does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<Variable>,
}

/// An environment variable that the function sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": ONE_VALUE, "message": NO_VALUE},
    {"rule": NOT_OURS, "message": OURS},
]))]
pub struct Variable {
    /// Its name in the environment of the function's process.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value, for all who may read the job: no place for a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// `true` for the value that it has where the worker runs, which the function gets with that. The job fails where it is not
    /// set there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [true]))]
    pub from_worker: Option<bool>,
}

/// A key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The key, as `model.py`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// A file that was uploaded: the head has what is in it under its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upload {
    /// The file, as the job names it; of one in a folder that is named, with what leads to it there.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// SHA-256 of its content, in hexadecimal.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Its size in bytes.
    #[schemars(range(max = 1_073_741_824))]
    pub bytes: u64,
}

/// What a group's rows come as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Frame {
    #[allow(missing_docs)]
    #[default]
    Pandas,
    #[allow(missing_docs)]
    Polars,
    #[allow(missing_docs)]
    Arrow,
    #[allow(missing_docs)]
    Numpy,
}

/// A column that the function returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Returned {
    /// Its name in what is returned, and in the output.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Its type. `timestamp` counts microseconds in UTC; `binary` takes what `pickle.dumps` gives.
    #[serde(rename = "type")]
    pub data_type: ReturnedType,
}

/// The type of a column that the function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReturnedType {
    #[allow(missing_docs)]
    Boolean,
    #[allow(missing_docs)]
    Int32,
    #[allow(missing_docs)]
    Int64,
    #[allow(missing_docs)]
    Float32,
    #[allow(missing_docs)]
    Float64,
    #[allow(missing_docs)]
    String,
    #[allow(missing_docs)]
    Binary,
    #[allow(missing_docs)]
    Date,
    #[allow(missing_docs)]
    Timestamp,
}

/// What the function runs in: a Python, and what is installed for it. Packages are installed once per machine, into an
/// environment that later jobs with the same requirements share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": SOMETHING, "message": NOTHING},
    {"rule": ONE_LIST, "message": TWO_LISTS},
    {"rule": FOR_PACKAGES, "message": FOR_NONE},
    {"rule": ONE_PLACE, "message": TWO_PLACES},
]))]
pub struct Environment {
    /// A Python of 3.10 or newer, as `/opt/venv/bin/python`, at the same place on every worker; the first `python3` of the
    /// worker's path where it is absent. With `requirements` or `packages` it is what the environment is made from, and what
    /// is installed in it is not seen; else it has to have `pyarrow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub interpreter: Option<String>,
    /// A file of requirements as `pip install -r` takes it, relative to the job file. Whoever submits the job uploads it;
    /// `pyarrow` is installed too where it does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub requirements: Option<String>,
    /// The requirements themselves, as `pandas>=2.2`, in the place of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 1, max = 1024), regex(pattern = r"^[A-Za-z0-9][^\r\n]*$"))
    )]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub packages: Option<Vec<String>>,
    /// A folder of wheels. With it nothing is fetched: all that is installed lies there, `pyarrow` too. A path that is relative
    /// to the job file names a folder whose files are uploaded; an absolute one, a folder at the same place on every worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub wheels: Option<String>,
    /// The index that packages come from; what workers' installers are set to where it is absent. It has no credentials: they
    /// are in a worker's environment, as `PIP_INDEX_URL`, or in its `.netrc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 2048), regex(pattern = r"^https?://[^/@?#\s]+(/[^@?#\s]*)?$"))]
    pub index_url: Option<String>,
}

/// Any JSON object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(pub Map<String, Value>);

impl JsonSchema for Params {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Params".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

fn fit() -> String {
    "fit".to_owned()
}
