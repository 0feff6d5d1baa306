//! How fast the control plane is, with everything that makes it safe switched on: every record is synced to disk before
//! it is acted on, and heads and workers speak gRPC.

mod cluster;
mod work;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use shoal_benches::BenchResult;
use shoal_benches::figures::{Figure, finish, median};
use shoal_core::control::SubmitOptions;
use shoal_core::report::Phase;
use shoal_wire::memory::Memory;

use cluster::{start_head, start_worker, wait_for};
use work::{NoTask, job, kinds};

/// Tasks of the job whose completions are counted.
const COMPLETIONS: u32 = 50_000;

/// Workers that complete them, with [`SLOTS`] each.
const WORKERS: usize = 4;

const SLOTS: u32 = 64;

/// Tasks that wait while memory is looked at.
const PENDING: u32 = 100_000;

/// Tasks that are done, and as many that are not, when a head is lost.
const UNFINISHED: u32 = 10_000;

/// Jobs whose first task is waited for, one after the other.
const FIRST_TASKS: usize = 50;

/// Control plane: completions per second, memory, latency, recovery.
#[derive(Parser)]
struct Args {
    /// Measures one case and prints its figure; without it every case runs in a process of its own.
    #[arg(long)]
    case: Option<Case>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Case {
    CompletionsRedb,
    PendingMemory,
    FirstTask,
    Recovery,
}

impl Case {
    async fn measure(self) -> BenchResult<f64> {
        match self {
            Self::CompletionsRedb => completions().await,
            Self::PendingMemory => pending_memory().await,
            Self::FirstTask => first_task().await,
            Self::Recovery => recovery().await,
        }
    }

    fn figure(self, value: f64) -> Figure {
        match self {
            Self::CompletionsRedb => {
                Figure::at_least("task completions, journal in redb, every commit synced", value, "1/s", 5_000.0)
            }
            Self::PendingMemory => Figure::at_most("memory of 100,000 pending tasks", value, "MB", 100.0),
            Self::FirstTask => Figure::at_most("submission to first task, one idle worker", value, "ms", 20.0),
            Self::Recovery => Figure::at_most("restart over 10,000 done and 10,000 unfinished tasks", value, "s", 2.0),
        }
    }
}

fn main() -> BenchResult<()> {
    if let Some(case) = Args::parse().case {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        println!("{}", runtime.block_on(case.measure())?);
        return Ok(());
    }
    let mut figures = Vec::new();
    for case in Case::value_variants() {
        let value = case.to_possible_value().ok_or("a case without a name")?;
        // A process of its own, so that no case has another's memory or threads.
        let output = Command::new(std::env::current_exe()?).args(["--case", value.get_name()]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let figure = case.figure(String::from_utf8(output.stdout)?.trim().parse()?);
        println!("{}: {:.1} {}", figure.case, figure.value, figure.unit);
        figures.push(figure);
    }
    finish("control", &figures)
}

/// Completions per second, from the first assignment to the last result.
async fn completions() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    let head = start_head(&folder.path().join("state"), kinds(COMPLETIONS)).await?;
    let mut workers = Vec::new();
    for index in 0..WORKERS {
        let scratch = folder.path().join("scratch");
        workers.push(start_worker(&head, &format!("w-{index}"), SLOTS, &scratch, NoTask::ending(u64::MAX)).await?);
    }
    head.submit(job("completions")?, SubmitOptions::default()).await?;
    let status = wait_for(&head, "completions", |status| status.phase == Phase::Succeeded).await?;
    let seconds = status.report.stages.first().ok_or("no stage ran")?.seconds;
    head.shutdown().await;
    Ok(f64::from(COMPLETIONS) / seconds)
}

/// Memory that a head needs for pending tasks, in megabytes: what it has with them less what it had without.
async fn pending_memory() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    let head = start_head(folder.path(), kinds(PENDING)).await?;
    let before = Memory::now().resident;
    head.submit(job("pending")?, SubmitOptions::default()).await?;
    wait_for(&head, "pending", |status| !status.report.stages.is_empty()).await?;
    // The first answer that is stored after the plan says that the plan is.
    head.submit(job("pending")?, SubmitOptions::default()).await?;
    let after = Memory::now().resident;
    Ok(after.saturating_sub(before) as f64 / 1e6)
}

/// Milliseconds from a submission to the moment in which a worker runs the first task.
async fn first_task() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    let head = start_head(&folder.path().join("state"), kinds(1)).await?;
    let runner = NoTask::ending(u64::MAX);
    let scratch = folder.path().join("scratch");
    let _worker = start_worker(&head, "w", 1, &scratch, Arc::<NoTask>::clone(&runner)).await?;
    let mut milliseconds = Vec::new();
    for index in 0..FIRST_TASKS {
        let name = format!("job-{index}");
        let mut started = runner.started.subscribe();
        started.mark_unchanged();
        let submitted = Instant::now();
        head.submit(job(&name)?, SubmitOptions::default()).await?;
        started.changed().await?;
        let first = started.borrow().ok_or("no task ran")?;
        milliseconds.push(first.duration_since(submitted).as_secs_f64() * 1e3);
        wait_for(&head, &name, |status| status.phase == Phase::Succeeded).await?;
    }
    Ok(median(milliseconds))
}

/// Seconds that a head takes from its start to its first answer, over the journal of one that was lost.
async fn recovery() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("state");
    let head = start_head(&state, kinds(2 * UNFINISHED)).await?;
    let scratch = folder.path().join("scratch");
    let worker = start_worker(&head, "w", SLOTS, &scratch, NoTask::ending(UNFINISHED.into())).await?;
    head.submit(job("lost")?, SubmitOptions::default()).await?;
    let is_half_done = |status: &shoal_core::report::JobStatus| {
        status.report.stages.first().is_some_and(|stage| stage.done >= UNFINISHED)
    };
    wait_for(&head, "lost", is_half_done).await?;
    drop(worker);
    drop(head);
    let begun = loop {
        let begun = Instant::now();
        match start_head(&state, kinds(2 * UNFINISHED)).await {
            Ok(head) => break (begun, head),
            // The last head's file is closed when the last of its threads lets go of it.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let (begun, head) = begun;
    let status = head.show("lost").await?;
    let seconds = begun.elapsed().as_secs_f64();
    if !is_half_done(&status) {
        return Err(format!("only {:?} were found again", status.report.stages).into());
    }
    Ok(seconds)
}
