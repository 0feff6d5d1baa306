//! etcd, API server, controllers and scheduler: how they are started.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::ports::free_ports;

use super::folder::Folder;
use super::kubeconfig;
use super::network::SERVICES;
use super::pki::Pki;
use super::place::Place;
use super::process::Launch;
use super::tools;
use super::trouble::Trouble;

/// Requests a second that controllers may make. The defaults of 20 to 50 hide what a test measures.
const CLIENT_RATE: [&str; 2] = ["--kube-api-qps=2000", "--kube-api-burst=4000"];

/// Name of the API server's process.
pub(super) const API_SERVER: &str = "kube-apiserver";

/// Where a control plane listens, and in which namespaces it runs.
pub(super) struct Location {
    pub(super) place: Place,
    pub(super) address: Ipv4Addr,
    api: u16,
    etcd: u16,
    etcd_peers: u16,
}

impl Location {
    /// On the host's loopback, on ports that are free now.
    pub(super) fn loopback() -> Self {
        let ports = free_ports(3);
        let [api, etcd, etcd_peers] = [ports[0], ports[1], ports[2]];
        Self { place: Place::Host, address: Ipv4Addr::LOCALHOST, api, etcd, etcd_peers }
    }

    /// In a network of its own, on the usual ports.
    pub(super) fn network(place: Place, address: Ipv4Addr) -> Self {
        Self { place, address, api: 6443, etcd: 2379, etcd_peers: 2380 }
    }

    /// The API server's URL.
    pub(super) fn url(&self) -> String {
        format!("https://{}:{}", self.address, self.api)
    }
}

/// etcd, for data that nobody misses.
pub(super) fn etcd(folder: &Folder, at: &Location) -> Result<Launch, Trouble> {
    let client = format!("http://127.0.0.1:{}", at.etcd);
    let peer = format!("http://127.0.0.1:{}", at.etcd_peers);
    let data = folder.make("etcd")?;
    let arguments = vec![
        "--name=etcd".to_owned(),
        "--log-level=warn".to_owned(),
        // A cluster does not outlive its machine.
        "--unsafe-no-fsync".to_owned(),
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=etcd={peer}"),
    ];
    Ok(Launch { name: "etcd", program: tools::built("etcd")?, arguments, environment: Vec::new(), place: at.place })
}

/// The API server. Without controllers nobody makes service accounts, so that pods must do without.
pub(super) fn api_server(at: &Location, pki: &Pki, controllers: bool, flags: &[String]) -> Result<Launch, Trouble> {
    let file = |path: &Path| path.display().to_string();
    let mut arguments = vec![
        format!("--etcd-servers=http://127.0.0.1:{}", at.etcd),
        format!("--bind-address={}", at.address),
        // Loopback would be of no use to pods: this is what the service `kubernetes` leads to.
        format!("--advertise-address={}", at.address),
        format!("--secure-port={}", at.api),
        format!("--tls-cert-file={}", file(&pki.api_server.certificate)),
        format!("--tls-private-key-file={}", file(&pki.api_server.key)),
        format!("--client-ca-file={}", file(&pki.authority.pair().certificate)),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", file(&pki.tokens.certificate)),
        format!("--service-account-signing-key-file={}", file(&pki.tokens.key)),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--kubelet-client-certificate={}", file(&pki.kubelet_client.certificate)),
        format!("--kubelet-client-key={}", file(&pki.kubelet_client.key)),
        format!("--kubelet-certificate-authority={}", file(&pki.authority.pair().certificate)),
        // Nobody resolves a node's name.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        format!("--requestheader-client-ca-file={}", file(&pki.front.pair().certificate)),
        "--requestheader-allowed-names=front-proxy".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", file(&pki.front_client.certificate)),
        format!("--proxy-client-key-file={}", file(&pki.front_client.key)),
    ];
    if !controllers {
        arguments.push("--disable-admission-plugins=ServiceAccount".to_owned());
    }
    arguments.extend_from_slice(flags);
    let program = tools::built(API_SERVER)?;
    Ok(Launch { name: API_SERVER, program, arguments, environment: Vec::new(), place: at.place })
}

/// Controllers and scheduler. Alone in their roles, they need no election.
pub(super) fn controllers(folder: &Folder, at: &Location, pki: &Pki) -> Result<[Launch; 2], Trouble> {
    let file = |path: &Path| path.display().to_string();
    let config = |name: &str, client| {
        let path = folder.join(&format!("{name}.kubeconfig"));
        kubeconfig::write(&path, &at.url(), &pki.authority, client)
            .map(|path| format!("--kubeconfig={}", path.display()))
    };
    let common = || CLIENT_RATE.map(str::to_owned).into_iter().chain(["--leader-elect=false".to_owned()]);
    // Nobody asks them anything, and the host has no port to spare: 0 is none.
    let no_port = "--secure-port=0".to_owned();
    let mut manager = vec![
        config("controller-manager", &pki.controller_manager)?,
        no_port.clone(),
        "--use-service-account-credentials=true".to_owned(),
        format!("--service-account-private-key-file={}", file(&pki.tokens.key)),
        format!("--root-ca-file={}", file(&pki.authority.pair().certificate)),
        format!("--cluster-signing-cert-file={}", file(&pki.authority.pair().certificate)),
        format!("--cluster-signing-key-file={}", file(&pki.authority.pair().key)),
        format!("--service-cluster-ip-range={SERVICES}"),
    ];
    manager.extend(common());
    let mut scheduler = vec![config("scheduler", &pki.scheduler)?, no_port];
    scheduler.extend(common());
    let launch = |name, arguments| -> Result<Launch, Trouble> {
        Ok(Launch { name, program: tools::built(name)?, arguments, environment: Vec::new(), place: at.place })
    };
    Ok([launch("kube-controller-manager", manager)?, launch("kube-scheduler", scheduler)?])
}
