//! What the containers of pods run, run on this machine.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::api::server;

/// The program, which is built before.
pub(crate) fn shoal() -> PathBuf {
    // target/debug/deps/kubernetes-0123456789abcdef
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("shoal")
}

/// The process of a pod. It ends with the value.
pub(crate) struct Process {
    child: Child,
    /// The first line that it said.
    pub(crate) first_line: String,
}

impl Process {
    /// Runs what the pod's container would. `adapt` has another value for an option where this machine is not the pod's.
    pub(crate) fn of(pod: &Value, adapt: impl Fn(&str, &str) -> Option<String>) -> Self {
        Self::with_server(pod, adapt, api_server())
    }

    /// The same, where pods are told that the API server is at that host and port.
    pub(crate) fn with_server(
        pod: &Value,
        adapt: impl Fn(&str, &str) -> Option<String>,
        (host, port): (String, String),
    ) -> Self {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap().iter().map(|argument| {
            let argument = argument.as_str().unwrap().replace("$(POD_NAME)", name);
            let adapted = argument.split_once('=').and_then(|(option, value)| Some((option, adapt(option, value)?)));
            adapted.map_or_else(|| argument.clone(), |(option, value)| format!("{option}={value}"))
        });
        let mut command = Command::new(shoal());
        command.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        Self { child, first_line }
    }

    /// Where a head takes REST.
    pub(crate) fn url(&self) -> &str {
        self.first_line.trim().strip_prefix("head: ").unwrap_or_else(|| panic!("{}", self.first_line))
    }
}

/// Host and port of the API server, as pods are told.
pub(crate) fn api_server() -> (String, String) {
    let kubeconfig = std::fs::read_to_string(server().kubeconfig()).unwrap();
    let url = kubeconfig.lines().find_map(|line| line.trim_start().strip_prefix("server: https://")).unwrap();
    let (host, port) = url.trim_end_matches('/').rsplit_once(':').unwrap();
    (host.to_owned(), port.to_owned())
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
