//! What goes to stdout and stderr: results to the one, everything that happens meanwhile to the other.

use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shoal_core::report::JobStatus;
use shoal_core::{Failure, Reason};

use crate::render::progress::{line, message};

/// How often the bar is drawn while nothing changes, so that its clock moves.
const BAR_TICK: Duration = Duration::from_millis(200);

/// Writes to stdout. A reader that has seen enough, as `head` does, is no failure.
///
/// # Errors
/// [`Reason::Io`].
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Reason::Io, "the result cannot be written to stdout").because(&error))
        }
        _ => Ok(()),
    }
}

/// This program as it was called: a command that is printed for the user to go on with can be pasted as it stands.
pub(crate) fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "shoal".to_owned())
}

/// Writes one JSON document to stdout.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_json<T: Serialize>(document: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::internal("the result cannot be written as JSON").because(&error))?;
    print(&format!("{text}\n"))
}

/// Stderr: lines, and below them a progress bar where it is a terminal. Clones are handles on the same one.
#[derive(Clone)]
pub(crate) struct Terminal {
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// The process's stderr.
    pub(crate) fn new() -> Self {
        Self { bar: std::io::stderr().is_terminal().then(|| ProgressBar::new(100).with_style(style())) }
    }

    /// Writes a line above the bar.
    pub(crate) fn line(&self, text: &str) {
        // A stderr that nobody reads keeps no job from running.
        let write = || drop(writeln!(std::io::stderr(), "{text}"));
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Shows how far a job is: in the bar, or as a line where something has changed that is worth one.
    pub(crate) fn progress(&self, before: Option<&JobStatus>, now: &JobStatus) {
        match &self.bar {
            Some(bar) => {
                if before.is_none() {
                    bar.enable_steady_tick(BAR_TICK);
                }
                bar.set_position(u64::from(now.progress.percent));
                bar.set_message(message(now));
            }
            None => {
                if let Some(text) = line(before, now) {
                    self.line(&text);
                }
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{elapsed:>4} [{bar:30}] {percent:>3}%  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
