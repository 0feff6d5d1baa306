use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.version) || !has(self.format) || self.format == 'delta'", "message": "version is for Delta tables only", "fieldPath": ".version"}
]))]
pub struct InputTable {
    /// Where it is: a file, a folder or a glob, relative to the job file, or the same in an object store, as
    /// `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`.
    #[schemars(length(min = 1, max = 4096))]
    pub table: String,
    /// How its files are written, `ndjson` having a JSON object in each line; seen from the input where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<TableFormat>,
    /// Version of a Delta table to read; the latest where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub version: Option<u64>,
    /// Keeps only rows for which this SQL expression is true, as `year > 1935`.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub filter: Option<String>,
}

/// How a table's files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TableFormat {
    #[allow(missing_docs)]
    Csv,
    #[allow(missing_docs)]
    Ndjson,
    #[allow(missing_docs)]
    Parquet,
    #[allow(missing_docs)]
    Delta,
}

/// A Delta table to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutputTable {
    /// Where it is or will be: a folder, relative to the job file (on Kubernetes to what the cluster's `storage.uri` has for
    /// the job), or `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`.
    #[schemars(length(min = 1, max = 4096))]
    pub table: String,
    /// What happens to what is there: `error` refuses to touch it, `overwrite` replaces its rows and its schema,
    /// `append` adds to them.
    #[serde(default)]
    pub mode: OutputMode,
}

/// What happens to a table that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutputMode {
    #[allow(missing_docs)]
    #[default]
    Error,
    #[allow(missing_docs)]
    Overwrite,
    #[allow(missing_docs)]
    Append,
}
