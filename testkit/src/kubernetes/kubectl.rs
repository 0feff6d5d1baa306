//! kubectl on one cluster.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::place::Place;
use super::tools;
use super::trouble::{Trouble, While};

pub(super) struct Kubectl {
    program: PathBuf,
    /// One file or, as it is somebody else's, a list of them.
    config: PathBuf,
    cache: Option<PathBuf>,
}

impl Kubectl {
    pub(super) fn new(config: PathBuf) -> Result<Self, Trouble> {
        Ok(Self { program: tools::built("kubectl")?, config, cache: None })
    }

    /// Keeps what it finds out about the API in a folder: another cluster may have had the same address.
    pub(super) fn with_cache(mut self, cache: PathBuf) -> Self {
        self.cache = Some(cache);
        self
    }

    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// Runs it, and returns what it wrote.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String, Trouble> {
        let done = self.command(arguments).stdin(Stdio::null()).output().or_could_not("start kubectl")?;
        text(done, arguments)
    }

    /// Whether it succeeds.
    pub(super) fn succeeds(&self, arguments: &[&str]) -> bool {
        self.run(arguments).is_ok()
    }

    pub(super) fn apply(&self, manifests: &str) -> Result<(), Trouble> {
        self.apply_in(None, manifests)
    }

    pub(super) fn apply_in(&self, namespace: Option<&str>, manifests: &str) -> Result<(), Trouble> {
        let place = namespace.map(|namespace| ["--namespace", namespace]);
        let arguments = [place.as_ref().map(<[_; 2]>::as_slice).unwrap_or_default(), &["apply", "--filename", "-"]];
        let arguments = arguments.concat();
        let mut command = self.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().or_could_not("start kubectl")?;
        if let Some(mut input) = child.stdin.take() {
            // Where it ends early, its own message says why.
            let _ = input.write_all(manifests.as_bytes());
        }
        text(child.wait_with_output().or_could_not("run kubectl")?, &arguments).map(|_| ())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Place::Host.command(&self.program);
        command.env("KUBECONFIG", &self.config).args(arguments);
        if let Some(cache) = &self.cache {
            command.env("KUBECACHEDIR", cache);
        }
        command
    }
}

fn text(done: Output, arguments: &[&str]) -> Result<String, Trouble> {
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(Trouble::new(format!("kubectl {} failed: {}", arguments.join(" "), error.trim())))
}
