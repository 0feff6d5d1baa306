//! Programs that others wrote, asked what is right: statsmodels for fits, the Python package of Delta for tables.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use shoal_testkit::python;

use crate::process::Process;
use crate::workspace;

fn ask(script: &str, arguments: &[&str]) -> Value {
    ask_in(script, arguments, Vec::new())
}

fn ask_in(script: &str, arguments: &[&str], environment: Vec<(&str, String)>) -> Value {
    let path = workspace::root().join("tests/oracle").join(script);
    let answer = Command::new(python()).arg(&path).args(arguments).envs(environment).output().unwrap();
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{script} failed; if a package is missing, run `make setup`:\n{said}");
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// What to fit.
#[derive(Clone, Copy, Debug)]
pub struct Fit<'a> {
    /// A CSV or Parquet file, or a folder of Parquet files.
    pub table: &'a Path,
    /// Columns that make a group.
    pub keys: &'a [&'a str],
    /// Columns that explain.
    pub features: &'a [&'a str],
    /// The column that is explained.
    pub target: &'a str,
    /// Fits the first of every so many groups, in the order of their keys.
    pub every: usize,
}

/// What statsmodels says of the groups: rows as Shoal's output has them, without those that it cannot fit.
pub fn statsmodels(fit: &Fit<'_>) -> Vec<Value> {
    let every = fit.every.to_string();
    let table = fit.table.to_str().unwrap();
    let answer =
        ask("ols_statsmodels.py", &[table, &fit.keys.join(","), &fit.features.join(","), fit.target, every.as_str()]);
    answer.as_array().unwrap().clone()
}

/// What scikit-learn and statsmodels say of the groups of a CSV file, for each table of models, with the `model` and
/// the `evaluate` or null of the job that made it. Under `stored` is how the predictions of the stored models go with theirs: `difference` is the
/// largest one for the groups' own rows, `fit` and `peer_fit` are R² or accuracy.
pub fn models(csv: &Path, key: &str, cases: &[(PathBuf, Value, Value)]) -> Vec<Vec<Value>> {
    let cases = serde_json::to_string(cases).unwrap();
    let answers = ask("models.py", &[csv.to_str().unwrap(), key, cases.as_str()]);
    answers.as_array().unwrap().iter().map(|rows| rows.as_array().unwrap().clone()).collect()
}

/// Models and predictions of statsmodels (`linear`) or scikit-learn (`classes`): a model per group of one CSV file, a
/// prediction per row of the other, with bounds at that level.
pub fn scores(kind: &str, train: &Path, rows: &Path, key: &str, features: &[&str], target: &str, level: f64) -> Value {
    let (train, rows) = (train.to_str().unwrap(), rows.to_str().unwrap());
    ask("scores.py", &[kind, train, rows, key, &features.join(","), target, &level.to_string()])
}

/// What DuckDB says of the decades of each firm in a CSV file, those with that many years.
pub fn decades(csv: &Path, years_min: u32) -> Vec<Value> {
    ask("decades_duckdb.py", &[csv.to_str().unwrap(), &years_min.to_string()]).as_array().unwrap().clone()
}

/// What a pipeline of scikit-learn per firm predicts for the rows of a CSV file from a year on.
pub fn pipelines(csv: &Path, year: u32) -> Vec<Value> {
    ask("pipelines.py", &[csv.to_str().unwrap(), &year.to_string()]).as_array().unwrap().clone()
}

/// The rows of a Delta table's latest version, as a reader other than ours sees them. Values that JSON does not have are
/// the texts `NaN`, `Infinity` and `-Infinity`, and bytes are hex digits.
pub fn read_delta(table: &Path) -> Vec<Value> {
    ask("read_delta.py", &[table.to_str().unwrap()]).as_array().unwrap().clone()
}

/// As [`read_delta`], at a URL that the environment leads to.
pub fn read_delta_at(url: &str, environment: Vec<(&str, String)>) -> Vec<Value> {
    ask_in("read_delta.py", &[url], environment).as_array().unwrap().clone()
}

/// What a trace shows, once its rules are checked: `events` as they are, each with its `worker`, and `otherData`.
pub fn read_trace(file: &Path) -> Value {
    ask("read_trace.py", &[file.to_str().unwrap()])
}

/// Has another writer than ours make a Delta table: version 0 has the rows of a CSV file, partitioned by a column, and
/// version 1 has all of them once more with every number doubled.
pub fn write_delta(csv: &Path, table: &Path, partition: &str) {
    ask("write_delta.py", &[csv.to_str().unwrap(), table.to_str().unwrap(), partition]);
}

/// Makes a Delta table of a CSV file's rows whose first half lacks a column that came later, and whose second half lacks every
/// so manyth row, the first of it first, by a deletion vector.
pub fn evolve_delta(csv: &Path, table: &Path, column: &str, every: usize) {
    ask("evolve_delta.py", &[csv.to_str().unwrap(), table.to_str().unwrap(), column, &every.to_string()]);
}

/// A collector of OpenTelemetry's traces.
pub struct Collector {
    process: Process,
    /// Where it takes OTLP over HTTP.
    pub url: String,
}

impl Collector {
    /// Starts one.
    pub fn start() -> Self {
        let mut command = Command::new(python());
        let mut process = Process::start(command.arg(workspace::root().join("tests/oracle/otlp_collector.py")));
        let port = process.wait_for_output("the collector listens", |said| {
            said.lines().find_map(|line| line.strip_prefix("listening: ")).map(str::to_owned)
        });
        Self { process, url: format!("http://127.0.0.1:{port}") }
    }

    /// The first request that came, once one has.
    pub fn first(&mut self) -> Value {
        self.process
            .wait_for_output("a trace comes", |said| said.lines().find_map(|line| serde_json::from_str(line).ok()))
    }
}
