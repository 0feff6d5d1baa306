//! `shoal run`: one job, with a cluster of its own.

use std::time::Duration;

use serde_json::json;
use shoal_core::blobs::LocalFiles;
use shoal_core::control::SubmitOptions;
use shoal_core::report::JobStatus;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, Reason};

use super::dry_run;
use crate::args::{LogFormat, Output, RunArgs};
use crate::client::Client;
use crate::cluster::LocalCluster;
use crate::exit::End;
use crate::follow::{Followed, OnInterrupt, follow};
use crate::interrupts::Interrupts;
use crate::job_file::JobFile;
use crate::models::{Models, ROWS_JSON_MAX, ROWS_SHOWN_MAX};
use crate::render::report::{outputs_text, report_text};
use crate::terminal::{Terminal, print, print_json, program};

/// Name of the state folder beside a job file.
const STATE_FOLDER: &str = ".shoal";

/// Pause between two looks at a job that is being cancelled.
const CANCELLED_PAUSE: Duration = Duration::from_millis(100);

/// How long a job that has lost all its workers may take to be swept. The head gives up on workers in less.
const SWEEP_MAX: Duration = Duration::from_secs(15);

/// Runs the job to its end and shows what came of it.
pub(crate) async fn run(args: RunArgs, log_format: LogFormat) -> Result<(), End> {
    let mut interrupts = Interrupts::listen()?;
    let file = JobFile::read(&args.job)?;
    if args.dry_run {
        return dry_run::run(&args, &file, &mut interrupts).await;
    }
    let (job, files) = file.job().map_err(|failure| End::from(failure).about(&file))?;
    let state_dir = args.state_dir.clone().unwrap_or_else(|| file.folder.join(STATE_FOLDER));
    let terminal = Terminal::new();
    let submission = Submission { job: &job, files: &files, fresh: args.fresh };
    let workers = Workers { number: args.workers, memory_bytes: args.memory };
    let mut cluster = LocalCluster::start_head(state_dir, log_format, args.environments)
        .await
        .map_err(|failure| End::from(failure).about(&file))?;
    let followed = run_on(&mut cluster, submission, workers, &terminal, &mut interrupts).await;
    terminal.clear();
    match followed {
        Ok(Followed::Interrupted(status)) => {
            // One that is not final yet is left as it is: the user wants to go at once.
            if status.phase.is_final() {
                cluster.shutdown().await;
            }
            Err(End::Interrupted(Some(status)))
        }
        Ok(Followed::Ended(status)) => {
            // What the job made is read while its cluster ends.
            let (shown, ()) = tokio::join!(show(&job, &status, args.output), cluster.shutdown());
            shown?;
            End::of_job(&status, Some(&file))
        }
        Err(end) => {
            cluster.shutdown().await;
            Err(end.about(&file))
        }
    }
}

/// What is submitted, and how.
#[derive(Clone, Copy)]
struct Submission<'a> {
    job: &'a ShoalJob,
    /// What it brings along.
    files: &'a LocalFiles,
    /// Whether what the job did before it failed does not count.
    fresh: bool,
}

/// Who runs it.
#[derive(Clone, Copy)]
struct Workers {
    /// Processes; none for a worker inside this one.
    number: Option<u32>,
    /// What they may use together, where somebody says.
    memory_bytes: Option<u64>,
}

async fn run_on(
    cluster: &mut LocalCluster,
    submission: Submission<'_>,
    workers: Workers,
    terminal: &Terminal,
    interrupts: &mut Interrupts,
) -> Result<Followed, End> {
    let client = cluster.client()?;
    tokio::select! {
        submitted = start(submission, workers, cluster, &client, terminal) => match submitted {
            Ok(status) => watch(status, cluster, &client, terminal, interrupts).await.map_err(End::from),
            Err(failure) => Err(failure.into()),
        },
        _ = interrupts.next() => Err(End::Interrupted(None)),
    }
}

async fn start(
    Submission { job, files, fresh }: Submission<'_>,
    workers: Workers,
    cluster: &mut LocalCluster,
    client: &Client,
    terminal: &Terminal,
) -> Result<JobStatus, Failure> {
    cancel_leftovers(job, client, terminal).await?;
    cluster.start_workers(workers.number, workers.memory_bytes, terminal).await?;
    client.upload(files).await?;
    submit(job, fresh, client, terminal).await
}

/// Cancels unfinished jobs of other names: a run that was killed left them in the journal, and its user asked for this
/// job now, not for those.
async fn cancel_leftovers(job: &ShoalJob, client: &Client, terminal: &Terminal) -> Result<(), Failure> {
    for left in client.list().await? {
        if left.phase.is_final() || left.name == job.metadata.name {
            continue;
        }
        client.cancel(&left.name).await?;
        terminal.line(&format!("job `{}`, which a killed run had left, is cancelled", left.name));
    }
    Ok(())
}

/// Submits the job anew, or goes on with the same one where a killed run has left it unfinished.
async fn submit(job: &ShoalJob, fresh: bool, client: &Client, terminal: &Terminal) -> Result<JobStatus, Failure> {
    let again = SubmitOptions { rerun: true, fresh };
    let name = &job.metadata.name;
    let left = client.list().await?.into_iter().find(|left| left.name == *name && !left.phase.is_final());
    if left.is_none() {
        let status = client.submit(job, again).await?;
        if has_done_something(&status) {
            terminal.line(&format!("job `{name}` failed before, and goes on; `--fresh` would start it over"));
        }
        return Ok(status);
    }
    if fresh {
        cancelled(name, client).await?;
        return client.submit(job, again).await;
    }
    match client.submit(job, SubmitOptions::default()).await {
        Ok(status) => {
            terminal.line(&format!("job `{name}` was left unfinished by a killed run, and goes on"));
            Ok(status)
        }
        Err(failure) if failure.reason == Reason::JobConflict => {
            terminal.line(&format!("job `{name}`, which a killed run had left with another spec, is cancelled"));
            cancelled(name, client).await?;
            client.submit(job, again).await
        }
        Err(failure) => Err(failure),
    }
}

/// Whether a job that was just submitted has run before.
pub(super) fn has_done_something(status: &JobStatus) -> bool {
    !status.phase.is_final() && !status.report.stages.is_empty()
}

/// Cancels a job and waits until its files are swept.
async fn cancelled(name: &str, client: &Client) -> Result<(), Failure> {
    client.cancel(name).await?;
    while !client.show(name).await?.phase.is_final() {
        tokio::time::sleep(CANCELLED_PAUSE).await;
    }
    Ok(())
}

async fn watch(
    submitted: JobStatus,
    cluster: &mut LocalCluster,
    client: &Client,
    terminal: &Terminal,
    interrupts: &mut Interrupts,
) -> Result<Followed, Failure> {
    let name = submitted.name.clone();
    tokio::select! {
        followed = follow(client, submitted, terminal, interrupts, OnInterrupt::Cancel) => followed,
        // Nobody would start another: what the head would wait for will not come.
        failure = cluster.all_workers_gone() => {
            if tokio::time::timeout(SWEEP_MAX, cancelled(&name, client)).await.is_err() {
                tracing::warn!(job = name, "files of failed attempts may be left");
            }
            Err(failure)
        }
    }
}

async fn show(job: &ShoalJob, status: &JobStatus, output: Output) -> Result<(), Failure> {
    match (output, status.outputs.first()) {
        (Output::Json, Some(table)) => {
            let models = Models::read(job, &table.table, ROWS_JSON_MAX).await?;
            print_json(&json!({"status": status, table.name.as_str(): models.json()?}))
        }
        (Output::Table, Some(table)) => {
            let models = Models::read(job, &table.table, ROWS_SHOWN_MAX).await?;
            let more = table.rows.saturating_sub(ROWS_SHOWN_MAX);
            let more = if more > 0 { format!("... and {more} more\n") } else { String::new() };
            print(&format!(
                "{}\n{}{more}\n{}next: {} sql \"{}\"\n",
                report_text(status),
                models.table()?,
                outputs_text(status),
                program(),
                models.next_statement(&table.table)
            ))
        }
        // What it failed with is shown by whoever maps it to an exit code, in JSON with the whole status.
        (Output::Json, None) => Ok(()),
        (Output::Table, None) => print(&report_text(status)),
    }
}
