//! Whether there is a Python here at all that can call functions.

use std::ffi::OsStr;
use std::io;
use std::process::{Output, Stdio};

use tokio::process::Command;
use tokio::time::timeout;

use crate::limits::{LOAD_TIME_MAX, OWN_LINES_MAX};
use crate::start::{INTERPRETER, NOT_TOO_OLD};

/// What is asked of one that is not too old: what a function's process needs of its standard library,
/// of which some distributions have a part only.
const QUESTION: &str = "import ctypes, json, mmap, resource, select, socket, zlib
print('%d.%d.%d' % sys.version_info[:3])
";

/// Why functions cannot be called here.
#[derive(Debug, thiserror::Error)]
pub enum NoPython {
    /// There is none.
    #[error("there is no `{INTERPRETER}` in the path, which is {path}")]
    Missing {
        /// Where programs are looked for.
        path: String,
    },
    /// It cannot be started.
    #[error("`{INTERPRETER}` cannot be started")]
    NotStarted(#[source] io::Error),
    /// It does not answer.
    #[error("`{INTERPRETER}` does not answer within {seconds} s")]
    Mute {
        /// How long it had.
        seconds: u64,
    },
    /// It is too old.
    #[error("its `{INTERPRETER}` is {found}, which is too old: 3.10 or newer is needed")]
    TooOld {
        /// What it calls itself.
        found: String,
    },
    /// It lacks what it should have.
    #[error("`{INTERPRETER}` does not work: {said}")]
    Broken {
        /// Its last words.
        said: String,
    },
}

/// The version of the Python that calls functions where jobs name none.
///
/// # Errors
/// There is none that can.
pub async fn python_version() -> Result<String, NoPython> {
    let mut command = Command::new(INTERPRETER);
    command.args(["-c", &format!("{NOT_TOO_OLD}{QUESTION}")]).stdin(Stdio::null()).kill_on_drop(true);
    match timeout(LOAD_TIME_MAX, command.output()).await {
        Err(_) => Err(NoPython::Mute { seconds: LOAD_TIME_MAX.as_secs() }),
        Ok(Err(error)) => Err(not_started(error, std::env::var_os("PATH").as_deref())),
        Ok(Ok(output)) => answer(&output),
    }
}

fn not_started(error: io::Error, path: Option<&OsStr>) -> NoPython {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let path = path.map_or_else(|| "empty".to_owned(), |path| path.to_string_lossy().into_owned());
            NoPython::Missing { path }
        }
        _ => NoPython::NotStarted(error),
    }
}

/// What it said.
fn answer(output: &Output) -> Result<String, NoPython> {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(OWN_LINES_MAX)..].join("\n");
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Some(crate::start::TOO_OLD) => Err(NoPython::TooOld { found: last }),
        _ if last.is_empty() => Err(NoPython::Broken { said: output.status.to_string() }),
        _ => Err(NoPython::Broken { said: last }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn what_keeps_functions_from_being_called_is_told() {
        // As `wait` has it: the exit code in the upper byte, the signal in the lower one.
        let said = |code: i32, stdout: &str, stderr: &str| {
            let output = Output { status: ExitStatus::from_raw(code), stdout: stdout.into(), stderr: stderr.into() };
            answer(&output).map_err(|why| why.to_string())
        };
        assert_eq!(said(0, "3.11.7\n", "").unwrap(), "3.11.7");
        for (code, stderr, expected) in [
            (97 << 8, "Python 3.9\n", "its `python3` is Python 3.9, which is too old: 3.10 or newer is needed"),
            (1 << 8, "No module named 'ctypes'\n", "`python3` does not work: No module named 'ctypes'"),
            (11, "", "`python3` does not work: signal: 11 (SIGSEGV)"),
        ] {
            assert_eq!(said(code, "", stderr).unwrap_err(), expected);
        }
        let missing = not_started(io::Error::from(io::ErrorKind::NotFound), Some(OsStr::new("/bin")));
        assert_eq!(missing.to_string(), "there is no `python3` in the path, which is /bin");
        let forbidden = not_started(io::Error::from(io::ErrorKind::PermissionDenied), None);
        assert_eq!(forbidden.to_string(), "`python3` cannot be started");
    }
}
