//! `shoal job`: the client of a running head.

use std::path::Path;

use serde_json::json;
use shoal_api::JobAttempts;
use shoal_core::control::SubmitOptions;
use shoal_core::journal::JobChange;
use shoal_core::report::JobStatus;
use shoal_core::skew::skew_of_stages;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, Reason};

use super::run::has_done_something;
use super::{job_archive, job_history, timeline};
use crate::args::{JobArgs, Output};
use crate::client::Client;
use crate::exit::End;
use crate::follow::{Followed, OnInterrupt, follow};
use crate::interrupts::Interrupts;
use crate::job_args::{FromArgs, JobCommand};
use crate::job_file::JobFile;
use crate::render::failure_text;
use crate::render::report::{archive_text, jobs_text, outputs_text, report_text};
use crate::render::skew::skew_text;
use crate::terminal::{Terminal, print, print_json, program};

/// Carries out one of its commands.
pub(crate) async fn run(args: JobArgs) -> Result<(), End> {
    let JobArgs { client, command } = args;
    let output = client.output;
    match &command {
        JobCommand::Show { from: FromArgs { from: Some(from) }, attempts, timeline, .. } => {
            return job_archive::show(from, Shown::of(*attempts, timeline.as_deref()), output).await;
        }
        JobCommand::Logs { from: FromArgs { from: Some(from) }, task, .. } => {
            return job_archive::logs(from, task.as_deref(), output).await;
        }
        _ => {}
    }
    let client = Client::from_args(&client).await?;
    match command {
        JobCommand::Submit { job, rerun, start } => {
            let file = JobFile::read(&job)?;
            let about = |failure: Failure| End::from(failure).about(&file);
            let (job, files) = file.job().map_err(about)?;
            client.upload(&files).await.map_err(about)?;
            submit(&client, &job, start.options(rerun), Some(&file), start.wait, output).await
        }
        JobCommand::List => Ok(list(&client, output).await?),
        JobCommand::Show { name, attempts, timeline, .. } => {
            Ok(show_named(&client, &named(name)?, Shown::of(attempts, timeline.as_deref()), output).await?)
        }
        JobCommand::Logs { name, task, follow, .. } => {
            job_history::logs(&client, &named(name)?, task.as_deref(), follow, output).await
        }
        JobCommand::Wait { name } => {
            let status = client.show(&name).await?;
            wait(&client, status, None, output).await
        }
        JobCommand::Cancel { name } => cancel(&client, &name, output).await,
        JobCommand::Suspend { name } => {
            let suspend = JobChange { suspend: Some(true), ..JobChange::default() };
            let next = format!("its running tasks are handed back\nnext: {} job resume {name}", program());
            Ok(change(&client, &name, suspend, &next, output).await?)
        }
        JobCommand::Resume { name } => {
            let resume = JobChange { suspend: Some(false), ..JobChange::default() };
            Ok(change(&client, &name, resume, &format!("next: {} job wait {name}", program()), output).await?)
        }
        JobCommand::Priority { name, priority } => {
            let raise = JobChange { priority: Some(priority), ..JobChange::default() };
            Ok(change(&client, &name, raise, &format!("its priority is {priority}"), output).await?)
        }
        JobCommand::Rerun { name, start } => {
            let spec = client.spec(&name).await?;
            submit(&client, &spec, start.options(true), None, start.wait, output).await
        }
    }
}

/// Submits a job, which comes from a file or from the head itself.
async fn submit(
    client: &Client,
    job: &ShoalJob,
    options: SubmitOptions,
    file: Option<&JobFile>,
    waits: bool,
    output: Output,
) -> Result<(), End> {
    let about = |failure: Failure| match file {
        Some(file) => End::from(failure).about(file),
        None => failure.into(),
    };
    let before = client.show(&job.metadata.name).await.ok().filter(|before| before.phase.is_final());
    let status = client.submit(job, options).await.map_err(about)?;
    if before.is_some_and(|before| before.uid == status.uid) && has_done_something(&status) {
        let name = &status.name;
        Terminal::new().line(&format!("job `{name}` failed before, and goes on; `--fresh` would start it over"));
    }
    if waits {
        return wait(client, status, file, output).await;
    }
    match output {
        Output::Json => print_json(&json!({"status": status}))?,
        Output::Table => {
            print(&format!("job {}: {:?}\nnext: {} job wait {}\n", status.name, status.phase, program(), status.name))?
        }
    }
    Ok(())
}

async fn change(client: &Client, name: &str, change: JobChange, and: &str, output: Output) -> Result<(), Failure> {
    let status = client.change(name, change).await?;
    match output {
        Output::Json => print_json(&json!({"status": status})),
        Output::Table => print(&format!("job {name}: {:?}\n{and}\n", status.phase)),
    }
}

/// The name of a job that a head is asked for.
fn named(name: Option<String>) -> Result<String, Failure> {
    name.ok_or_else(|| Failure::internal("the command line names no job, and was accepted"))
}

/// What somebody wants to see of a job.
#[derive(Clone, Copy)]
pub(super) enum Shown<'a> {
    /// Where it stands, what it took, and why it failed.
    Whole,
    /// Its attempts, a row each.
    Attempts,
    /// Its attempts over time, in a file.
    Timeline(&'a Path),
}

impl<'a> Shown<'a> {
    fn of(attempts: bool, timeline: Option<&'a Path>) -> Self {
        match timeline {
            Some(file) => Self::Timeline(file),
            None if attempts => Self::Attempts,
            None => Self::Whole,
        }
    }
}

async fn show_named(client: &Client, name: &str, shown: Shown<'_>, output: Output) -> Result<(), Failure> {
    let attempts = client.attempts(name).await?;
    match shown {
        Shown::Attempts => job_history::show_attempts(&attempts, output),
        Shown::Timeline(file) => timeline::write(&client.show(name).await?, &attempts, file, output),
        Shown::Whole => show_whole(&client.show(name).await?, &client.spec(name).await?, &attempts, output),
    }
}

/// All that is known of a job but the rows of its attempts and its log, which may be long.
pub(super) fn show_whole(
    status: &JobStatus,
    spec: &ShoalJob,
    attempts: &JobAttempts,
    output: Output,
) -> Result<(), Failure> {
    let skew = skew_of_stages(&attempts.attempts);
    match output {
        Output::Json => print_json(&json!({"status": status, "spec": spec, "skew": skew})),
        Output::Table => {
            print(&format!("{}{}{}", report_text(status), skew_text(&skew, status), outputs_text(status)))?;
            print(&archive_text(status))?;
            status.failure.as_ref().map_or(Ok(()), |failure| print(&failure_text(failure, None)))
        }
    }
}

async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let jobs = client.list().await?;
    match output {
        Output::Json => print_json(&json!({"jobs": jobs})),
        Output::Table => print(&jobs_text(&jobs)),
    }
}

async fn wait(client: &Client, status: JobStatus, file: Option<&JobFile>, output: Output) -> Result<(), End> {
    let terminal = Terminal::new();
    let mut interrupts = Interrupts::listen()?;
    let followed = follow(client, status, &terminal, &mut interrupts, OnInterrupt::Leave).await;
    terminal.clear();
    match followed? {
        Followed::Interrupted(status) => Err(End::Interrupted(Some(status))),
        Followed::Ended(status) => {
            let end = End::of_job(&status, file);
            // What failed is shown by whoever maps it to an exit code, in JSON with the whole status.
            if end.is_ok() || output == Output::Table {
                show(&status, output)?;
            }
            end
        }
    }
}

async fn cancel(client: &Client, name: &str, output: Output) -> Result<(), End> {
    let asked = client.cancel(name).await?;
    let had_ended = asked.phase.is_final();
    let terminal = Terminal::new();
    let mut interrupts = Interrupts::listen()?;
    let followed = follow(client, asked, &terminal, &mut interrupts, OnInterrupt::Leave).await;
    terminal.clear();
    let status = match followed? {
        Followed::Interrupted(status) => return Err(End::Interrupted(Some(status))),
        Followed::Ended(status) => status,
    };
    match output {
        Output::Json => print_json(&json!({"status": status}))?,
        Output::Table => print(&cancelled_text(&status, had_ended))?,
    }
    Ok(())
}

/// What came of a cancel.
fn cancelled_text(status: &JobStatus, had_ended: bool) -> String {
    let JobStatus { name, phase, failure, .. } = status;
    match failure.as_ref().map(|failure| failure.reason) {
        Some(Reason::Cancelled) => format!("job {name} is cancelled\n"),
        _ if had_ended => format!("job {name} had already ended: {phase:?}\n"),
        None => format!("job {name} had already made its commit: {phase:?}\n{}", outputs_text(status)),
        Some(reason) => format!("job {name} had already failed: {reason:?}\n"),
    }
}

fn show(status: &JobStatus, output: Output) -> Result<(), Failure> {
    match output {
        Output::Json => print_json(&json!({"status": status})),
        Output::Table => print(&format!("{}{}", report_text(status), outputs_text(status))),
    }
}

#[cfg(test)]
mod tests {
    use shoal_core::report::Phase;

    use super::*;
    use crate::render::report::testing;

    #[test]
    fn a_cancel_says_what_came_of_it() {
        let failed = |reason| JobStatus { failure: Some(Failure::new(reason, "")), ..testing::status(Phase::Failed) };
        let succeeded = testing::status(Phase::Succeeded);
        assert_eq!(cancelled_text(&failed(Reason::Cancelled), false), "job grunfeld is cancelled\n");
        assert_eq!(cancelled_text(&failed(Reason::Cancelled), true), "job grunfeld is cancelled\n");
        assert!(cancelled_text(&succeeded, true).contains("already ended: Succeeded"));
        assert!(cancelled_text(&succeeded, false).contains("already made its commit"));
        assert!(cancelled_text(&failed(Reason::TooManyFailed), false).contains("already failed: TooManyFailed"));
    }
}
