//! Real Kubernetes for tests, from programs that `make services-kubernetes` builds and installs.
//!
//! An API server alone (etcd, API server, on loopback) is ready in seconds and needs no rights. With a node (controllers,
//! scheduler, containerd, kubelet, kube-proxy, CoreDNS) it runs pods; all of that is in namespaces of its own, which needs
//! root on Linux, and several may be side by side. Whatever a cluster consists of ends with the value that stands for it,
//! and also when the process is killed.

mod addons;
mod certificates;
mod cgroups;
mod containerd;
mod control_plane;
mod direct;
mod folder;
mod helm;
mod kubeconfig;
mod kubectl;
mod kwok;
mod namespace;
mod network;
mod node;
mod object_store;
mod options;
mod own;
mod pki;
mod place;
mod process;
mod tenant;
mod tools;
mod trouble;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use node::NODE;
pub use object_store::{ObjectStore, REGION};
pub use options::{Layer, Options};
pub use tenant::{Namespace, condition};
pub use trouble::Trouble;

use direct::Direct;
use kubectl::Kubectl;
use own::Own;

/// Names the kubeconfig of a cluster that tests are to use instead of one of their own.
const KUBECONFIG: &str = "KUBECONFIG";

/// A Kubernetes cluster. One that was started here is gone when this is dropped.
pub struct Cluster {
    kubectl: Kubectl,
    own: Option<Own>,
}

impl Cluster {
    /// Uses the cluster that `KUBECONFIG` leads to, as it is; where it is not set, starts one.
    ///
    /// # Errors
    /// As [`Cluster::start_own`].
    pub fn start(options: Options) -> Result<Self, Trouble> {
        match std::env::var_os(KUBECONFIG).filter(|path| !path.is_empty()) {
            Some(path) => Ok(Self { kubectl: Kubectl::new(path.into())?, own: None }),
            None => Self::start_own(options),
        }
    }

    /// Starts one, and waits until it is ready.
    ///
    /// # Errors
    /// Where a program is missing, ends, or is not ready in time; with the end of its log.
    pub fn start_own(options: Options) -> Result<Self, Trouble> {
        let (own, kubectl) = Own::start(options)?;
        Ok(Self { kubectl, own: Some(own) })
    }

    /// Why this machine cannot run a cluster with a node; none where it can.
    pub fn obstacle_to_nodes() -> Option<String> {
        namespace::obstacle()
    }

    /// Leads clients to the cluster, with all rights.
    pub fn kubeconfig(&self) -> &Path {
        self.kubectl.config()
    }

    /// Runs kubectl, and returns what it wrote.
    ///
    /// # Errors
    /// Where it fails, with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Trouble> {
        self.kubectl.run(arguments)
    }

    /// The shortest way to its API; none to a cluster that was not started here.
    fn direct(&self) -> Option<&Direct> {
        self.own.as_ref().map(Own::direct)
    }

    /// Applies manifests.
    ///
    /// # Errors
    /// Where the API server refuses one, with what it said.
    pub fn apply(&self, manifests: &str) -> Result<(), Trouble> {
        self.kubectl.apply(manifests)
    }

    /// Applies manifests that name no namespace in that one.
    ///
    /// # Errors
    /// As [`Cluster::apply`].
    pub fn apply_in(&self, namespace: &str, manifests: &str) -> Result<(), Trouble> {
        self.kubectl.apply_in(Some(namespace), manifests)
    }

    /// Brings the images of an archive (OCI or Docker) to the node. Does nothing for a cluster that was not started here:
    /// whoever made that one gave it its images.
    ///
    /// # Errors
    /// Where there is no node, or the archive is not one.
    pub fn import_image(&self, archive: &Path) -> Result<(), Trouble> {
        self.own.as_ref().map_or(Ok(()), |own| own.import_image(archive))
    }

    /// Gives an image of the node one more name; both are written in full, as `docker.io/library/a:1`.
    ///
    /// # Errors
    /// Where the cluster was not started here or has no node, or there is no such image.
    pub fn tag_image(&self, image: &str, name: &str) -> Result<(), Trouble> {
        self.own.as_ref().ok_or_else(not_ours)?.tag_image(image, name)
    }

    /// Installs a Helm chart as `shoal`, and waits until what it installs is ready.
    ///
    /// # Errors
    /// Where Helm refuses it, or it does not get ready, with what the cluster says of its pods.
    pub fn install_chart(&self, chart: &Path) -> Result<(), Trouble> {
        helm::install(chart, self.kubeconfig(), &self.kubectl)
    }

    /// Starts S3 beside the cluster, which pods and the host reach, with one empty bucket. It ends with the cluster.
    ///
    /// # Errors
    /// Where the cluster was not started here or has no node, or S3 does not start.
    pub fn start_object_store(&mut self, bucket: &str) -> Result<ObjectStore, Trouble> {
        let own = self.own.as_mut().ok_or_else(not_ours)?;
        ObjectStore::start(own, &self.kubectl, bucket)
    }

    /// Starts so many nodes that say of pods what a kubelet would and run none.
    ///
    /// # Errors
    /// Where the cluster was not started here, or kwok does not start.
    pub fn start_hollow_nodes(&mut self, nodes: u32) -> Result<(), Trouble> {
        kwok::start(self.own.as_mut().ok_or_else(not_ours)?, &self.kubectl, nodes)
    }

    /// Kills a process of the cluster, such as `kube-apiserver`, `etcd` or `kubelet`, as a crash would, and starts it again.
    /// Does not wait until it is ready.
    ///
    /// # Errors
    /// Where there is no such process, or it does not start.
    pub fn restart(&self, process: &str) -> Result<(), Trouble> {
        self.own.as_ref().ok_or_else(not_ours)?.restart(process)
    }

    /// Waits until the API server says that it is ready.
    ///
    /// # Errors
    /// Where it does not, with the end of its log.
    pub fn wait_until_ready(&self) -> Result<(), Trouble> {
        self.own.as_ref().ok_or_else(not_ours)?.wait_for_api_server(&self.kubectl)
    }

    /// The address at which pods reach what listens on the host, and the one at which the host reaches what listens on the
    /// node. None without a node that was started here.
    pub fn addresses(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        self.own.as_ref()?.addresses()
    }

    /// A command that sees the network of the node, and so addresses of pods and services. None without a node that was
    /// started here.
    pub fn on_node(&self, program: &str) -> Option<Command> {
        self.own.as_ref()?.on_node(program)
    }

    /// The folder of a cluster that was started here: `logs/kubelet.log` and the like.
    pub fn folder(&self) -> Option<&Path> {
        self.own.as_ref().map(Own::folder)
    }

    /// Leaves the cluster running when this process ends. [`Cluster::end`] ends it.
    pub fn release(mut self) -> PathBuf {
        let kubeconfig = self.kubeconfig().to_owned();
        if let Some(own) = &mut self.own {
            own.release();
        }
        kubeconfig
    }

    /// Whether a cluster with this folder runs.
    pub fn runs(folder: &Path) -> bool {
        folder::runs(folder)
    }

    /// The kubeconfig of the cluster with this folder.
    pub fn kubeconfig_in(folder: &Path) -> PathBuf {
        folder.join(own::KUBECONFIG_FILE)
    }

    /// Ends the cluster with this folder, whoever started it, and removes the folder; leaves a folder of anything else alone.
    ///
    /// # Errors
    /// Where something of it stays.
    pub fn end(folder: &Path) -> Result<(), Trouble> {
        folder::end(folder)
    }
}

fn not_ours() -> Trouble {
    Trouble::new(format!("the cluster of {KUBECONFIG} was not started here: only its API is used"))
}
