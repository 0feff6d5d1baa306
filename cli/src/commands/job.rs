//! `shoal job`: the client of a running head.

use std::path::Path;

use serde_json::json;
use shoal_core::report::JobStatus;
use shoal_core::{Failure, Reason};
use shoal_wire::Token;
use shoal_wire::tls::trusting;

use crate::args::{JobArgs, JobCommand, Output};
use crate::client::Client;
use crate::exit::End;
use crate::follow::{Followed, OnInterrupt, follow};
use crate::interrupts::Interrupts;
use crate::job_file::JobFile;
use crate::render::failure_text;
use crate::render::report::{jobs_text, outputs_text, report_text};
use crate::terminal::{Terminal, print, print_json, program};

/// Carries out one of its commands.
pub(crate) async fn run(args: JobArgs) -> Result<(), End> {
    let JobArgs { head, output, token_file, tls_ca, command } = args;
    let token = token_file.as_deref().map(Token::read).transpose()?;
    let trusts = tls_ca.as_deref().map(trusting).transpose()?;
    let client = Client::new(&head, token, trusts)?;
    match command {
        JobCommand::Submit { job, rerun, wait } => submit(&client, &job, rerun, wait, output).await,
        JobCommand::List => Ok(list(&client, output).await?),
        JobCommand::Show { name } => {
            let status = client.show(&name).await?;
            show(&status, output)?;
            if let (Output::Table, Some(failure)) = (output, &status.failure) {
                print(&failure_text(failure, None))?;
            }
            Ok(())
        }
        JobCommand::Wait { name } => {
            let status = client.show(&name).await?;
            wait(&client, status, None, output).await
        }
        JobCommand::Cancel { name } => Ok(cancel(&client, &name, output).await?),
    }
}

async fn submit(client: &Client, job: &Path, rerun: bool, waits: bool, output: Output) -> Result<(), End> {
    let file = JobFile::read(job)?;
    let job = file.job()?;
    let status = client.submit(&job, rerun).await.map_err(|failure| End::from(failure).about(&file))?;
    if waits {
        return wait(client, status, Some(&file), output).await;
    }
    match output {
        Output::Json => print_json(&json!({"status": status}))?,
        Output::Table => {
            print(&format!("job {}: {:?}\nnext: {} job wait {}\n", status.name, status.phase, program(), status.name))?
        }
    }
    Ok(())
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

async fn cancel(client: &Client, name: &str, output: Output) -> Result<(), Failure> {
    let status = client.cancel(name).await?;
    let was_cancelled = status.failure.as_ref().is_some_and(|failure| failure.reason == Reason::Cancelled);
    match output {
        Output::Json => print_json(&json!({"status": status})),
        Output::Table if was_cancelled => print(&format!("job {name} is cancelled\n")),
        Output::Table => print(&format!("job {name} had already ended: {:?}\n", status.phase)),
    }
}

fn show(status: &JobStatus, output: Output) -> Result<(), Failure> {
    match output {
        Output::Json => print_json(&json!({"status": status})),
        Output::Table => print(&format!("{}{}", report_text(status), outputs_text(status))),
    }
}
