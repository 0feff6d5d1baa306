//! A cluster that is started here.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::control_plane::{self, API_SERVER, Location};
use super::direct::{self, Direct};
use super::folder::Folder;
use super::kubeconfig;
use super::kubectl::Kubectl;
use super::network::{FIRST_SERVICE, Link};
use super::node::{self, NODE};
use super::options::{Layer, Options};
use super::pki::Pki;
use super::place::Place;
use super::process::{Launch, Processes};
use super::trouble::{Trouble, While};
use super::{addons, cgroups, containerd, namespace};

/// How long one part may take to get ready: seconds on an idle machine, more where compilers run beside it.
pub(super) const LIMIT: Duration = Duration::from_secs(180);

/// How often a start on loopback is tried: another process may take a port between the look and the use.
const STARTS_MAX: usize = 5;

/// What a program's log says where that happened.
const PORT_TAKEN: &str = "address already in use";

/// For people, and for programs that were not started here.
pub(super) const KUBECONFIG_FILE: &str = "kubeconfig";

pub(super) struct Own {
    /// Dropped, and with it ended, before the folder that they write to. Behind a lock, since tests share a cluster whose
    /// processes one of them kills.
    processes: Mutex<Processes>,
    folder: Folder,
    direct: Direct,
    node: Option<NodeNetwork>,
}

#[derive(Clone, Copy)]
struct NodeNetwork {
    init: u32,
    link: Link,
}

impl Own {
    pub(super) fn start(options: Options) -> Result<(Self, Kubectl), Trouble> {
        let mut starts = 0;
        loop {
            starts += 1;
            match Self::try_start(&options) {
                Err(trouble) if starts < STARTS_MAX && trouble.to_string().contains(PORT_TAKEN) => {}
                started_or_not => return started_or_not,
            }
        }
    }

    fn try_start(options: &Options) -> Result<(Self, Kubectl), Trouble> {
        let path = match &options.folder {
            Some(path) => path.clone(),
            None => tempfile::Builder::new().prefix("shoal-k8s-").tempdir().or_could_not("make a folder")?.keep(),
        };
        let folder = Folder::new(path)?;
        let direct = Direct::new(&folder);
        let mut this = Self { processes: Mutex::default(), folder, direct, node: None };
        let location = match options.layer {
            Layer::ApiServer | Layer::ControlPlane => Location::loopback(),
            Layer::Node => {
                (options.progress)("making a network of its own");
                let network = this.start_network()?;
                Location::network(Place::Network(network.init), network.link.node())
            }
        };
        let pki = Pki::new(&this.folder.join("pki"), location.address, FIRST_SERVICE)?;
        let kubectl = this.start_api_server(options, &location, &pki)?;
        if options.layer != Layer::ApiServer {
            (options.progress)("starting controllers and scheduler");
            for launch in control_plane::controllers(&this.folder, &location, &pki)? {
                this.start_process(launch)?;
            }
        }
        if let Some(network) = this.node {
            (options.progress)("starting a node");
            this.start_node(network, &location, &pki, &kubectl)?;
        }
        if options.layer != Layer::ApiServer {
            let ready = ["get", "serviceaccount", "default", "--namespace", "default"];
            this.wait("kube-controller-manager", "controllers work", || kubectl.succeeds(&ready).then_some(()))?;
        }
        Ok((this, kubectl))
    }

    fn start_network(&mut self) -> Result<NodeNetwork, Trouble> {
        if let Some(obstacle) = namespace::obstacle() {
            return Err(Trouble::new(obstacle));
        }
        let init = namespace::start(&self.folder, &mut self.processes())?;
        let network = NodeNetwork { init, link: Link::new(&self.folder, init)? };
        self.node = Some(network);
        // It is ready by the time the API server is.
        self.start_process(containerd::launch(&self.folder, init)?)?;
        Ok(network)
    }

    fn start_api_server(&mut self, options: &Options, location: &Location, pki: &Pki) -> Result<Kubectl, Trouble> {
        (options.progress)("starting etcd and API server");
        let config = self.folder.join(KUBECONFIG_FILE);
        let config = kubeconfig::write(&config, &location.url(), &pki.authority, &pki.admin)?;
        let kubectl = Kubectl::new(config)?.with_cache(self.folder.join("kubectl-cache"));
        self.start_process(control_plane::etcd(&self.folder, location)?)?;
        let controllers = options.layer != Layer::ApiServer;
        self.start_process(control_plane::api_server(location, pki, controllers, &options.api_server_flags)?)?;
        self.wait_for_api_server(&kubectl)?;
        self.start_process(direct::launch(&self.folder, kubectl.config())?)?;
        Ok(kubectl)
    }

    pub(super) fn wait_for_api_server(&self, kubectl: &Kubectl) -> Result<(), Trouble> {
        let ready = ["get", "--raw", "/readyz"];
        self.wait(API_SERVER, "the API server is ready", || kubectl.succeeds(&ready).then_some(()))
    }

    fn start_node(
        &mut self,
        network: NodeNetwork,
        location: &Location,
        pki: &Pki,
        kubectl: &Kubectl,
    ) -> Result<(), Trouble> {
        let init = network.init;
        let cgroup = cgroups::make(&self.folder)?;
        let answers = || containerd::answers(&self.folder, init).then_some(());
        self.wait(containerd::CONTAINERD, "containerd answers", answers)?;
        containerd::import_pause(&self.folder, init)?;
        self.start_process(node::kubelet(&self.folder, init, location, pki, &cgroup)?)?;
        self.start_process(node::proxy(&self.folder, location, pki)?)?;
        self.start_process(node::dns(&self.folder, location, &self.folder.join(KUBECONFIG_FILE))?)?;
        kubectl.apply(&addons::manifest(&self.folder, location.address)?)?;
        let condition = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let ready = ["get", "node", NODE, condition];
        self.wait("kubelet", "the node is ready", || (kubectl.run(&ready).ok()? == "True").then_some(()))
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn start_process(&self, launch: Launch) -> Result<(), Trouble> {
        self.processes().start(&self.folder, launch).map(|_| ())
    }

    pub(super) fn wait<T>(&self, of: &str, what: &str, look: impl FnMut() -> Option<T>) -> Result<T, Trouble> {
        self.processes().wait(&self.folder, LIMIT, of, what, look)
    }

    pub(super) fn restart(&self, process: &str) -> Result<(), Trouble> {
        let killed = self.processes().kill(process);
        let launch = killed.ok_or_else(|| Trouble::new(format!("this cluster has no process {process}")))?;
        self.start_process(launch)
    }

    pub(super) fn import_image(&self, archive: &Path) -> Result<(), Trouble> {
        let network = self.node.ok_or_else(no_node)?;
        containerd::import(&self.folder, network.init, archive)
    }

    pub(super) fn tag_image(&self, image: &str, name: &str) -> Result<(), Trouble> {
        let network = self.node.ok_or_else(no_node)?;
        containerd::tag(&self.folder, network.init, image, name)
    }

    pub(super) fn addresses(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        self.node.map(|network| (network.link.host(), network.link.node()))
    }

    /// Where programs run that pods are to reach.
    pub(super) fn place(&self) -> Result<(Place, Ipv4Addr), Trouble> {
        let network = self.node.ok_or_else(no_node)?;
        Ok((Place::Network(network.init), network.link.node()))
    }

    pub(super) fn on_node(&self, program: &str) -> Option<Command> {
        self.node.map(|network| Place::Network(network.init).command(program))
    }

    pub(super) fn direct(&self) -> &Direct {
        &self.direct
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn files(&self) -> &Folder {
        &self.folder
    }

    pub(super) fn release(&mut self) {
        self.processes().release();
        self.folder.release();
    }
}

fn no_node() -> Trouble {
    Trouble::new("this cluster has no node")
}
