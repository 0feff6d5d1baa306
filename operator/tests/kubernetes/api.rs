//! The API server, and a namespace per test.

use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use shoal_testkit::kubernetes::{self, Cluster, Layer, Options};

static SERVER: LazyLock<Cluster> = LazyLock::new(start_server);

/// An API server with the definitions of Shoal's resources.
pub(crate) fn start_server() -> Cluster {
    let cluster = Cluster::start(Options::new(Layer::ControlPlane)).unwrap();
    cluster.apply(&shoal_operator::crds_yaml()).unwrap();
    for plural in ["shoalclusters", "shoaljobs", "shoalworkergroups"] {
        let name = format!("customresourcedefinition/{plural}.shoal.dev");
        cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", &name]).unwrap();
    }
    cluster
}

/// The API server of most tests.
pub(crate) fn server() -> &'static Cluster {
    &SERVER
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..")
}

/// A program that `make services-kubernetes` builds, with that on its stdin.
pub(crate) fn output(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that does not read it says itself why.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A namespace of that server, which goes with the value.
pub(crate) struct Namespace(kubernetes::Namespace);

impl Namespace {
    pub(crate) fn new() -> Self {
        Self::on(server())
    }

    pub(crate) fn on(cluster: &'static Cluster) -> Self {
        Self(kubernetes::Namespace::new(cluster))
    }
}

impl Deref for Namespace {
    type Target = kubernetes::Namespace;

    fn deref(&self) -> &kubernetes::Namespace {
        &self.0
    }
}
