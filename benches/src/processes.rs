//! Processes of both sides.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
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

    /// Starts a program that says nothing when it is ready.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(command: &mut Command) -> BenchResult<Self> {
        Ok(Self { child: command.stdin(Stdio::null()).spawn()? })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
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

/// Where a script's packages are installed.
#[derive(Clone, Copy, Debug)]
pub enum Environment {
    /// With those of the tests: `make setup`.
    Tests,
    /// Peers that only benches run: `make bench-peers`.
    Peers,
}

impl Environment {
    /// Its Python.
    ///
    /// # Errors
    /// It is not installed.
    pub fn interpreter(self) -> BenchResult<PathBuf> {
        Ok(Path::new(&self.folder()?).join("bin/python"))
    }

    fn folder(self) -> BenchResult<String> {
        let (variable, cached, target) = match self {
            Self::Tests => ("SHOAL_VENV", "venv", "setup"),
            Self::Peers => ("SHOAL_PEERS_VENV", "venv-peers", "bench-peers"),
        };
        let folder = std::env::var(variable)
            .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cache/shoal/{cached}")))?;
        if !Path::new(&folder).join("bin/python").exists() {
            return Err(format!("there is no Python in {folder}: `make {target}` installs it").into());
        }
        Ok(folder)
    }
}

/// Runs a script of `benches/` in that Python; it prints `{"seconds": [...], "peak_rss_mib": ...}`.
///
/// # Errors
/// Python is missing or the script fails.
pub fn python(environment: Environment, script: &str, arguments: &[&str]) -> BenchResult<Runs> {
    let output = Command::new(environment.interpreter()?)
        .arg(format!("benches/{script}"))
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("benches/{script} failed").into());
    }
    // A library may print before the script does.
    let last = output.stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let printed: Value = serde_json::from_slice(last)?;
    let seconds = printed["seconds"].as_array().ok_or("no seconds")?.iter().filter_map(Value::as_f64).collect();
    Ok(Runs { seconds, peak_rss_mib: printed["peak_rss_mib"].as_f64().ok_or("no peak_rss_mib")? })
}
