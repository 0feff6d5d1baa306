//! The built binary.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::{Finished, Process};

/// Where the binary lies: beside the tests that were built with it.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/suite-0123456789abcdef
    let binary = test.parent().and_then(Path::parent).unwrap().join("shoal");
    assert!(binary.is_file(), "there is no {}: run `cargo build -p shoal-cli` first", binary.display());
    binary
}

/// A command of the binary, with nothing of this environment that it would read.
pub fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("SHOAL_") || name.starts_with("RUST_") {
            command.env_remove(name.as_ref());
        }
    }
    command.args(arguments);
    command
}

/// Runs a command to its end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Finished {
    Process::start(&mut command(arguments)).finish()
}

impl Finished {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// Where it is none, with all that was written.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The same, of a command that succeeded.
    ///
    /// # Panics
    /// Where it did not.
    pub fn succeeded(&self) -> Value {
        assert_eq!(self.code, 0, "{self:#?}");
        self.json()
    }

    /// The one failure that a command with `--output json` reported.
    ///
    /// # Panics
    /// Where it reported none, or ended with another code.
    pub fn failed(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{self:#?}");
        let failure = self.failure();
        assert!(failure["reason"].is_string() && failure["message"].is_string(), "{self:#?}");
        failure
    }

    fn failure(&self) -> Value {
        let status: Value = serde_json::from_str(&self.stdout).unwrap_or_default();
        if status["failure"].is_object() { status["failure"].clone() } else { status }
    }
}
