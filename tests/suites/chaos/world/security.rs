//! TLS of a run: its authority, and the files of each process.

use std::path::{Path, PathBuf};

use shoal_tests::authority::Authority;
use shoal_tests::cluster::TlsFiles;

use crate::network::{HUB, Node};

/// Who signs, and where the files lie.
pub(super) struct Security {
    authority: Authority,
    folder: PathBuf,
    ca: PathBuf,
}

impl Security {
    pub(super) fn new(folder: &Path) -> Self {
        let (authority, folder) = (Authority::new(), folder.join("tls"));
        // The test's own machine is a client: it trusts, and shows nothing.
        let ca = authority.sign(&folder.join("client"), &[]).ca;
        Self { authority, folder, ca }
    }

    /// The authority's certificate.
    pub(super) fn ca(&self) -> &Path {
        &self.ca
    }

    /// Files for the process on a machine. It may be reached through a proxy on the test's own.
    pub(super) fn files(&self, node: &Node) -> TlsFiles {
        let addresses = [node.address, HUB].map(|address| address.to_string());
        self.authority.sign(&self.folder.join(&node.name), &addresses.each_ref().map(String::as_str))
    }
}
