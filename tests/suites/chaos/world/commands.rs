//! The commands that processes are started by.

use std::process::Command;

use shoal_tests::shoal;

use super::{REST_PORT, WORKERS_PORT, World};
use crate::network::{HUB, Node};
use crate::scenario::Kind;

/// Slots of a worker: six in all, on which eleven splits are two rounds.
const SLOTS: &str = "2";

/// Memory of a worker in most runs: everything fits.
const MEMORY: &str = "512Mi";

/// Memory of a worker where its disk is to be needed.
const MEMORY_SMALL: &str = "2Mi";

/// Ports of a worker: the same after a restart, as an orchestrator would have it.
const FLIGHT_PORT: &str = "7372";
const HTTP_PORT: &str = "7373";

impl World {
    pub(super) fn head_command(&self, node: &Node) -> Command {
        let mut command = shoal::command(["head"]);
        command.args(["--listen", &format!("{}:{REST_PORT}", node.address)]);
        command.args(["--workers-listen", &format!("{}:{WORKERS_PORT}", node.address)]);
        command.arg("--token-file").arg(&self.token.file).arg("--allow-local").arg("/");
        match &self.etcd {
            Some(etcd) => command.args(["--etcd", &etcd.endpoints()]),
            None => command.arg("--state-dir").arg(self.state(node)),
        };
        self.secure(&mut command, node);
        node.command(self.environment(&mut command))
    }

    pub(super) fn worker_command(&self, node: &Node) -> Command {
        let memory = if self.scenario.has(Kind::ScratchFull) { MEMORY_SMALL } else { MEMORY };
        let mut command = shoal::command(["worker", "--name", &node.name, "--slots", SLOTS, "--memory", memory]);
        command.args(["--listen", &node.address.to_string(), "--flight-port", FLIGHT_PORT, "--http-port", HTTP_PORT]);
        command.args(["--head", &self.heads_for_workers()]);
        command.arg("--token-file").arg(&self.token.file).arg("--scratch").arg(self.scratch(node));
        self.secure(&mut command, node);
        node.command(self.environment(&mut command))
    }

    /// `shoal job`, on the test's own machine.
    pub(super) fn client_command(&self, arguments: &[&str]) -> Command {
        let mut command = shoal::command(["job"]);
        command.args(arguments).args(["--head", &self.rest_urls().join(","), "--output", "json"]);
        command.arg("--token-file").arg(&self.token.file);
        if let Some(ca) = self.ca() {
            command.arg("--tls-ca").arg(ca);
        }
        self.environment(&mut command);
        command
    }

    /// Switches TLS on where the scenario has it.
    fn secure(&self, command: &mut Command, node: &Node) {
        if let Some(security) = &self.security {
            command.args(security.files(node).arguments());
        }
    }

    /// Where workers look for the heads: through the proxies that can be slow, where there are some.
    fn heads_for_workers(&self) -> String {
        if self.is_delayed() { self.url(HUB) } else { self.rest_urls().join(",") }
    }

    /// Whether workers reach the head through a proxy.
    pub(crate) fn is_delayed(&self) -> bool {
        self.scenario.has(Kind::Delay)
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("TMPDIR", self.folder.join("tmp")).env("RUST_LOG", "info");
        if let Some(store) = &self.store {
            command.envs(store.environment());
        }
        command
    }
}
