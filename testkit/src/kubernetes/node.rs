//! The node: containerd, kubelet, kube-proxy and the name server.

use std::net::Ipv4Addr;
use std::path::Path;

use super::containerd;
use super::control_plane::Location;
use super::folder::Folder;
use super::kubeconfig;
use super::namespace::RESOLVER;
use super::network::{DNS_SERVICE, PODS};
use super::pki::Pki;
use super::place::Place;
use super::process::Launch;
use super::tools;
use super::trouble::Trouble;

/// Its name.
pub const NODE: &str = "node-0";

/// The kubelet: how it is started.
pub(super) fn kubelet(folder: &Folder, init: u32, at: &Location, pki: &Pki, cgroup: &str) -> Result<Launch, Trouble> {
    let client = folder.join("node/kubelet.kubeconfig");
    let client = kubeconfig::write(&client, &at.url(), &pki.authority, &pki.kubelet)?;
    // Pods ask the cluster's name server and nobody else.
    folder.write("node/resolv.conf", "")?;
    let config = folder.write("node/kubelet.yaml", &kubelet_config(folder, at.address, pki, cgroup))?;
    let arguments = vec![
        format!("--kubeconfig={}", client.display()),
        format!("--config={}", config.display()),
        format!("--root-dir={}", folder.make("node/kubelet")?.display()),
        format!("--hostname-override={NODE}"),
        format!("--node-ip={}", at.address),
    ];
    let program = tools::built("kubelet")?;
    Ok(Launch { name: "kubelet", program, arguments, environment: Vec::new(), place: Place::Node(init) })
}

fn kubelet_config(folder: &Folder, address: Ipv4Addr, pki: &Pki, cgroup: &str) -> String {
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: {address}
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {authority}}}
authorization: {{mode: Webhook}}
tlsCertFile: {certificate}
tlsPrivateKeyFile: {key}
clusterDNS: [{DNS_SERVICE}]
clusterDomain: cluster.local
resolvConf: {folder}/node/resolv.conf
containerRuntimeEndpoint: unix://{socket}
volumePluginDir: {folder}/node/plugins
cgroupDriver: cgroupfs
cgroupRoot: /{cgroup}
# Version 1 of cgroups is what some machines have.
failCgroupV1: false
failSwapOn: false
# To be killed later than others takes a capability that containers of CI lack.
oomScoreAdj: 0
maxPods: 250
kubeAPIQPS: 1000
kubeAPIBurst: 2000
eventRecordQPS: 0
# A full disk is the machine's matter, and an image that was imported cannot be pulled again.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {{memory.available: 100Mi, nodefs.available: '1%', imagefs.available: '1%', nodefs.inodesFree: '1%'}}
",
        authority = pki.authority.pair().certificate.display(),
        certificate = pki.kubelet_server.certificate.display(),
        key = pki.kubelet_server.key.display(),
        folder = folder.path().display(),
        socket = containerd::socket(folder).display(),
    )
}

/// kube-proxy: how it is started.
pub(super) fn proxy(folder: &Folder, at: &Location, pki: &Pki) -> Result<Launch, Trouble> {
    let client = folder.join("node/proxy.kubeconfig");
    let client = kubeconfig::write(&client, &at.url(), &pki.authority, &pki.proxy)?;
    let config = format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: {PODS}
hostnameOverride: {NODE}
bindAddress: {address}
metricsBindAddress: 127.0.0.1:10249
healthzBindAddress: 127.0.0.1:10256
oomScoreAdj: 0
clientConnection: {{kubeconfig: {client}, qps: 1000, burst: 2000}}
iptables: {{minSyncPeriod: 100ms}}
# What a network namespace may not set of connection tracking stays as it is.
conntrack: {{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s, udpTimeout: 0s, udpStreamTimeout: 0s}}
",
        address = at.address,
        client = client.display(),
    );
    tools::system("iptables")?;
    tools::system("conntrack")?;
    let config = folder.write("node/proxy.yaml", &config)?;
    let arguments = vec![format!("--config={}", config.display())];
    let program = tools::built("kube-proxy")?;
    Ok(Launch { name: "kube-proxy", program, arguments, environment: Vec::new(), place: at.place })
}

/// CoreDNS: how it is started. A process beside the kubelet's pods, so that no image is needed for it.
pub(super) fn dns(folder: &Folder, at: &Location, client: &Path) -> Result<Launch, Trouble> {
    let config = format!(
        "cluster.local:53 in-addr.arpa:53 {{
    bind {address}
    errors
    kubernetes {{
        kubeconfig {client}
        pods insecure
        ttl 5
    }}
}}
# There is no other name. A block of its own: in one block, this would be asked first.
.:53 {{
    bind {address}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
",
        address = at.address,
        client = client.display(),
    );
    let config = folder.write("node/Corefile", &config)?;
    folder.write(RESOLVER, &format!("nameserver {}\n", at.address))?;
    let arguments = vec![format!("-conf={}", config.display())];
    Ok(Launch {
        name: "coredns",
        program: tools::built("coredns")?,
        arguments,
        environment: Vec::new(),
        place: at.place,
    })
}
