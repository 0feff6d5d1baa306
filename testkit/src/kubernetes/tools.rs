//! Where the programs are that a cluster is made of.

use std::path::{Path, PathBuf};

use crate::services;

use super::trouble::Trouble;

/// Names a folder with etcd, kube-apiserver and kubectl, as other operators' tests use it; these are taken then.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// Where distributions put what ordinary users do not run, and their CNI plugins.
const SYSTEM: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// A program that `make services-kubernetes` builds, or `KUBEBUILDER_ASSETS` has.
pub(super) fn built(name: &str) -> Result<PathBuf, Trouble> {
    let asset = std::env::var_os(ASSETS).map(|assets| PathBuf::from(assets).join(name));
    if let Some(asset) = asset.filter(|asset| asset.is_file()) {
        return Ok(asset);
    }
    let program = services::folder().join("bin").join(name);
    found(program)
}

/// What else `make services-kubernetes` makes: images, files of modules.
pub(super) fn shared(name: &str) -> Result<PathBuf, Trouble> {
    found(services::folder().join("share").join(name))
}

fn found(path: PathBuf) -> Result<PathBuf, Trouble> {
    if path.exists() {
        Ok(path)
    } else {
        Err(Trouble::new(format!("there is no {}: run `make services-kubernetes`, which builds it", path.display())))
    }
}

/// A program of the distribution.
pub(super) fn system(name: &str) -> Result<PathBuf, Trouble> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&on_path).chain(SYSTEM.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file()).ok_or_else(|| {
        Trouble::new(format!("there is no program {name}: run `make services-kubernetes`, which installs it"))
    })
}

/// The folder of the CNI plugins.
pub(super) fn plugins() -> Result<PathBuf, Trouble> {
    let folder = PLUGINS.iter().map(Path::new).find(|folder| folder.join("ptp").is_file());
    folder.map(Path::to_owned).ok_or_else(|| {
        Trouble::new(
            "there are no CNI plugins: run `make services-kubernetes`, which installs containernetworking-plugins",
        )
    })
}

/// A search path on which kubelet and containerd find what they call.
pub(super) fn search_path() -> std::ffi::OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&own).chain(SYSTEM.iter().map(PathBuf::from));
    std::env::join_paths(folders).unwrap_or(own)
}
