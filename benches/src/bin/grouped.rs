//! `make bench-grouped`: one regression per group of a large shuffled table, Shoal beside DuckDB.
//!
//! Shoal: from the submission of a job to its commit in a Delta table, with all statistics, head and worker already
//! running. DuckDB: the sums that such a fit needs, into a table in memory, connection already open.

use std::path::Path;
use std::process::Command;

use clap::Parser;
use serde_json::Value;
use shoal_benches::processes::{Environment, Process, python, shoal};
use shoal_benches::{BenchResult, Runs, bench_dir, compare, data, finish};

/// Shoal may take that many times as long as DuckDB.
const BAR: f64 = 3.0;

/// Grouped regression, Shoal beside DuckDB.
#[derive(Parser)]
struct Arguments {
    /// Groups in the table.
    #[arg(long, default_value_t = 100_000)]
    groups: u64,
    /// Rows of each group.
    #[arg(long, default_value_t = 100)]
    rows_per_group: u64,
    /// Runs that count; one more warms up.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Cores for either side.
    #[arg(long, default_value_t = 2)]
    cores: usize,
}

fn main() -> BenchResult<()> {
    let Arguments { groups, rows_per_group, runs, cores } = Arguments::parse();
    let folder = bench_dir()?;
    let table = data::shuffled_groups(&folder, groups, rows_per_group)?;
    let case = format!("ols, {} rows, {groups} groups, 2 features", groups * rows_per_group);

    let shoal = run_shoal(&folder, &table, groups, runs, cores)?;
    let path = table.to_str().ok_or("the path is no UTF-8")?;
    let duckdb = python(Environment::Tests, "grouped_duckdb.py", &[path, &cores.to_string(), &runs.to_string()])?;
    finish("grouped", &compare(&case, ("shoal", &shoal), ("duckdb sums", &duckdb), BAR))
}

fn run_shoal(folder: &Path, table: &Path, groups: u64, runs: usize, cores: usize) -> BenchResult<Runs> {
    let program = shoal()?;
    let state = folder.join("grouped-state");
    let _ = std::fs::remove_dir_all(&state);
    let job = folder.join("grouped.yaml");
    let output = folder.join("grouped-models");
    std::fs::write(&job, job_file(table, &output))?;

    let (head, url) = Process::start(
        Command::new(&program)
            .args(["head", "--listen", "127.0.0.1:0", "--workers-listen", "127.0.0.1:0", "--state-dir"])
            .arg(&state),
        "head: ",
    )?;
    let (worker, _) = Process::start(
        Command::new(&program)
            .args(["worker", "--head", &url, "--slots", &cores.to_string(), "--name", "bench", "--scratch"])
            .arg(folder.join("grouped-scratch")),
        "worker bench: ",
    )?;
    let mut result = Runs::default();
    for run in 0..=runs {
        let submitted = Command::new(&program)
            .args(["job", "submit", "--head", &url, "--rerun", "--wait", "--output", "json"])
            .arg(&job)
            .output()?;
        if !submitted.status.success() {
            return Err(format!("the job failed: {}", String::from_utf8_lossy(&submitted.stderr)).into());
        }
        let printed: Value = serde_json::from_slice(&submitted.stdout)?;
        let status = &printed["status"];
        let report = &status["report"];
        if status["progress"]["succeeded"].as_u64() != Some(groups) {
            return Err(format!("not every group has a model: {}", status["progress"]).into());
        }
        if run > 0 {
            result.seconds.push(report["seconds"].as_f64().ok_or("no seconds in the report")?);
        }
        if run == runs {
            for stage in report["stages"].as_array().into_iter().flatten() {
                println!(
                    "  {:<8} {:>3} tasks {:>8.3} s",
                    stage["name"].as_str().unwrap_or_default(),
                    stage["tasks"],
                    stage["seconds"].as_f64().unwrap_or_default()
                );
            }
            for note in report["notes"].as_array().into_iter().flatten() {
                println!("  {}", note.as_str().unwrap_or_default());
            }
        }
    }
    result.peak_rss_mib = head.peak_rss_mib()? + worker.peak_rss_mib()?;
    Ok(result)
}

fn job_file(table: &Path, output: &Path) -> String {
    format!(
        "apiVersion: shoal.dev/v1alpha1\nkind: ShoalJob\nmetadata: {{name: bench-grouped}}\nspec:\n  groupedTraining:\n    input: {{table: {}}}\n    groupBy: [g]\n    model: {{ols: {{target: y, features: [x1, x2]}}}}\n    output: {{table: {}, mode: overwrite}}\n",
        table.display(),
        output.display(),
    )
}
