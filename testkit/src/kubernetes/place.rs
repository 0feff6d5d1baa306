//! Where a process of a cluster runs: on the host, or in namespaces of the cluster.

use std::ffi::OsStr;
use std::process::Command;

use super::tools;

/// What a process sees of the machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// All of it.
    Host,
    /// The network of the node whose first process this is, and everything else of the host.
    Network(u32),
    /// The node: its network, mounts and processes.
    Node(u32),
}

impl Place {
    /// A command that runs there.
    pub(super) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self {
            Self::Host => Command::new(program),
            Self::Network(init) => enter(init, &["--net"], program.as_ref()),
            Self::Node(init) => enter(init, &["--net", "--mount", "--pid"], program.as_ref()),
        };
        command.env("PATH", tools::search_path());
        // A cluster's addresses are on this machine: no proxy knows them.
        command.env("NO_PROXY", "*").env("no_proxy", "*").env_remove("KUBECONFIG");
        command
    }
}

fn enter(init: u32, namespaces: &[&str], program: &OsStr) -> Command {
    let mut command = Command::new("nsenter");
    command.arg("--target").arg(init.to_string()).args(namespaces).arg("--").arg(program);
    command
}
