//! Operators that are processes, for what befalls processes alone.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use shoal_testkit::{eventually, free_ports};

use crate::api::Namespace;
use crate::operator::{ACCOUNT, LEADS, Settings, as_service_account, metrics, rights};
use crate::processes::shoal;

/// An operator as a pod runs it, which looks after one namespace. It is killed with the value.
pub(crate) struct OperatorProcess {
    child: Child,
    listen: SocketAddr,
    folder: tempfile::TempDir,
}

impl OperatorProcess {
    pub(crate) fn start(namespace: &Namespace, settings: Settings) -> Self {
        let Settings { image, identity, network_policies, head_url, metrics_url, api_url } = settings;
        let folder = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], free_ports(1)[0]));
        rights(namespace);
        let config = as_service_account(folder.path(), ACCOUNT, namespace, api_url);
        let log = File::create(folder.path().join("log")).unwrap();
        let mut shoal = Command::new(shoal());
        shoal.env("KUBECONFIG", config).env("NO_PROXY", "*").args(["operator", "run", "--image", image]);
        shoal.args(["--identity", identity, "--namespace", namespace.name(), "--own-namespace", namespace.name()]);
        shoal.args(["--listen", &listen.to_string(), "--head-url", &head_url, "--metrics-url", &metrics_url]);
        if network_policies {
            shoal.arg("--network-policies");
        }
        shoal.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self { child: shoal.spawn().unwrap(), listen, folder }
    }

    pub(crate) fn leads(&self) -> bool {
        metrics(self.listen).contains(LEADS)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// It does nothing until [`OperatorProcess::go_on`].
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it ends by itself, with a failure, and returns what it has said.
    pub(crate) fn failed(mut self) -> String {
        let status = eventually("the operator ends", || self.child.try_wait().unwrap());
        let said = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert!(!status.success(), "{said}");
        said
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
