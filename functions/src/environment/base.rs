//! The Python that an environment is made from.

use std::ffi::OsString;
use std::process::Stdio;

use serde::Deserialize;
use shoal_core::Failure;
use shoal_core::functions::Program;
use tokio::process::Command;
use tokio::time::timeout;

use crate::death::Death;
use crate::limits::{LOAD_TIME_MAX, OWN_LINES_MAX};
use crate::start::{self, INTERPRETER, NOT_TOO_OLD, PASSED_ON};

/// What it is asked.
const QUESTION: &str = "
import json, os
try:
    libc = os.confstr('CS_GNU_LIBC_VERSION')
except (ValueError, OSError):
    libc = 'another libc'
try:
    import ensurepip, venv
    has_pip = True
except ImportError:
    has_pip = False
print(json.dumps({'version': sys.version, 'executable': sys.executable,
                  'real': os.path.realpath(sys.executable), 'has_pip': has_pip,
                  'platform': ' '.join([sys.platform, os.uname().machine, libc])}))
";

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Base {
    /// Its version, with when and how it was built.
    pub(crate) version: String,
    /// Itself.
    pub(crate) executable: String,
    /// Itself, without links.
    pub(crate) real: String,
    /// Whether it can make an environment that has pip.
    pub(crate) has_pip: bool,
    /// What packages with native code are built for.
    pub(crate) platform: String,
}

impl Base {
    /// Asks the interpreter of a program.
    ///
    /// # Errors
    /// There is none, or it is too old.
    pub(crate) async fn of(program: &Program) -> Result<Self, Failure> {
        let mut command = Command::new(program.interpreter.as_deref().unwrap_or(INTERPRETER));
        command
            .args(["-c", &format!("{NOT_TOO_OLD}{QUESTION}")])
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?))))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let asked = timeout(LOAD_TIME_MAX, command.output()).await;
        let Ok(output) = asked else { return Err(start::unusable_base(&Death::TooLong(LOAD_TIME_MAX), Vec::new())) };
        let output = output.map_err(|error| start::not_started(program, &error))?;
        if let (true, Ok(base)) = (output.status.success(), serde_json::from_slice(&output.stdout)) {
            return Ok(base);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        let last = lines[lines.len().saturating_sub(OWN_LINES_MAX)..].to_vec();
        Err(start::unusable_base(&Death::Ended(crate::process::code(output.status)), last))
    }
}
