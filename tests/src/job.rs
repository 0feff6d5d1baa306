//! Job files, as JSON, which is YAML too.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::workspace;

/// Grunfeld's data: 11 firms, 20 years each.
pub fn grunfeld_csv() -> PathBuf {
    workspace::root().join("examples/data/grunfeld.csv")
}

/// The job of the first example: one regression per firm.
pub fn grunfeld(name: &str, output: &Path) -> Value {
    training(name, &grunfeld_csv(), "firm", &["value", "capital"], "invest", output)
}

/// A job with one regression per group.
pub fn training(name: &str, input: &Path, key: &str, features: &[&str], target: &str, output: &Path) -> Value {
    json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": name},
        "spec": {"groupedTraining": {
            "input": {"table": input},
            "groupBy": [key],
            "model": {"ols": {"target": target, "features": features}},
            "output": {"table": output},
        }},
    })
}

/// The job with another value at one place below `spec`, as `/groupedTraining/output/mode`; objects on the way are made.
#[must_use]
pub fn with(mut job: Value, place: &str, value: Value) -> Value {
    let mut at = &mut job["spec"];
    for name in place.trim_start_matches('/').split('/') {
        at = &mut at[name];
    }
    *at = value;
    job
}

/// The job with a strategy that is said: `aggregate`, `bucket` or `auto`.
#[must_use]
pub fn with_strategy(job: Value, strategy: &str) -> Value {
    with(job, "/groupedTraining/strategy", json!({strategy: {}}))
}

/// Writes a job file.
pub fn write(file: &Path, job: &Value) -> PathBuf {
    std::fs::write(file, serde_json::to_string_pretty(job).unwrap()).unwrap();
    file.to_owned()
}
