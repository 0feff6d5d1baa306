//! Charts.

use std::path::Path;
use std::process::{Command, Stdio};

use super::kubectl::Kubectl;
use super::trouble::{Trouble, While};
use crate::services;

/// Installs a chart as `shoal`, and waits until what it installs is ready.
pub(super) fn install(chart: &Path, kubeconfig: &Path, kubectl: &Kubectl) -> Result<(), Trouble> {
    let mut helm = Command::new(services::program("helm"));
    helm.args(["install", "shoal"]).arg(chart).args(["--wait", "--timeout", "3m"]);
    helm.env("KUBECONFIG", kubeconfig).env("NO_PROXY", "*").env("no_proxy", "*");
    let done = helm.stdin(Stdio::null()).output().or_could_not("start helm")?;
    if done.status.success() {
        return Ok(());
    }
    let pods = kubectl.run(&["get", "pods,events", "--all-namespaces"]).unwrap_or_default();
    Err(Trouble::new(format!("helm install failed: {}\n{pods}", String::from_utf8_lossy(&done.stderr).trim())))
}
