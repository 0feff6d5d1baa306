//! The API server, and a namespace per test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use shoal_testkit::eventually;
use shoal_testkit::kubernetes::{Cluster, Layer, Options};

static SERVER: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = Cluster::start(Options::new(Layer::ControlPlane)).unwrap();
    cluster.apply(&shoal_operator::crds_yaml()).unwrap();
    for plural in ["shoalclusters", "shoaljobs", "shoalworkergroups"] {
        let name = format!("customresourcedefinition/{plural}.shoal.dev");
        cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", &name]).unwrap();
    }
    cluster
});

/// The API server of all tests, with the definitions of Shoal's resources.
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

/// A namespace that goes with the value.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Namespace {
    pub(crate) fn new() -> Self {
        let name = format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        server()
            .apply(&format!(
                "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: {{pod-security.kubernetes.io/enforce: restricted}}\n"
            ))
            .unwrap();
        let this = Self { name };
        eventually("the namespace takes pods", || this.try_kubectl(&["get", "serviceaccount", "default"]).ok());
        this
    }

    pub(crate) fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut all = vec!["--namespace", self.name.as_str()];
        all.extend(arguments);
        server().kubectl(&all).map_err(|trouble| trouble.to_string())
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap()
    }

    /// Applies a manifest, which says nothing of a namespace.
    pub(crate) fn try_apply(&self, manifest: &str) -> Result<String, String> {
        let mut command = Command::new(shoal_testkit::program("kubectl"));
        command.env("KUBECONFIG", server().kubeconfig()).env("NO_PROXY", "*");
        command.args(["--namespace", &self.name, "apply", "--filename", "-"]);
        let done = output(&mut command, manifest);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    pub(crate) fn apply(&self, manifest: &str) {
        self.try_apply(manifest).unwrap();
    }

    /// An object; `None` where there is none.
    pub(crate) fn find(&self, object: &str) -> Option<Value> {
        let text = self.kubectl(&["get", object, "--ignore-not-found", "--output=json"]);
        (!text.is_empty()).then(|| serde_json::from_str(&text).unwrap())
    }

    pub(crate) fn get(&self, object: &str) -> Value {
        self.find(object).unwrap_or_else(|| panic!("there is no {object}"))
    }

    /// Objects of a kind; a selector may follow it.
    pub(crate) fn list(&self, kind: &str) -> Vec<Value> {
        let arguments: Vec<&str> = ["get"].into_iter().chain(kind.split(' ')).chain(["--output=json"]).collect();
        let text = self.kubectl(&arguments);
        serde_json::from_str::<Value>(&text).unwrap()["items"].as_array().unwrap().clone()
    }

    /// Names of objects of a kind, in order; those that are about to go are left out.
    pub(crate) fn names(&self, kind: &str) -> Vec<String> {
        let there = self.list(kind).into_iter().filter(|object| object["metadata"]["deletionTimestamp"].is_null());
        let mut names: Vec<String> =
            there.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Waits until an object is as wanted, and returns it.
    pub(crate) fn until(&self, object: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || {
                last = self.find(object).unwrap_or_default();
                is_so(&last).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| panic!("{object} is not as wanted ({what}): {last:#}"))
    }

    /// Waits until a condition of an object has that status and reason.
    pub(crate) fn until_condition(&self, object: &str, type_: &str, status: &str, reason: &str) -> Value {
        let what = format!("{type_}={status} {reason}");
        let object = self.until(object, &what, |object| {
            let condition = condition(object, type_);
            condition["status"] == status && condition["reason"] == reason
        });
        condition(&object, type_)
    }

    /// Waits until there are exactly these objects of a kind.
    pub(crate) fn until_names(&self, kind: &str, expected: &[&str]) {
        let mut last = Vec::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("the objects are there", || {
                last = self.names(kind);
                (last == expected).then_some(())
            });
        }));
        assert!(found.is_ok(), "of {kind} there are {last:?} and not {expected:?}");
    }

    /// Says of a pod what a kubelet would.
    pub(crate) fn pod_is(&self, pod: &str, status: &str) {
        let patch = format!("--patch={{\"status\": {status}}}");
        let said = self.try_kubectl(&["patch", "pod", pod, "--subresource=status", &patch]);
        // One that is exchanged may be gone by now.
        assert!(said.as_ref().err().is_none_or(|error| error.contains("NotFound")), "{said:?}");
    }

    /// Says of all pods that they work.
    pub(crate) fn all_pods_are_ready(&self) {
        for pod in self.names("pods") {
            self.pod_is(&pod, r#"{"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}"#);
        }
    }
}

/// A condition of an object; null where it has none.
pub(crate) fn condition(object: &Value, type_: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default()
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing is left of the server in the end, nor of this.
        let _ = server().kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
