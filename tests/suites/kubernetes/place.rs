//! A namespace with a ShoalCluster and what a test does there.

use std::ops::Deref;

use serde_json::{Value, json};
use shoal_testkit::kubernetes::Namespace;

use crate::world::{POD_LIMIT, Shops, WORLD, url};

/// Parts of a job over many shops that is to last, of which a worker does some three in a second: what is done to the job,
/// and the starts of pods that it waits for, take a part of its time on a busy machine as well.
pub(crate) const LONG_PARTS: u32 = 300;

/// A namespace that goes with the value.
pub(crate) struct Place(Namespace);

impl Deref for Place {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.0
    }
}

impl Place {
    /// One with the Secret that leads to S3.
    pub(crate) fn new() -> Self {
        let namespace = Namespace::new(&WORLD.cluster).with_patience(POD_LIMIT);
        namespace.apply(&WORLD.store.secret(namespace.name(), "s3"));
        Self(namespace)
    }

    /// One with a cluster `shared` that has so many workers, all of them ready.
    pub(crate) fn with_workers(workers: u32) -> Self {
        let place = Self::new();
        place.apply(&cluster(workers).to_string());
        place.until_workers(workers);
        place
    }

    /// Waits until the cluster has that many workers, all of them ready.
    pub(crate) fn until_workers(&self, workers: u32) {
        self.until("shoalcluster/shared", "all of the cluster is ready", |cluster| {
            let status = &cluster["status"];
            status["phase"] == "Ready" && status["readyWorkers"] == workers && status["workers"] == workers
        });
    }

    /// Where the job's models are.
    pub(crate) fn models(&self) -> String {
        url(&format!("{}/models", self.name()))
    }

    /// Applies a job called `shops` over the table of shops, with more in its spec.
    pub(crate) fn train_shops(&self, more: &Value) {
        self.train(&WORLD.shops, 8, more);
    }

    /// The same over such a table, in so many parts.
    pub(crate) fn train(&self, table: &Shops, parts: u32, more: &Value) {
        let mut spec = json!({"clusterRef": {"name": "shared"}, "groupedTraining": {
            "input": {"table": table.url()}, "groupBy": ["shop"], "strategy": {"bucket": {"buckets": parts}},
            "model": {"ols": {"target": "y", "features": ["a", "b"]}}, "output": {"table": self.models()},
        }});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let job = json!({"apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": "shops"}, "spec": spec});
        self.apply(&job.to_string());
    }

    /// Waits until the job is in the middle: it has read some of its table and not all.
    pub(crate) fn until_in_the_middle(&self) -> Value {
        self.until("shoaljob/shops", "it is in the middle", |job| {
            assert!(!is_over(job), "it was over before anything could be done: {job:#}");
            job["status"]["progress"]["percent"].as_u64().is_some_and(|percent| percent >= 5)
        })
    }

    /// Fails unless the job still runs: a fault that falls after its end shows nothing.
    pub(crate) fn still_runs(&self) {
        let job = self.get("shoaljob/shops");
        assert!(!is_over(&job), "the fault came too late: {job:#}");
    }

    /// Waits for the job's end, and returns it.
    pub(crate) fn ended(&self) -> Value {
        self.until("shoaljob/shops", "it ends", is_over)
    }

    /// Waits for the job's end, which is a success.
    pub(crate) fn succeeded(&self) -> Value {
        let job = self.ended();
        assert_eq!(job["status"]["phase"], "Succeeded", "{job:#}");
        job
    }

    /// Changes an object's spec.
    pub(crate) fn patch(&self, object: &str, spec: &Value) {
        let (kind, name) = object.split_once('/').unwrap();
        let patch = format!("--patch={}", json!({"spec": spec}));
        self.kubectl(&["patch", kind, name, "--type=merge", &patch]);
    }

    pub(crate) fn uid(&self, object: &str) -> String {
        self.get(object)["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// Waits until none of the cluster's pods is that one, and so many workers are ready again.
    pub(crate) fn until_replaced(&self, uid: &str, workers: u32) {
        self.eventually("the pod is gone", || {
            self.pods().iter().all(|pod| pod["metadata"]["uid"] != uid).then_some(())
        });
        self.until_workers(workers);
    }

    /// The cluster's pods.
    pub(crate) fn pods(&self) -> Vec<Value> {
        self.list("pods --selector=shoal.dev/cluster=shared")
    }
}

/// Whether a job has ended.
pub(crate) fn is_over(job: &Value) -> bool {
    ["Succeeded", "Failed"].iter().any(|phase| job["status"]["phase"] == *phase)
}

/// A cluster `shared` with so many workers, which compute so slowly that there is time to do something to them.
pub(crate) fn cluster(workers: u32) -> Value {
    let slow = json!({"spec": {"containers": [{"name": "shoal", "resources": {"limits": {"cpu": "150m"}}}]}});
    let resources = json!({"cpu": "50m", "memory": "512Mi"});
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalCluster", "metadata": {"name": "shared"},
        "spec": {
            "storage": {"credentialsSecretRef": {"name": "s3"}},
            "head": {"resources": resources},
            "workerGroups": [{"name": "cpu", "replicas": workers, "resources": resources, "template": slow}],
        },
    })
}
