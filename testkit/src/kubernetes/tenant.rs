//! A namespace for one test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::Cluster;
use super::direct::{self, Answer};
use crate::wait::{PATIENCE, eventually_within};

/// Pause between two looks: some of them are a process, and many at once would be most of what a machine does for a test.
const PAUSE: Duration = Duration::from_millis(80);

/// What a phase of a pod looks like that works.
const WORKS: &str = r#"{"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}"#;

/// A namespace that takes restricted pods only, and goes with the value.
pub struct Namespace {
    name: String,
    cluster: &'static Cluster,
    patience: Duration,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Namespace {
    /// A new one.
    ///
    /// # Panics
    /// Where the cluster refuses it, as all that follows: this is for tests.
    pub fn new(cluster: &'static Cluster) -> Self {
        let name = format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let manifest = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: {{pod-security.kubernetes.io/enforce: restricted}}\n"
        );
        cluster.apply(&manifest).unwrap_or_else(|trouble| panic!("{trouble}"));
        let this = Self { name, cluster, patience: PATIENCE };
        this.eventually("the namespace takes pods", || this.try_kubectl(&["get", "serviceaccount", "default"]).ok());
        this
    }

    /// The same, in which everything may take so long.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    /// Waits as long as things may take here.
    pub fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        eventually_within(self.patience, what, || {
            let found = look();
            if found.is_none() {
                std::thread::park_timeout(PAUSE);
            }
            found
        })
    }

    /// Runs kubectl in it.
    ///
    /// # Errors
    /// What it said.
    pub fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut all = vec!["--namespace", self.name.as_str()];
        all.extend(arguments);
        self.cluster.kubectl(&all).map_err(|trouble| trouble.to_string())
    }

    /// Runs kubectl in it, which succeeds.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Applies a manifest, which says nothing of a namespace.
    ///
    /// # Errors
    /// What the API server said.
    pub fn try_apply(&self, manifest: &str) -> Result<(), String> {
        self.cluster.apply_in(&self.name, manifest).map_err(|trouble| trouble.to_string())
    }

    /// Applies a manifest, which is taken.
    pub fn apply(&self, manifest: &str) {
        self.try_apply(manifest).unwrap_or_else(|error| panic!("{error}"));
    }

    /// An object; `None` where there is none.
    pub fn find(&self, object: &str) -> Option<Value> {
        let known = object.split_once('/').and_then(|(kind, name)| Some((direct::path(&self.name, kind)?, name)));
        if let Some((direct, (path, name))) = self.cluster.direct().zip(known) {
            match direct.get(&format!("{path}/{name}")) {
                Answer::Found(object) => return Some(object),
                Answer::Missing => return None,
                Answer::Unclear => {}
            }
        }
        let text = self.kubectl(&["get", object, "--ignore-not-found", "--output=json"]);
        (!text.is_empty()).then(|| json(&text))
    }

    /// An object that is there, or will be before long.
    pub fn get(&self, object: &str) -> Value {
        self.eventually(&format!("there is {object}"), || self.find(object))
    }

    /// Objects of a kind; a selector may follow it.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        if let Some(list) = self.list_at_once(kind) {
            return list;
        }
        let arguments: Vec<&str> = ["get"].into_iter().chain(kind.split(' ')).chain(["--output=json"]).collect();
        match json(&self.kubectl(&arguments))["items"].take() {
            Value::Array(items) => items,
            other => panic!("a list without items: {other}"),
        }
    }

    fn list_at_once(&self, kind: &str) -> Option<Vec<Value>> {
        let (kind, selector) = match kind.split_once(" --selector=") {
            Some((kind, selector)) => (kind, format!("?labelSelector={}", direct::encoded(selector))),
            None => (kind, String::new()),
        };
        let path = direct::path(&self.name, kind)? + &selector;
        let Answer::Found(mut list) = self.cluster.direct()?.get(&path) else { return None };
        match list["items"].take() {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Names of objects of a kind, in order; those that are about to go are left out.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let there = self.list(kind).into_iter().filter(|object| object["metadata"]["deletionTimestamp"].is_null());
        let mut names: Vec<String> =
            there.map(|object| object["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect();
        names.sort();
        names
    }

    /// Waits until an object is as wanted, and returns it.
    pub fn until(&self, object: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.eventually(what, || {
                last = self.find(object).unwrap_or_default();
                is_so(&last).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| panic!("{object} is not as wanted ({what}): {last:#}"))
    }

    /// Waits until a condition of an object has that status and reason.
    pub fn until_condition(&self, object: &str, type_: &str, status: &str, reason: &str) -> Value {
        let what = format!("{type_}={status} {reason}");
        let object = self.until(object, &what, |object| {
            let condition = condition(object, type_);
            condition["status"] == status && condition["reason"] == reason
        });
        condition(&object, type_)
    }

    /// Waits until there are exactly these objects of a kind.
    pub fn until_names(&self, kind: &str, expected: &[&str]) {
        let mut last = Vec::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.eventually("the objects are there", || {
                last = self.names(kind);
                (last == expected).then_some(())
            });
        }));
        assert!(found.is_ok(), "of {kind} there are {last:?} and not {expected:?}");
    }

    /// Says of a pod what a kubelet would.
    pub fn pod_is(&self, pod: &str, status: &str) {
        let patch = format!("{{\"status\": {status}}}");
        let path = direct::path(&self.name, "pod").map(|path| format!("{path}/{pod}/status"));
        if let Some((direct, path)) = self.cluster.direct().zip(path)
            && !matches!(direct.patch(&path, &patch), Answer::Unclear)
        {
            return;
        }
        let patch = format!("--patch={patch}");
        let said = self.try_kubectl(&["patch", "pod", pod, "--subresource=status", &patch]);
        // One that is exchanged may be gone by now.
        assert!(said.as_ref().err().is_none_or(|error| error.contains("NotFound")), "{said:?}");
    }

    /// Says of all pods that they work.
    pub fn all_pods_are_ready(&self) {
        for pod in self.names("pods") {
            self.pod_is(&pod, WORKS);
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing is left of the server in the end, nor of this.
        let _ = self.cluster.kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

/// A condition of an object; null where it has none.
pub fn condition(object: &Value, type_: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
