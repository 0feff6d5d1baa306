//! Operators that run in this process, with the rights that the chart gives them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use shoal_core::Failure;
use shoal_operator::Config;
use shoal_testkit::{eventually, free_ports};
use tokio::sync::oneshot;

use crate::api::{Namespace, output, root};

/// A URL that nobody answers at.
pub(crate) const NO_HEAD: &str = "http://127.0.0.1:1";

/// What the metrics of an operator say that leads.
pub(crate) const LEADS: &str = "shoal_operator_leader 1";

/// How an operator is started.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) image: &'static str,
    pub(crate) identity: &'static str,
    pub(crate) network_policies: bool,
    pub(crate) head_url: String,
    /// Where heads show their metrics.
    pub(crate) metrics_url: String,
    /// Another way to the API server, which asks for no certificate.
    pub(crate) api_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            image: "shoal:test",
            identity: "operator-0",
            network_policies: false,
            head_url: NO_HEAD.to_owned(),
            metrics_url: NO_HEAD.to_owned(),
            api_url: None,
        }
    }
}

/// An operator that looks after one namespace, which has its lease, too. It ends with the value.
pub(crate) struct Operator {
    listen: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Failure>>>,
    _kubeconfig: tempfile::TempDir,
}

impl Operator {
    pub(crate) fn start(namespace: &Namespace) -> Self {
        Self::start_with(namespace, Settings::default())
    }

    pub(crate) fn start_with(namespace: &Namespace, settings: Settings) -> Self {
        rights(namespace);
        Self::start_again(namespace, settings)
    }

    /// One where there was one before, which has its rights: an API server need not be there.
    pub(crate) fn start_again(namespace: &Namespace, settings: Settings) -> Self {
        let Settings { image, identity, network_policies, head_url, metrics_url, api_url } = settings;
        let folder = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], free_ports(1)[0]));
        let config = Config {
            kubeconfig: Some(as_service_account(folder.path(), ACCOUNT, namespace, api_url)),
            image: image.to_owned(),
            namespace: Some(namespace.name().to_owned()),
            cluster_domain: "cluster.local".to_owned(),
            listen,
            network_policies,
            head_url,
            metrics_url,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (kill, killed) = oneshot::channel::<()>();
        let own_namespace = namespace.name().to_owned();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let stop = async { drop(stopped.await) };
            let end = runtime.block_on(async {
                tokio::select! {
                    end = shoal_operator::run(config, identity.to_owned(), own_namespace, stop) => end,
                    Ok(()) = killed => Ok(()),
                }
            });
            runtime.shutdown_background();
            end
        });
        Self { listen, stop: Some(stop), kill: Some(kill), thread: Some(thread), _kubeconfig: folder }
    }

    /// Lets it end in order.
    pub(crate) fn stop(mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    /// Ends it where it stands: nothing is given up, nothing said.
    pub(crate) fn kill(mut self) {
        // One that has ended cannot be killed.
        let _ = self.kill.take().unwrap().send(());
        let _ = self.thread.take().unwrap().join();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(mut self) -> Result<(), Failure> {
        let thread = self.thread.take().unwrap();
        eventually("the operator ends", || thread.is_finished().then_some(()));
        thread.join().unwrap()
    }

    /// How often it has looked at resources of a kind.
    pub(crate) fn reconciles(&self, kind: &str) -> u64 {
        let prefix = format!("shoal_operator_reconciles_total{{kind=\"{kind}\"");
        let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        self.metrics().lines().filter(|line| line.starts_with(&prefix)).map(count).sum()
    }

    pub(crate) fn leads(&self) -> bool {
        self.metrics().contains(LEADS)
    }

    pub(crate) fn metrics(&self) -> String {
        metrics(self.listen)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the operator that listens there tells of itself.
pub(crate) fn metrics(listen: SocketAddr) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("http://{listen}/metrics");
    let get = || async { reqwest::get(&url).await.ok()?.text().await.ok() };
    eventually("the operator tells its metrics", || runtime.block_on(get()))
}

/// Whose rights operators have.
pub(crate) const ACCOUNT: &str = "shoal-operator";

/// Gives the rights of the chart, for that namespace, to that account of it.
pub(crate) fn rights(namespace: &Namespace) {
    let mut helm = Command::new(shoal_testkit::program("helm"));
    helm.args([
        "template",
        "shoal",
        "charts/shoal",
        "--namespace",
        namespace.name(),
        "--show-only=templates/rbac.yaml",
    ]);
    helm.args(["--set", &format!("watchNamespace={}", namespace.name())]).current_dir(root());
    let done = output(&mut helm, "");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    namespace.apply(&String::from_utf8(done.stdout).unwrap());
}

/// Whoever uses this kubeconfig has the rights of that account and no other.
pub(crate) fn as_service_account(
    folder: &Path,
    account: &str,
    namespace: &Namespace,
    api_url: Option<String>,
) -> PathBuf {
    let admin = std::fs::read_to_string(namespace.cluster().kubeconfig()).unwrap();
    let line = "    client-key:";
    assert!(admin.contains(line), "the kubeconfig is not as it was: {admin}");
    let user = format!("    as: system:serviceaccount:{}:{account}\n{line}", namespace.name());
    let path = folder.join("kubeconfig");
    let mut config = admin.replace(line, &user);
    if let Some(url) = api_url {
        let own = config.lines().find(|line| line.trim_start().starts_with("server:")).unwrap().to_owned();
        config = config.replace(&own, &format!("    server: {url}"));
    }
    std::fs::write(&path, config).unwrap();
    path
}
