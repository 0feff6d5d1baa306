//! What a client of a cluster needs to know, as the file that all of them read.

use std::path::{Path, PathBuf};

use super::certificates::{Authority, Pair};
use super::trouble::{Trouble, While};

/// Writes a kubeconfig that leads to `server` (a URL) as the holder of `client`.
pub(super) fn write(path: &Path, server: &str, authority: &Authority, client: &Pair) -> Result<PathBuf, Trouble> {
    let text = format!(
        "apiVersion: v1
kind: Config
current-context: shoal
clusters:
- name: shoal
  cluster:
    server: {server}
    certificate-authority: {authority}
users:
- name: shoal
  user:
    client-certificate: {certificate}
    client-key: {key}
contexts:
- name: shoal
  context:
    cluster: shoal
    user: shoal
",
        authority = authority.pair().certificate.display(),
        certificate = client.certificate.display(),
        key = client.key.display(),
    );
    std::fs::write(path, text).or_could_not(format!("write {}", path.display()))?;
    Ok(path.to_owned())
}
