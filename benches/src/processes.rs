//! Processes of both sides.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{BenchResult, Runs};

/// A process that ends with the bench, also when the bench fails.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a program and waits until it prints a line with `mark`; gives what follows the mark in that line.
    ///
    /// # Errors
    /// It cannot be started, or ends before it prints such a line.
    pub fn start(command: &mut Command, mark: &str) -> BenchResult<(Self, String)> {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().ok_or("the process has no output")?;
        let process = Self { child };
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next().transpose()? {
            if let Some((_, rest)) = line.split_once(mark) {
                let rest = rest.trim().to_owned();
                // The rest is read, so that the process is never blocked by a full pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok((process, rest));
            }
        }
        Err(format!("{command:?} ended before it printed `{mark}`").into())
    }

    /// Highest memory of the process so far, in MiB.
    ///
    /// # Errors
    /// The process is gone.
    pub fn peak_rss_mib(&self) -> BenchResult<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The built `shoal` beside this bench.
///
/// # Errors
/// It was not built.
pub fn shoal() -> BenchResult<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("shoal");
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is missing: build the package shoal-cli", path.display()).into())
    }
}

/// Runs a script of `benches/` in the Python of the test environment; it prints `{"seconds": [...], "peak_rss_mib": ...}`.
///
/// # Errors
/// Python is missing (`make setup` installs it) or the script fails.
pub fn python(script: &str, arguments: &[&str]) -> BenchResult<Runs> {
    let venv = std::env::var("SHOAL_VENV")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cache/shoal/venv")))?;
    let output = Command::new(format!("{venv}/bin/python"))
        .arg(format!("benches/{script}"))
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{venv}/bin/python cannot be run ({error}): `make setup` installs it"))?;
    if !output.status.success() {
        return Err(format!("benches/{script} failed").into());
    }
    let printed: Value = serde_json::from_slice(&output.stdout)?;
    let seconds = printed["seconds"].as_array().ok_or("no seconds")?.iter().filter_map(Value::as_f64).collect();
    Ok(Runs { seconds, peak_rss_mib: printed["peak_rss_mib"].as_f64().ok_or("no peak_rss_mib")? })
}
