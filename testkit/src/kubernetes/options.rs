//! What kind of cluster is wanted.

use std::path::PathBuf;

/// How much of a cluster there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// etcd and API server: resources are stored and validated, and nothing comes of them.
    ApiServer,
    /// And controllers and scheduler.
    ControlPlane,
    /// And a node that runs pods.
    Node,
}

/// How a cluster is started.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) layer: Layer,
    pub(super) folder: Option<PathBuf>,
    pub(super) api_server_flags: Vec<String>,
    pub(super) progress: fn(&str),
}

impl Options {
    /// A cluster of so many parts, in a temporary folder.
    pub fn new(layer: Layer) -> Self {
        Self { layer, folder: None, api_server_flags: Vec::new(), progress: |_| () }
    }

    /// Keeps the cluster's files in a folder, which does not exist or is empty.
    pub fn folder(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }

    /// More flags for the API server, such as an audit log's.
    pub fn api_server_flags(mut self, flags: &[&str]) -> Self {
        self.api_server_flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Called with a line for each step.
    pub fn progress(mut self, progress: fn(&str)) -> Self {
        self.progress = progress;
        self
    }
}
