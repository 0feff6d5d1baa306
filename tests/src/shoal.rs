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
        if ["SHOAL_", "RUST_", "AWS_", "GOOGLE_", "AZURE_", "AZURITE_"].iter().any(|prefix| name.starts_with(prefix)) {
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

    /// What a command that succeeded says: the status of its job where it is about one.
    ///
    /// # Panics
    /// Where it did not succeed.
    pub fn succeeded(&self) -> Value {
        assert_eq!(self.code, 0, "{self:#?}");
        let said = self.json();
        if said["status"].is_object() { said["status"].clone() } else { said }
    }

    /// The one failure that a command with `--output json` reported: on its own, or in the status of its job.
    ///
    /// # Panics
    /// Where it reported none, or ended with another code.
    pub fn failed(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{self:#?}");
        let said = self.json();
        let failure = if said["status"].is_object() { &said["status"]["failure"] } else { &said["failure"] };
        assert!(failure["reason"].is_string() && failure["message"].is_string(), "{self:#?}");
        // People see the same one, and no other.
        let shown = format!("error[{}]: ", failure["reason"].as_str().unwrap_or_default());
        let errors = self.stderr.lines().filter(|line| line.starts_with("error["));
        assert_eq!(errors.count(), 1, "{self:#?}");
        assert!(self.stderr.contains(&shown), "{self:#?}");
        failure.clone()
    }
}
