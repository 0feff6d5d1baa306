//! A folder for one test, and commands in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use shoal_tests::process::{Finished, Process};
use shoal_tests::{job, shoal};

/// A folder that goes away with its test.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn job(&self, job: &Value) -> PathBuf {
        let name = job["metadata"]["name"].as_str().unwrap();
        job::write(&self.join(&format!("{name}.yaml")), job)
    }

    /// `shoal run` of a job on two worker processes.
    pub(crate) fn run_command(&self, file: &Path) -> Command {
        let mut command = shoal::command(["run", "--workers", "2", "--output", "json"]);
        command.arg(file).arg("--state-dir").arg(self.join("state"));
        command
    }

    pub(crate) fn run(&self, job: &Value) -> Finished {
        Process::start(&mut self.run_command(&self.job(job))).finish()
    }
}

/// Rows of a query, as `shoal sql` gives them.
pub(crate) fn query(sql: &str) -> Vec<Value> {
    let rows = shoal::run(["sql", sql, "--output", "json"]).succeeded();
    rows.as_array().unwrap_or_else(|| panic!("{rows}")).clone()
}
