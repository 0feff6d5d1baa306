//! `shoal job logs` and the attempts of `shoal job show`.

use serde_json::json;
use shoal_api::{JobAttempts, JobLog};
use shoal_core::Failure;

use crate::args::Output;
use crate::client::Client;
use crate::exit::End;
use crate::follow::while_head_restarts;
use crate::interrupts::Interrupts;
use crate::render::history::{attempts_text, line_text};
use crate::terminal::{Terminal, print, print_json};

/// How often a log is asked for while it is followed: what a person takes for at once.
const FOLLOW_PAUSE: std::time::Duration = std::time::Duration::from_millis(300);

/// Shows the attempts of a job.
pub(super) fn show_attempts(attempts: &JobAttempts, output: Output) -> Result<(), Failure> {
    match output {
        Output::Json => print_json(attempts),
        Output::Table => print(&attempts_text(attempts)),
    }
}

/// Shows the log of a job, and what comes to it where that is asked for.
pub(super) async fn logs(
    client: &Client,
    name: &str,
    task: Option<&str>,
    follows: bool,
    output: Output,
) -> Result<(), End> {
    let mut log = client.logs(name, task, 0).await?;
    if !follows {
        return Ok(show_log(&log, output)?);
    }
    say_what_is_missing(&log);
    let mut interrupts = Interrupts::listen()?;
    let mut after = 0;
    loop {
        after = log.lines.last().map_or(after, |line| line.seq);
        match output {
            Output::Json => log.lines.iter().try_for_each(|line| print(&format!("{}\n", json!(line))))?,
            Output::Table => print(&text(&log))?,
        }
        if log.phase.is_final() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(FOLLOW_PAUSE) => {}
            _ = interrupts.next() => return Err(End::Interrupted(None)),
        }
        log = while_head_restarts(|| client.logs(name, task, after)).await?;
    }
}

/// Shows a log as a whole.
pub(super) fn show_log(log: &JobLog, output: Output) -> Result<(), Failure> {
    say_what_is_missing(log);
    match output {
        Output::Json => print_json(log),
        Output::Table => print(&text(log)),
    }
}

fn say_what_is_missing(log: &JobLog) {
    if log.left_out > 0 {
        Terminal::new().line(&format!("{} lines are missing: there was no room to keep them", log.left_out));
    }
}

fn text(log: &JobLog) -> String {
    log.lines.iter().map(line_text).collect()
}
