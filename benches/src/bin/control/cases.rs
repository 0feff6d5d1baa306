//! What is measured of Shoal.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shoal_api::ApiConfig;
use shoal_benches::BenchResult;
use shoal_benches::figures::median;
use shoal_benches::processes::{Process, shoal};
use shoal_coordinator::{EtcdConfig, StateConfig};
use shoal_core::blobs::{BlobSource, NoBlobs};
use shoal_core::control::SubmitOptions;
use shoal_core::report::Phase;
use shoal_engine::delta::DeltaPublisher;
use shoal_testkit::Etcd;
use shoal_wire::memory::Memory;

use crate::cluster::{start_head, start_worker, wait_for, wait_for_no_worker};
use crate::work::{NoTable, NoTask, job, job_over, kinds};

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

/// Workers that are started, one after the other.
const WORKER_STARTS: usize = 10;

/// Completions per second with a journal in a file.
pub(crate) async fn completions_in_redb() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    completions(StateConfig::Folder(folder.path().join("state")), folder.path()).await
}

/// Completions per second with a journal in an etcd of one member.
pub(crate) async fn completions_in_etcd() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    let etcd = Etcd::start(1);
    completions(StateConfig::Etcd(EtcdConfig::new(etcd.endpoints())), folder.path()).await
}

/// Completions per second, from the first assignment to the last result.
async fn completions(state: StateConfig, scratch: &Path) -> BenchResult<f64> {
    let head = start_head(state, kinds(COMPLETIONS), Arc::new(NoTable)).await?;
    let mut workers = Vec::new();
    for index in 0..WORKERS {
        workers.push(start_worker(&head, &format!("w-{index}"), SLOTS, scratch, NoTask::ending(u64::MAX)).await?);
    }
    head.submit(job("completions")?, SubmitOptions::default()).await?;
    let status = wait_for(&head, "completions", |status| status.phase == Phase::Succeeded).await?;
    let seconds = status.report.stages.first().ok_or("no stage ran")?.seconds;
    head.shutdown().await;
    Ok(f64::from(COMPLETIONS) / seconds)
}

/// Memory that a head needs for pending tasks, in megabytes: what it has with them less what it had without.
pub(crate) async fn pending_memory() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    let head = start_head(StateConfig::Folder(folder.path().to_owned()), kinds(PENDING), Arc::new(NoTable)).await?;
    let before = Memory::now().resident;
    head.submit(job("pending")?, SubmitOptions::default()).await?;
    wait_for(&head, "pending", |status| !status.report.stages.is_empty()).await?;
    // The first answer that is stored after the plan says that the plan is.
    head.submit(job("pending")?, SubmitOptions::default()).await?;
    let after = Memory::now().resident;
    Ok(after.saturating_sub(before) as f64 / 1e6)
}

/// Milliseconds from a submission to the moment in which a worker runs the first task.
pub(crate) async fn first_task() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    let head = start_head(StateConfig::Folder(folder.path().join("state")), kinds(1), Arc::new(NoTable)).await?;
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

/// Milliseconds from the start of a worker's process, the program that users run, to the end of its first task: one that
/// reads a table of three rows.
pub(crate) async fn worker_start() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    let table = folder.path().join("rows.csv");
    std::fs::write(&table, "store,day,sales\na,1,2.0\na,2,3.0\na,3,5.0\n")?;
    let state = StateConfig::Folder(folder.path().join("state"));
    let none: Arc<dyn BlobSource> = Arc::new(NoBlobs);
    let head = start_head(state, shoal_jobs::kinds(&none), Arc::new(DeltaPublisher)).await?;
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    let api = shoal_api::start(ApiConfig { listen, token: None, callers: None, tls: None, head: head.clone() }).await?;
    let url = format!("http://{}", api.address());
    let mut milliseconds = Vec::new();
    for index in 0..WORKER_STARTS {
        let name = format!("job-{index}");
        let output = folder.path().join(&name);
        head.submit(job_over(&name, &table, &output)?, SubmitOptions::default()).await?;
        wait_for(&head, &name, |status| !status.report.stages.is_empty()).await?;
        let started = Instant::now();
        let (worker, _) = Process::start(
            Command::new(shoal()?)
                .args(["worker", "--head", &url, "--name", &format!("w-{index}"), "--scratch"])
                .arg(folder.path().join("scratch")),
            "worker ",
        )?;
        wait_for(&head, &name, |status| status.report.stages.first().is_some_and(|stage| stage.done > 0)).await?;
        milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
        wait_for(&head, &name, |status| status.phase == Phase::Succeeded).await?;
        drop(worker);
        wait_for_no_worker(&head).await?;
    }
    Ok(median(milliseconds))
}

/// Seconds that a head takes from its start to its first answer, over the journal of one that was lost.
pub(crate) async fn recovery() -> BenchResult<f64> {
    let folder = tempfile::tempdir()?;
    let state = StateConfig::Folder(folder.path().join("state"));
    let head = start_head(state.clone(), kinds(2 * UNFINISHED), Arc::new(NoTable)).await?;
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
        match start_head(state.clone(), kinds(2 * UNFINISHED), Arc::new(NoTable)).await {
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
