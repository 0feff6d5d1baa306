//! What a cluster with a node has in it from the start: the name server's service, and volumes.

use std::net::Ipv4Addr;

use super::folder::Folder;
use super::network::DNS_SERVICE;
use super::node::NODE;
use super::trouble::{Trouble, While};

/// How many claims can be bound: nothing provisions more.
const VOLUMES: usize = 64;

/// The manifest; makes the folders of the volumes.
pub(super) fn manifest(folder: &Folder, node: Ipv4Addr) -> Result<String, Trouble> {
    let mut text = format!(
        "apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system}}
spec:
  clusterIP: {DNS_SERVICE}
  ports: [{{name: dns, port: 53, protocol: UDP}}, {{name: dns-tcp, port: 53, protocol: TCP}}]
---
{endpoints}---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: standard, annotations: {{storageclass.kubernetes.io/is-default-class: 'true'}}}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
",
        endpoints = endpoints("kube-system", "kube-dns", node, &[("dns", "UDP", 53), ("dns-tcp", "TCP", 53)]),
    );
    for number in 0..VOLUMES {
        let path = folder.make(&format!("volumes/{number}"))?;
        // Pods that are not root write to them.
        let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&path, everyone).or_could_not(format!("open {} to everyone", path.display()))?;
        text += &format!(
            "---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: volume-{number}}}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {{storage: 100Gi}}
  storageClassName: standard
  persistentVolumeReclaimPolicy: Retain
  local: {{path: {path}}}
  nodeAffinity:
    required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{NODE}]}}]}}]}}
",
            path = path.display(),
        );
    }
    Ok(text)
}

/// Says that a service is what listens at an address outside of pods.
pub(super) fn endpoints(namespace: &str, service: &str, address: Ipv4Addr, ports: &[(&str, &str, u16)]) -> String {
    let ports =
        ports.iter().map(|(name, protocol, port)| format!("{{name: {name}, protocol: {protocol}, port: {port}}}"));
    format!(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {service}-0
  namespace: {namespace}
  labels: {{kubernetes.io/service-name: {service}}}
addressType: IPv4
endpoints: [{{addresses: ['{address}']}}]
ports: [{ports}]
",
        ports = ports.collect::<Vec<_>>().join(", "),
    )
}
