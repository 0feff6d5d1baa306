//! A worker in a process of its own, which cannot outlive this one.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use shoal_core::{Failure, Reason};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::task::JoinHandle;

use super::private_folder;
use crate::args::LogFormat;
use crate::environments::EnvironmentsArgs;
use crate::machine::Share;
use crate::terminal::Terminal;

/// Lines of a process that are kept for the case that it ends: a failure with its help has fewer.
const LINES_KEPT: usize = 20;

/// A worker process. Killed when it is dropped; and it ends by itself when this process does, however that happens,
/// because its stdin is a pipe that only this process holds.
pub(crate) struct WorkerProcess {
    name: String,
    child: Child,
    /// Held apart from the child, which closes its own before it waits.
    stdin: Option<ChildStdin>,
    said: Arc<Mutex<Said>>,
    reader: JoinHandle<()>,
    /// Deleted after the process is gone.
    _scratch: TempDir,
}

/// What a process wrote to its stderr.
struct Said {
    lines: VecDeque<String>,
    /// Where further lines go; none before it has registered, because they are part of the failure if it never does.
    to: Option<Terminal>,
    terminal: Terminal,
}

/// What all workers of a cluster are started with.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    /// URL of the head's REST interface.
    pub(crate) head: &'a str,
    /// What each may take.
    pub(crate) share: Share,
    /// How each writes its logs.
    pub(crate) log_format: LogFormat,
    /// Where environments of functions are kept.
    pub(crate) environments: &'a EnvironmentsArgs,
    /// Where their logs are shown.
    pub(crate) terminal: &'a Terminal,
}

impl WorkerProcess {
    /// Starts one of that name.
    pub(crate) fn start(name: &str, start: &Start<'_>) -> Result<Self, Failure> {
        let Start { head, share, log_format, environments, terminal } = *start;
        let cannot_start = |error: std::io::Error| {
            Failure::new(Reason::WorkerStartFailed, format!("`{name}` cannot be started")).because(&error)
        };
        let scratch = private_folder(name)?;
        let mut child = Command::new(std::env::current_exe().map_err(cannot_start)?)
            .args(["--log-format", log_format.name(), "worker", "--exit-with-parent", "--head", head, "--name", name])
            .args(["--slots", &share.slots.to_string(), "--memory", &share.memory_bytes.to_string()])
            .arg("--scratch")
            .arg(scratch.path())
            .arg("--environments")
            .arg(environments.folder(None, scratch.path()))
            // What is set for clusters of this user is not meant for this one.
            .env_remove("SHOAL_HEAD")
            .env_remove("SHOAL_TOKEN_FILE")
            .env_remove("SHOAL_TLS_CERT")
            .env_remove("SHOAL_TLS_KEY")
            .env_remove("SHOAL_TLS_CA")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C goes to a terminal's whole process group; here it is for the parent, which cancels first.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot_start)?;
        let said = Arc::new(Mutex::new(Said { lines: VecDeque::new(), to: None, terminal: terminal.clone() }));
        let stderr = child.stderr.take();
        let stdin = child.stdin.take();
        let reader = tokio::spawn(listen(stderr, Arc::clone(&said)));
        Ok(Self { name: name.to_owned(), child, said, reader, stdin, _scratch: scratch })
    }

    /// From now on what it says is shown as it says it.
    pub(crate) fn registered(&self) {
        let mut said = lock(&self.said);
        let terminal = said.terminal.clone();
        said.lines.iter().for_each(|line| terminal.line(line));
        said.to = Some(terminal);
    }

    /// Waits until it has ended, which it should not have. Cancel safe.
    pub(crate) async fn ended(&mut self) -> Failure {
        let ended = match self.child.wait().await {
            Ok(status) => format!("`{}` ended with {status}", self.name),
            Err(error) => format!("`{}` cannot be waited for: {error}", self.name),
        };
        // The pipe is closed with the process: what it said last is there after this.
        if !self.reader.is_finished() {
            let _ = (&mut self.reader).await;
        }
        let mut failure = Failure::new(Reason::WorkerStartFailed, ended);
        failure.causes = lock(&self.said).lines.iter().cloned().collect();
        failure
    }

    /// Ends it, where its head has not told it to already, and kills it if that takes too long.
    pub(crate) async fn end(mut self, deadline: Instant) {
        drop(self.stdin.take());
        let in_time = tokio::time::timeout_at(deadline.into(), self.child.wait()).await;
        if in_time.is_err() {
            tracing::warn!(worker = self.name, "the process did not end in time and is killed");
            let _ = self.child.kill().await;
        }
    }
}

async fn listen(stderr: Option<ChildStderr>, said: Arc<Mutex<Said>>) {
    let Some(stderr) = stderr else { return };
    let mut lines = BufReader::new(stderr).lines();
    // A line that is no text ends the reading; the pipe stays open, so that the process can go on writing to it.
    while let Ok(Some(line)) = lines.next_line().await {
        let mut said = lock(&said);
        if let Some(terminal) = &said.to {
            terminal.line(&line);
        }
        if said.lines.len() == LINES_KEPT {
            said.lines.pop_front();
        }
        said.lines.push_back(line);
    }
}

/// Nothing that could panic is done under the lock.
fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}
