//! A command that ends when this process does, or when nobody waits for it any longer, with all that it has started: a guardian
//! runs it, as it runs functions.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::Command;

use crate::limits::OWN_LINES_MAX;
use crate::process::{channel, code};

/// What the guardian's interpreter runs.
const BOOT: &str = "import sys
sys.path[0] = sys.argv[1]
from shoal.worker.command import run
from shoal.worker.guardian import main
main(run)
";

/// What is run, by whom and where.
pub(crate) struct Supervised<'a> {
    /// The guardian's interpreter, and the sources that it imports.
    pub(crate) python: &'a Path,
    pub(crate) sources: &'a Path,
    /// Where it runs, and keeps what is temporary.
    pub(crate) folder: &'a Path,
    /// All variables that it gets.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its exit code; signals as a shell tells of them.
    pub(crate) code: Option<i32>,
    /// The last lines that it wrote.
    pub(crate) last_lines: Vec<String>,
}

impl Supervised<'_> {
    /// Runs a command to its end; each of its lines is handed over as it comes. Dropping the future ends the command.
    pub(crate) async fn run(&self, command: &[OsString], said: impl Fn(&str)) -> io::Result<Ended> {
        let (held, theirs) = channel()?;
        let mut guardian = Command::new(self.python);
        guardian
            .args(["-c", BOOT])
            .arg(self.sources)
            .args(command)
            .current_dir(self.folder)
            // A signal that a terminal sends to the worker is not meant for it.
            .process_group(0)
            .stdin(theirs)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("TMPDIR", self.folder)
            .env("PYTHONUTF8", "1")
            // What it writes line by line comes line by line.
            .env("PYTHONUNBUFFERED", "1");
        let mut child = guardian.spawn()?;
        // The command holds the other end of the channel.
        drop(guardian);
        let (Some(output), Some(error)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("a process has no standard output"));
        };
        let (mut output, mut error) = (lines(output), lines(error));
        let mut last = VecDeque::new();
        let (mut output_open, mut error_open) = (true, true);
        while output_open || error_open {
            let (open, line) = tokio::select! {
                line = output.next_line(), if output_open => (&mut output_open, line),
                line = error.next_line(), if error_open => (&mut error_open, line),
            };
            match line {
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => {
                    said(&line);
                    if last.len() == OWN_LINES_MAX {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
                // What is no text is not shown, and the command is told that nobody listens.
                Ok(None) | Err(_) => *open = false,
            }
        }
        let status = child.wait().await?;
        // Until here the guardian sees somebody at the other end.
        drop(held);
        Ok(Ended { code: code(status), last_lines: last.into() })
    }
}

fn lines<R: AsyncRead + Unpin>(from: R) -> Lines<BufReader<R>> {
    BufReader::new(from).lines()
}
