//! etcd of a run: each member on its own machine.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shoal_testkit::program;
use shoal_testkit::{eventually, eventually_within};

use super::Member;
use crate::network::{Network, Node};

/// Ports of a member, for heads and for other members.
const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// How long leases of heads that have ended may stay: longer than they are granted for.
const LEASES_MAX: Duration = Duration::from_secs(20);

/// The members.
pub(crate) struct Etcd {
    pub(crate) members: Vec<Member>,
}

impl Etcd {
    pub(super) fn start(number: usize, network: &mut Network, folder: &Path) -> Self {
        let nodes: Vec<Node> =
            (0..number).map(|index| network.add(&format!("etcd{index}"), 31 + index as u8)).collect();
        let peers: Vec<String> = nodes.iter().map(|node| format!("{}={}", node.name, url(node, PEER_PORT))).collect();
        let peers = peers.join(",");
        let start = |node: Node| {
            let (client, peer) = (url(&node, CLIENT_PORT), url(&node, PEER_PORT));
            let mut command = Command::new(program("etcd"));
            command.args(["--name", &node.name, "--log-level", "warn", "--initial-cluster", &peers]);
            command.arg("--data-dir").arg(folder.join(&node.name));
            command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            let command = node.command(&command);
            Member::start(&node.name.clone(), node, command)
        };
        let etcd = Self { members: nodes.into_iter().map(start).collect() };
        eventually("etcd answers", || etcd.ctl(&etcd.endpoints(), &["endpoint", "health"]));
        etcd
    }

    /// Where its members answer, as heads are told.
    pub(super) fn endpoints(&self) -> String {
        let urls: Vec<String> = self.members.iter().map(|member| url(&member.node, CLIENT_PORT)).collect();
        urls.join(",")
    }

    /// Which member leads.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.members.iter().position(|member| {
            let status = self.ctl(&url(&member.node, CLIENT_PORT), &["endpoint", "status", "--write-out", "fields"]);
            status.is_some_and(|status| {
                let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let own = field("\"MemberID\" :");
                own.is_some() && own == field("\"Leader\" :")
            })
        })
    }

    /// Leases that are left once no head runs any more.
    pub(crate) fn leases_left(&self) -> Option<String> {
        let mut found = String::new();
        let has_none = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually_within(LEASES_MAX, "leases end", || {
                found = self.ctl(&self.endpoints(), &["lease", "list"])?;
                found.starts_with("found 0 leases").then_some(())
            });
        }));
        has_none.is_err().then_some(found)
    }

    fn ctl(&self, endpoints: &str, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(program("etcdctl"));
        command.args(["--endpoints", endpoints, "--command-timeout", "1s", "--dial-timeout", "500ms"]);
        let done = command.args(arguments).output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    }
}

fn url(node: &Node, port: u16) -> String {
    format!("http://{}:{port}", node.address)
}
