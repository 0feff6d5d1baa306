//! `shoal state`: for whoever runs a cluster.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use shoal_coordinator::StateConfig;
use shoal_coordinator::state::{self, StateReport};
use shoal_core::blobs::{BlobSource, NoBlobs};
use shoal_core::{Failure, JobUid, Reason};

use super::head::state_config;
use crate::args::Output;
use crate::exit::End;
use crate::kinds;
use crate::render::state::report_text;
use crate::state_args::{StateCommand, StateToolArgs};
use crate::terminal::{print, print_json};

/// Carries out one of its commands.
pub(crate) async fn run(args: StateToolArgs) -> Result<(), End> {
    let StateToolArgs { output, command } = args;
    match command {
        StateCommand::Check { state } => check(state_config(state, None)?, output).await,
        StateCommand::Export { to, without, state } => {
            Ok(export(state_config(state, None)?, to.as_deref(), &without, output).await?)
        }
        StateCommand::Import { from, state } => Ok(import(state_config(state, None)?, &from, output).await?),
    }
}

async fn check(state: StateConfig, output: Output) -> Result<(), End> {
    let report = match state::check(state, &kinds::kinds(&none())).await {
        Ok(report) => report,
        // Damage is what the check is for.
        Err(failure) if failure.reason == Reason::CorruptFile => StateReport::unreadable(failure),
        Err(failure) => return Err(failure.into()),
    };
    match output {
        Output::Json => print_json(&report)?,
        Output::Table => print(&report_text(&report))?,
    }
    if report.problems.is_empty() { Ok(()) } else { Err(End::Broken) }
}

async fn export(state: StateConfig, to: Option<&Path>, without: &[JobUid], output: Output) -> Result<(), Failure> {
    let text = state::export(state, without).await?;
    let Some(file) = to else { return print(&text.lines) };
    write_new(file, &text.lines)?;
    match output {
        Output::Json => print_json(&json!({"file": file, "jobs": text.jobs, "records": text.records})),
        Output::Table => print(&format!("{}: {} jobs in {} records\n", file.display(), text.jobs, text.records)),
    }
}

/// Never over a file that is there: it may be the only other copy.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        Failure::new(Reason::InvalidValue, "the export cannot be written")
            .file(path.display().to_string())
            .next("name a file that is not there yet, in a folder that this user may write to")
            .because(&error)
    })
}

async fn import(state: StateConfig, from: &Path, output: Output) -> Result<(), Failure> {
    let file = File::open(from).map_err(|error| {
        Failure::new(Reason::InvalidValue, "the export cannot be read")
            .file(from.display().to_string())
            .next("name a file that `shoal state export` wrote")
            .because(&error)
    })?;
    let name = from.display().to_string();
    let imported = state::import(state, BufReader::new(file), &name, &kinds::kinds(&none())).await?;
    match output {
        Output::Json => print_json(&json!({"jobs": imported.jobs, "records": imported.records})),
        Output::Table => print(&format!("{} jobs in {} records are read in\n", imported.jobs, imported.records)),
    }
}

/// Nothing is planned here.
fn none() -> Arc<dyn BlobSource> {
    Arc::new(NoBlobs)
}
