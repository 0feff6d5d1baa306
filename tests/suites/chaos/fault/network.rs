//! Networks that cut, lose, narrow and reset.

use super::{Fault, Refusal};
use crate::network::{Node, run};
use crate::watch::Seen;
use crate::world::World;

/// A rule of the firewall of one machine.
struct Rule {
    node: Node,
    words: Vec<String>,
}

impl Rule {
    fn add(node: &Node, words: &str) -> Self {
        let rule = Self { node: node.clone(), words: words.split(' ').map(str::to_owned).collect() };
        rule.change("-I");
        rule
    }

    fn remove(self) {
        self.change("-D");
    }

    fn change(&self, how: &str) {
        let words = self.words.iter().map(String::as_str);
        // Waits for whoever else changes rules at the moment.
        let arguments: Vec<&str> = ["-w", "5", how].into_iter().chain(words).collect();
        self.node.run("iptables", &arguments);
    }
}

/// Which packets between two machines do not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ways {
    Both,
    ToFirst,
    ToSecond,
}

impl Ways {
    pub(super) fn one(to_first: bool) -> Self {
        if to_first { Self::ToFirst } else { Self::ToSecond }
    }
}

enum Pair {
    HeadAndEtcd,
    HeadAndWorker(usize),
    Workers(usize, usize),
}

/// Two machines that do not reach each other.
pub(super) struct Cut {
    pair: Pair,
    ways: Ways,
    rules: Vec<Rule>,
}

impl Cut {
    pub(super) fn head_and_worker(worker: usize, ways: Ways) -> Self {
        Self { pair: Pair::HeadAndWorker(worker), ways, rules: Vec::new() }
    }

    pub(super) fn head_and_etcd() -> Self {
        Self { pair: Pair::HeadAndEtcd, ways: Ways::Both, rules: Vec::new() }
    }

    pub(super) fn workers(one: usize, other: usize) -> Self {
        Self { pair: Pair::Workers(one, other), ways: Ways::Both, rules: Vec::new() }
    }
}

impl Fault for Cut {
    fn start(&mut self, world: &mut World, seen: &Seen) -> Result<String, Refusal> {
        let (first, seconds, name) = match self.pair {
            Pair::HeadAndEtcd => {
                let etcd = &world.etcd.as_ref().expect("the scenario has etcd").members;
                (&world.heads[seen.leader], etcd.as_slice(), "etcd".to_owned())
            }
            Pair::HeadAndWorker(worker) => {
                let worker = &world.workers[worker];
                (&world.heads[seen.leader], std::slice::from_ref(worker), worker.name.clone())
            }
            Pair::Workers(one, other) => {
                let other = &world.workers[other];
                (&world.workers[one], std::slice::from_ref(other), other.name.clone())
            }
        };
        let drops = |at: &Node, from: &Node| Rule::add(at, &format!("INPUT -s {} -j DROP", from.address));
        for second in seconds {
            if self.ways != Ways::ToSecond {
                self.rules.push(drops(&first.node, &second.node));
            }
            if self.ways != Ways::ToFirst {
                self.rules.push(drops(&second.node, &first.node));
            }
        }
        let between = match self.ways {
            Ways::Both => "<-/->",
            Ways::ToFirst => "<-/-",
            Ways::ToSecond => "-/->",
        };
        Ok(format!("{} {between} {}", first.name, name))
    }

    fn stop(&mut self, _: &mut World) {
        self.rules.drain(..).for_each(Rule::remove);
    }
}

/// All connections of a worker, or of the head, reset.
pub(super) struct ConnectionsKilled {
    pub(super) worker: Option<usize>,
}

impl Fault for ConnectionsKilled {
    fn start(&mut self, world: &mut World, seen: &Seen) -> Result<String, Refusal> {
        let member = match self.worker {
            Some(worker) => &world.workers[worker],
            None => &world.heads[seen.leader],
        };
        // It lists what it has ended.
        let killed = member.node.run("ss", &["-K", "-H", "-t", "-n", "state", "established"]);
        if killed.trim().is_empty() {
            let why = "this kernel ends no connections (CONFIG_INET_DIAG_DESTROY), or there is none";
            return Err(Refusal::Impossible(why.to_owned()));
        }
        Ok(format!("{} connections of {} reset", killed.lines().count(), member.name))
    }

    fn stop(&mut self, _: &mut World) {}
}

/// Packets get lost on the way to one machine.
pub(super) struct Loss {
    worker: Option<usize>,
    share: f64,
    rule: Option<Rule>,
}

impl Loss {
    pub(super) fn new(worker: Option<usize>, share: f64) -> Self {
        Self { worker, share, rule: None }
    }
}

impl Fault for Loss {
    fn start(&mut self, world: &mut World, seen: &Seen) -> Result<String, Refusal> {
        let member = match self.worker {
            Some(worker) => &world.workers[worker],
            None => &world.heads[seen.leader],
        };
        let share = self.share;
        let rule = format!("INPUT -m statistic --mode random --probability {share:.3} -j DROP");
        self.rule = Some(Rule::add(&member.node, &rule));
        Ok(format!("{:.0} % loss to {}", 100.0 * share, member.name))
    }

    fn stop(&mut self, _: &mut World) {
        if let Some(rule) = self.rule.take() {
            rule.remove();
        }
    }
}

/// A worker with little bandwidth, in both directions.
pub(super) struct Narrow {
    worker: usize,
    kilobits: u32,
    node: Option<Node>,
}

impl Narrow {
    pub(super) fn new(worker: usize, kilobits: u32) -> Self {
        Self { worker, kilobits, node: None }
    }
}

impl Fault for Narrow {
    fn start(&mut self, world: &mut World, _: &Seen) -> Result<String, Refusal> {
        let member = &world.workers[self.worker];
        let rate = format!("{}kbit", self.kilobits);
        // Room for the largest segment that the machine hands down in one piece, which is more than a packet.
        let bucket = ["tbf", "rate", &rate, "burst", "128kb", "latency", "400ms"];
        let port = member.node.port();
        run("tc", &[&["qdisc", "add", "dev", &port, "root"], &bucket[..]].concat());
        member.node.run("tc", &[&["qdisc", "add", "dev", "eth0", "root"], &bucket[..]].concat());
        self.node = Some(member.node.clone());
        Ok(format!("{rate}/s for {}", member.name))
    }

    fn stop(&mut self, _: &mut World) {
        if let Some(node) = self.node.take() {
            run("tc", &["qdisc", "delete", "dev", &node.port(), "root"]);
            node.run("tc", &["qdisc", "delete", "dev", "eth0", "root"]);
        }
    }
}
