//! Shoal's side: a head and its workers that keep running, and jobs from submission to commit.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use shoal_benches::processes::{Environment, Process, shoal};
use shoal_benches::{BenchResult, Runs};

use crate::case::{Frame, Learner, Plan};
use crate::watch::{Taken, Watch};

/// Runs of one case: by the job's own clock, and the wall time of the whole command that submits it and waits.
#[derive(Default)]
pub(crate) struct Submitted {
    /// Without the time in which processes of a function start.
    pub(crate) jobs: Runs,
    /// That time.
    pub(crate) starts: Runs,
    pub(crate) commands: Runs,
}

/// Submits a job again and again to a running cluster.
pub(crate) fn submit(plan: &Plan, folder: &Path, table: &Path, runs: usize, cores: usize) -> BenchResult<Submitted> {
    let program = shoal()?;
    let state = folder.join("grouped-state");
    let _ = std::fs::remove_dir_all(&state);
    let (head, url) = Process::start(
        Command::new(&program)
            .args(["head", "--listen", "127.0.0.1:0", "--workers-listen", "127.0.0.1:0", "--state-dir"])
            .arg(&state),
        "head: ",
    )?;
    let slots = (cores / plan.workers).max(1).to_string();
    let mut workers = Vec::new();
    for number in 0..plan.workers {
        let name = format!("bench-{number}");
        let (worker, _) = Process::start(
            Command::new(&program)
                .args(["worker", "--head", &url, "--slots", &slots, "--name", &name, "--scratch"])
                .arg(scratch(folder, number))
                .args(plan.memory.map(|memory| ["--memory", memory]).into_iter().flatten()),
            &format!("worker {name}: "),
        )?;
        workers.push(worker);
    }
    let job = write_job(plan, folder, table)?;
    let watched = workers.iter().chain([&head]).map(Process::id).collect();
    let watch = plan.memory.map(|_| Watch::start(watched, scratch(folder, 0)));
    let mut submitted = Submitted::default();
    for run in 0..=runs {
        let start = Instant::now();
        let printed = command_json(
            Command::new(&program)
                .args(["job", "submit", "--head", &url, "--rerun", "--wait", "--output", "json"])
                .arg(&job),
        )?;
        let wall = start.elapsed().as_secs_f64();
        let report = &printed["status"]["report"];
        check(&printed["status"], plan.groups)?;
        if run > 0 {
            let started = seconds_of(report, "load");
            submitted.jobs.seconds.push(report["seconds"].as_f64().ok_or("no seconds in the report")? - started);
            submitted.starts.seconds.push(started);
            submitted.commands.seconds.push(wall);
        }
        if run == runs {
            print_stages(report);
        }
    }
    match watch.map(Watch::end).transpose()? {
        Some(Taken { disk_mib: 0.0, .. }) => {
            return Err("all rows fitted into memory, which was to be too small".into());
        }
        Some(Taken { memory_mib, disk_mib }) => {
            println!("  {disk_mib:.0} MiB on disk, {memory_mib:.0} MiB in memory at the most");
            submitted.jobs.peak_rss_mib = memory_mib;
        }
        None => {
            for process in workers.iter().chain([&head]) {
                submitted.jobs.peak_rss_mib += process.peak_rss_mib()?;
            }
        }
    }
    Ok(submitted)
}

/// Where a worker puts what does not fit into its memory.
fn scratch(folder: &Path, worker: usize) -> PathBuf {
    folder.join(format!("grouped-scratch-{worker}"))
}

/// Runs `shoal run` again and again, from the command to its end.
pub(crate) fn run(plan: &Plan, folder: &Path, table: &Path, runs: usize) -> BenchResult<Runs> {
    let program = shoal()?;
    let job = write_job(plan, folder, table)?;
    let mut result = Runs::default();
    for run in 0..=runs {
        let state = folder.join("grouped-state");
        let _ = std::fs::remove_dir_all(&state);
        let start = Instant::now();
        let printed = command_json(
            Command::new(&program).args(["run", "--output", "json", "--state-dir"]).arg(&state).arg(&job),
        )?;
        let wall = start.elapsed().as_secs_f64();
        check(&printed["status"], plan.groups)?;
        if run > 0 {
            result.seconds.push(wall);
        }
    }
    Ok(result)
}

fn command_json(command: &mut Command) -> BenchResult<Value> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("the job failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn check(status: &Value, groups: u64) -> BenchResult<()> {
    if status["progress"]["succeeded"].as_u64() == Some(groups) {
        return Ok(());
    }
    Err(format!("not every group has a model: {}", status["progress"]).into())
}

/// How long a stage took; no time where the job has none of that name.
fn seconds_of(report: &Value, stage: &str) -> f64 {
    let mut stages = report["stages"].as_array().into_iter().flatten();
    stages.find(|it| it["name"] == stage).and_then(|it| it["seconds"].as_f64()).unwrap_or_default()
}

fn print_stages(report: &Value) {
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

/// Writes the job's file. Its output is a table that is not there yet: the log of one that other cases have written to
/// would be theirs, and be read with each run.
fn write_job(plan: &Plan, folder: &Path, table: &Path) -> BenchResult<PathBuf> {
    let Plan { learner, statistics, strategy, .. } = plan;
    let model = match learner {
        Learner::Model(model) => {
            format!("statistics: {statistics}\n    strategy: {{{strategy}}}\n    model: {{{model}}}")
        }
        Learner::Function(frame) => function(*frame)?,
    };
    let output = folder.join("grouped-models");
    let _ = std::fs::remove_dir_all(&output);
    let file = folder.join("grouped.yaml");
    let job = format!(
        "apiVersion: shoal.dev/v1alpha1\nkind: ShoalJob\nmetadata: {{name: bench-grouped}}\nspec:\n  groupedTraining:\n    \
         input: {{table: {}}}\n    groupBy: [g]\n    {model}\n    output: {{table: {}, mode: overwrite}}\n",
        table.display(),
        output.display(),
    );
    std::fs::write(&file, job)?;
    Ok(file)
}

/// The function for such frames, as a job has it, in the Python that the loops beside it run in.
fn function(frame: Frame) -> BenchResult<String> {
    let file = std::env::current_dir()?.join("benches/python_fit.py");
    let (file, name, interpreter) = (file.display(), frame.name(), Environment::Tests.interpreter()?);
    Ok(format!(
        "model:\n      python:\n        file: {file}\n        function: with_{name}\n        frame: {name}\n        \
         columns: [x1, y]\n        environment: {{interpreter: {}}}\n        \
         returns: [{{name: slope, type: float64}}, {{name: rows, type: int64}}]",
        interpreter.display()
    ))
}
