//! A network of one run: a namespace per machine, joined by a bridge in the namespace of the test itself.

use std::net::Ipv4Addr;
use std::process::Command;

/// Where the namespaces are named.
const NAMESPACES: &str = "/run/netns";

/// The bridge, which is also how the test reaches everybody.
const BRIDGE: &str = "chaos";

/// Address of the test, in the range that is kept for benchmarks of networks (RFC 2544).
pub(crate) const HUB: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// A machine: a namespace with one address.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
}

/// All machines; gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Network {
    nodes: Vec<Node>,
}

impl Network {
    /// Makes the bridge.
    pub(crate) fn start() -> Self {
        // Of the run alone: its mounts are its own.
        run("mount", &["-t", "tmpfs", "none", "/run"]);
        std::fs::create_dir(NAMESPACES).unwrap();
        run("ip", &["link", "set", "lo", "up"]);
        run("ip", &["link", "add", BRIDGE, "type", "bridge"]);
        run("ip", &["addr", "add", &format!("{HUB}/24"), "dev", BRIDGE]);
        run("ip", &["link", "set", BRIDGE, "up"]);
        Self { nodes: Vec::new() }
    }

    /// Adds a machine whose address ends in `host`.
    pub(crate) fn add(&mut self, name: &str, host: u8) -> Node {
        let [a, b, c, _] = HUB.octets();
        let node = Node { name: name.to_owned(), address: Ipv4Addr::new(a, b, c, host) };
        let port = node.port();
        run("ip", &["netns", "add", name]);
        run("ip", &["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", name]);
        run("ip", &["link", "set", &port, "master", BRIDGE, "up"]);
        node.run("ip", &["link", "set", "lo", "up"]);
        node.run("ip", &["addr", "add", &format!("{}/24", node.address), "dev", "eth0"]);
        node.run("ip", &["link", "set", "eth0", "up"]);
        self.nodes.push(node.clone());
        node
    }

    /// Takes everything down, and says which namespaces could not be.
    pub(crate) fn end(self) -> Vec<String> {
        for node in &self.nodes {
            // A namespace takes its cables with it, but some time after it is gone.
            run("ip", &["link", "delete", &node.port()]);
            run("ip", &["netns", "delete", &node.name]);
        }
        run("ip", &["link", "delete", BRIDGE]);
        let left = std::fs::read_dir(NAMESPACES).unwrap().map(|entry| entry.unwrap().path().display().to_string());
        let left = left.collect();
        // With the mount that `ip netns` has made below it.
        run("umount", &["--recursive", "/run"]);
        left
    }
}

impl Node {
    /// The end of its cable at the bridge.
    pub(crate) fn port(&self) -> String {
        format!("to-{}", self.name)
    }

    /// The same command, run there. The process that is started is the command's own.
    pub(crate) fn command(&self, command: &Command) -> Command {
        let mut there = Command::new("nsenter");
        there.arg(format!("--net={NAMESPACES}/{}", self.name)).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        there
    }

    /// Runs a program there to its end, and returns what it wrote.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        finish(&mut self.command(Command::new(program).args(arguments)))
    }
}

/// Runs a program to its end, and returns what it wrote.
///
/// # Panics
/// Where it fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    finish(Command::new(program).args(arguments))
}

fn finish(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run `make setup`"));
    assert!(done.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
