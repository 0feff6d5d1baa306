//! Addresses of a cluster with a node, and its link to the host. All are of the range that is kept for tests of networks
//! (RFC 2544), which no network that a machine is in uses.

use std::net::Ipv4Addr;
use std::process::Command;

use super::folder::Folder;
use super::place::Place;
use super::trouble::{Trouble, While};

/// Services, in every cluster: nobody outside sees them.
pub(super) const SERVICES: &str = "198.19.0.0/16";
/// The API server as a service, which takes the first address of the range.
pub(super) const FIRST_SERVICE: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);
/// The name server as a service.
pub(super) const DNS_SERVICE: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 10);
/// Pods, in every cluster likewise.
pub(super) const PODS: &str = "198.18.128.0/17";

/// How many clusters may be on a machine at the same time: four addresses each, in 198.18.0.0/20.
const LINKS_MAX: u16 = 1024;

/// The cable between a cluster and the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Link {
    number: u16,
}

impl Link {
    /// Lays the first one that is free to the network of the process `init`, which has none yet.
    pub(super) fn new(folder: &Folder, init: u32) -> Result<Self, Trouble> {
        for number in 0..LINKS_MAX {
            let link = Self { number };
            let name = link.name();
            let peer = ["peer", "name", "eth0", "netns", &init.to_string()].map(str::to_owned);
            let added = Command::new("ip")
                .args(["link", "add", &name, "type", "veth"])
                .args(peer)
                .output()
                .or_could_not("start ip: run `make setup`")?;
            if added.status.success() {
                // Its index is nobody else's, while its name is free as soon as the kernel has taken the namespace.
                let index = format!("/sys/class/net/{name}/ifindex");
                let index = std::fs::read_to_string(&index).or_could_not(format!("read {index}"))?;
                folder.write("link", &format!("{name} {}", index.trim()))?;
                link.configure(init)?;
                return Ok(link);
            }
            let error = String::from_utf8_lossy(&added.stderr).into_owned();
            // Another cluster's: the kernel decides who has it.
            if !error.contains("File exists") {
                return Err(Trouble::new(format!("could not lay a link into a network namespace: {error}")));
            }
        }
        Err(Trouble::new(format!("{LINKS_MAX} clusters are on this machine already: `ip link` lists what they left")))
    }

    fn name(self) -> String {
        format!("shoal{}", self.number)
    }

    /// The host's address, which pods reach it at.
    pub(super) fn host(self) -> Ipv4Addr {
        self.address(1)
    }

    /// The node's address, which the host and pods reach the cluster at.
    pub(super) fn node(self) -> Ipv4Addr {
        self.address(2)
    }

    fn address(self, last: u8) -> Ipv4Addr {
        let [high, low] = (self.number * 4).to_be_bytes();
        Ipv4Addr::new(198, 18, high, low + last)
    }

    fn configure(self, init: u32) -> Result<(), Trouble> {
        let (host, node) = (self.host(), self.node());
        run(Command::new("ip").args(["address", "add", &format!("{host}/30"), "dev", &self.name()]))?;
        run(Command::new("ip").args(["link", "set", &self.name(), "up"]))?;
        let inside = Place::Network(init);
        run(inside.command("ip").args(["link", "set", "lo", "up"]))?;
        run(inside.command("ip").args(["address", "add", &format!("{node}/30"), "dev", "eth0"]))?;
        run(inside.command("ip").args(["link", "set", "eth0", "up"]))?;
        run(inside.command("ip").args(["route", "add", "default", "via", &host.to_string()]))
    }
}

/// Runs a command to its end; its failure is an error with what it said.
pub(super) fn run(command: &mut Command) -> Result<(), Trouble> {
    let done = command.output().or_could_not(format!("start {:?}", command.get_program()))?;
    if done.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    Err(Trouble::new(format!("{} failed: {}", words.join(" "), error.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_have_four_addresses_each_outside_the_pods() {
        let first = Link { number: 0 };
        assert_eq!((first.host(), first.node()), (Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(198, 18, 0, 2)));
        let last = Link { number: LINKS_MAX - 1 };
        assert_eq!(last.node(), Ipv4Addr::new(198, 18, 15, 254));
        assert!(last.name().len() <= 15, "the kernel's limit for names of interfaces");
    }
}
