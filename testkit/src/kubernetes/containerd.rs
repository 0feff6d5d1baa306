//! containerd: how it is started, and how images get into it.

use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::network::{PODS, run};
use super::place::Place;
use super::process::Launch;
use super::tools;
use super::trouble::{Trouble, While};

/// What the kubelet's pods run in.
const NAMESPACE: &str = "k8s.io";

/// The image that holds a pod's namespaces, as `scripts/services` names it.
const PAUSE: &str = "docker.io/library/pause:1";

/// Name of its process.
pub(super) const CONTAINERD: &str = "containerd";

/// Where it listens. Short: the kernel allows 107 bytes.
pub(super) fn socket(folder: &Folder) -> PathBuf {
    folder.join("node/cri.sock")
}

/// How it is started.
pub(super) fn launch(folder: &Folder, init: u32) -> Result<Launch, Trouble> {
    tools::system("runc")?;
    let config = config(folder, &tools::plugins()?)?;
    let arguments = vec![format!("--config={}", config.display())];
    let program = tools::system(CONTAINERD)?;
    Ok(Launch { name: CONTAINERD, program, arguments, environment: Vec::new(), place: Place::Node(init) })
}

fn config(folder: &Folder, plugins: &Path) -> Result<PathBuf, Trouble> {
    let networks = folder.make("node/cni")?;
    folder.write("node/cni/10-shoal.conflist", &network(folder))?;
    let text = format!(
        r#"version = 2
root = "{root}"
state = "{state}"
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
# Where CAP_SYS_RESOURCE is missing, as in many containers of CI, no sandbox starts otherwise.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{networks}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#,
        root = folder.make("node/images")?.display(),
        state = folder.make("node/containerd")?.display(),
        socket = socket(folder).display(),
        plugins = plugins.display(),
        networks = networks.display(),
    );
    folder.write("node/containerd.toml", &text)
}

/// A cable from each pod to the node, which routes. With a bridge instead, what pods of one node say to each other through
/// a service would only find its way back where the kernel has br_netfilter.
fn network(folder: &Folder) -> String {
    format!(
        r#"{{"cniVersion": "0.4.0", "name": "shoal", "plugins": [
  {{"type": "ptp", "ipMasq": true, "ipam": {{
    "type": "host-local", "dataDir": "{data}", "ranges": [[{{"subnet": "{PODS}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
  {{"type": "portmap", "capabilities": {{"portMappings": true}}}}]}}
"#,
        data = folder.join("node/addresses").display(),
    )
}

/// Whether it answers.
pub(super) fn answers(folder: &Folder, init: u32) -> bool {
    run(ctr(folder, init).arg("version")).is_ok()
}

/// Imports the images of an archive.
pub(super) fn import(folder: &Folder, init: u32, archive: &Path) -> Result<(), Trouble> {
    // Who enters a mount namespace is at its root.
    let archive = std::path::absolute(archive).or_could_not(format!("find {}", archive.display()))?;
    run(ctr(folder, init).args(["images", "import"]).arg(archive))
}

/// Gives an image one more name.
pub(super) fn tag(folder: &Folder, init: u32, image: &str, name: &str) -> Result<(), Trouble> {
    run(ctr(folder, init).args(["images", "tag", image, name]))
}

/// Imports what every pod needs.
pub(super) fn import_pause(folder: &Folder, init: u32) -> Result<(), Trouble> {
    import(folder, init, &tools::shared("pause.tar")?)
}

fn ctr(folder: &Folder, init: u32) -> std::process::Command {
    let mut command = Place::Node(init).command("ctr");
    command.arg("--address").arg(socket(folder)).args(["--namespace", NAMESPACE]);
    command
}
