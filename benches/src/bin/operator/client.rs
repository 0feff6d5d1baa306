//! A client of the API server that makes many objects at the same time.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use shoal_benches::BenchResult;

/// Requests at the same time: more make the API server of two cores no faster.
const AT_ONCE: usize = 64;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Pause between two looks.
const POLL: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(crate) struct Admin(Client);

impl Admin {
    pub(crate) async fn new(kubeconfig: &Path) -> BenchResult<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let file = Kubeconfig::read_from(kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Self(Client::try_from(config)?))
    }

    pub(crate) async fn make_namespace(&self, name: &str) -> BenchResult<()> {
        let namespace = serde_json::from_value(serde_json::json!({"metadata": {"name": name}}))?;
        Api::<Namespace>::all(self.0.clone()).create(&PostParams::default(), &namespace).await?;
        let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(self.0.clone(), name);
        until("the namespace takes pods", async || Ok(accounts.get_opt("default").await?.is_some())).await
    }

    /// Makes them all, many at a time.
    pub(crate) async fn create(&self, namespace: &str, objects: Vec<Value>) -> BenchResult<()> {
        let create = |object: Value| async move {
            let object: DynamicObject = serde_json::from_value(object)?;
            let types = object.types.clone().ok_or("an object without a kind")?;
            let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
            let api: Api<DynamicObject> = Api::namespaced_with(self.0.clone(), namespace, &resource);
            api.create(&PostParams::default(), &object).await?;
            BenchResult::Ok(())
        };
        stream::iter(objects).map(create).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// The pods of a namespace.
    pub(crate) async fn pods(&self, namespace: &str) -> BenchResult<Vec<Pod>> {
        // What the server has in memory: asking costs as little as it can.
        let cached = ListParams::default().match_any();
        Ok(Api::<Pod>::namespaced(self.0.clone(), namespace).list(&cached).await?.items)
    }

    /// Deletes all pods of a namespace, at once.
    pub(crate) async fn delete_pods(&self, namespace: &str) -> BenchResult<()> {
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        Api::<Pod>::namespaced(self.0.clone(), namespace).delete_collection(&now, &ListParams::default()).await?;
        Ok(())
    }

    pub(crate) async fn until_pods(&self, namespace: &str, count: usize) -> BenchResult<()> {
        until("the pods are there", async || Ok(self.pods(namespace).await?.len() == count)).await
    }

    /// A pod as it was asked for, to be asked for again under other names.
    pub(crate) async fn like_a_pod_of(&self, namespace: &str, prefix: &str) -> BenchResult<Value> {
        let pods = self.pods(namespace).await?;
        let pod = pods.iter().find(|pod| pod.name_any().starts_with(prefix)).ok_or("no such pod")?;
        let mut spec = serde_json::to_value(&pod.spec)?;
        for decided_later in ["nodeName", "tolerations", "priority", "preemptionPolicy"] {
            spec.as_object_mut().ok_or("a pod without a spec")?.remove(decided_later);
        }
        Ok(serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"labels": pod.metadata.labels}, "spec": spec,
        }))
    }
}

/// Waits until that is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> BenchResult<bool>) -> BenchResult<()> {
    let since = Instant::now();
    while !is_so().await? {
        if since.elapsed() > LIMIT {
            return Err(format!("waited {LIMIT:?} in vain: {what}").into());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
