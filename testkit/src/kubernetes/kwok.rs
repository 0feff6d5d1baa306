//! Nodes that are none: kwok says of pods what a kubelet would, without running them. For how many, not for whether.

use std::path::PathBuf;

use super::kubectl::Kubectl;
use super::own::{KUBECONFIG_FILE, Own};
use super::place::Place;
use super::process::Launch;
use super::tools;
use super::trouble::{Trouble, While};

/// Pods that each takes.
const PODS: u32 = 1_000;

/// What becomes of nodes and pods, as kwok's own examples have it.
const STAGES: [&str; 3] = ["node-fast", "node-heartbeat-with-lease", "pod-fast"];

/// Starts so many, and waits until pods are bound to them.
pub(super) fn start(own: &mut Own, kubectl: &Kubectl, nodes: u32) -> Result<(), Trouble> {
    let kubeconfig = own.files().join(KUBECONFIG_FILE);
    let mut arguments = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--manage-all-nodes=true".to_owned(),
        // Addresses that nobody uses.
        "--cidr=198.18.0.0/16".to_owned(),
        "--node-ip=198.18.0.1".to_owned(),
        // They renew their leases, or the node controller calls them dead after 40 s, and their pods with them.
        "--node-lease-duration-seconds=40".to_owned(),
    ];
    for file in stages()? {
        arguments.push(format!("--config={}", file.display()));
    }
    let program = tools::built("kwok")?;
    own.start_process(Launch { name: "kwok", program, arguments, environment: Vec::new(), place: Place::Host })?;
    let manifests: String = (0..nodes).map(node).collect();
    kubectl.apply(&manifests)?;
    let ready = ["wait", "--for=condition=Ready", "--timeout=60s", "node", "--all"];
    kubectl.run(&ready).map(|_| ())
}

fn stages() -> Result<Vec<PathBuf>, Trouble> {
    let folder = tools::shared("kwok")?;
    let mut files = Vec::new();
    for stage in STAGES {
        let reading = || format!("read kwok's stages in {}", folder.display());
        for entry in std::fs::read_dir(folder.join(stage)).or_could_not(reading())? {
            files.push(entry.or_could_not(reading())?.path());
        }
    }
    files.sort();
    Ok(files)
}

fn node(index: u32) -> String {
    let size = format!("{{cpu: \"4000\", memory: 8000Gi, pods: \"{PODS}\"}}");
    format!(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: kwok-{index}\n  annotations: {{kwok.x-k8s.io/node: fake}}\nstatus: {{allocatable: {size}, capacity: {size}}}\n---\n"
    )
}
