//! Users' Python functions, from a job file to a table, and through all that they can do to their processes.

mod agreement;
mod client;
mod code;
mod context;
mod deaths;
mod dry_run;
mod dying;
mod environments;
mod frames;
mod installing;
mod isolation;
mod iterators;
mod predictions;
mod said;
mod travel;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use shoal_testkit::python;
use shoal_tests::job as jobs;
use shoal_tests::process::{Finished, Process};

use crate::place::Place;

/// Firms of [`firms`].
const FIRMS: usize = 40;

/// Rows of each.
const YEARS: usize = 5;

/// A table of firms, in whose rows `x` counts up over all rows.
fn firms(place: &Place) -> PathBuf {
    let rows = (0..FIRMS * YEARS).map(|row| format!("firm {},{},{row}.0\n", row % FIRMS, row / FIRMS));
    let file = place.join("firms.csv");
    std::fs::write(&file, format!("firm,year,x\n{}", rows.collect::<String>())).unwrap();
    file
}

/// A function that does that in one firm, and counts the rows of all others.
fn in_firm_7(line: &str) -> String {
    format!(
        "import os, signal, sys, time\n\ndef fit(group, key, params):\n    if key.firm == 'firm 7':\n        {line}\n    \
         return {{'n': len(group)}}\n"
    )
}

/// A job that calls code of the job file for each firm.
fn job(name: &str, input: &Path, code: &str, output: &Path) -> Value {
    let function = json!({"python": {
        "code": code,
        "returns": [{"name": "n", "type": "int64"}],
        "environment": {"interpreter": python()},
    }});
    jobs::with(jobs::training(name, input, "firm", &["x"], "year", output), "/groupedTraining/model", function)
}

/// A member of the function in a job.
fn member(name: &str) -> String {
    format!("/groupedTraining/model/python/{name}")
}

/// `shoal run` of a job in one process, with more that it is told.
fn run_here(place: &Place, job: &Value, more: &[&str]) -> Finished {
    let mut command = shoal_tests::shoal::command(["run", "--output", "json"]);
    command.arg(place.job(job)).arg("--state-dir").arg(place.join("state")).args(more);
    Process::start(&mut command).finish()
}

/// Lets `python3` be the one that has the packages.
fn with_packages(command: &mut Command) -> &mut Command {
    let python = python();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", python.parent().unwrap().display()))
}
