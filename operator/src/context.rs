//! What all reconciles share, and the only place where they write to the API server.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::Request;
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::Store;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::status::{Condition, WorkerGroupStatus};
use tokio::sync::watch;

use crate::changes::{Change, Reference};
use crate::cluster::Seen;
use crate::conditions::{self, news, turned};
use crate::failures::Failures;
use crate::group::{Backoff, Hold};
use crate::heads::Heads;
use crate::index::Index;
use crate::metrics::Metrics;
use crate::names::FIELD_MANAGER;
use crate::news::{Writes, rest};
use crate::resources::{Kind, ShoalCluster, ShoalJob, ShoalWorkerGroup};
use crate::scaling::Scaling;
use crate::trouble::Trouble;

/// Pods that are created or deleted at the same time, for one group.
const WRITES_AT_ONCE: usize = 32;

/// Longest note of an event; the API server takes no more than 1 kB.
const NOTE_CHARS_MAX: usize = 500;

/// How the operator was started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Leads to the API server; where it is absent, what `kubectl` would take, or the pod's own.
    pub kubeconfig: Option<PathBuf>,
    /// Image of clusters that name none.
    pub image: String,
    /// Namespace that it looks after; all of them where it is absent.
    pub namespace: Option<String>,
    /// Domain of the cluster's own names.
    pub cluster_domain: String,
    /// Where probes and metrics are answered.
    pub listen: SocketAddr,
    /// Whether clusters get NetworkPolicies: of use where something enforces them.
    pub network_policies: bool,
    /// Where heads take jobs: `{head}` and `{namespace}` stand for the Service, `{scheme}` for what the cluster speaks. [`HEAD_URL`] but for tests.
    pub head_url: String,
    /// Where heads show their metrics, in the same form. [`METRICS_URL`] but for tests.
    pub metrics_url: String,
}

/// Where heads take jobs in Kubernetes.
pub const HEAD_URL: &str = "{scheme}://{head}.{namespace}.svc:7371";

/// Where heads show their metrics in Kubernetes.
pub const METRICS_URL: &str = "{scheme}://{head}.{namespace}.svc:7370/metrics";

/// What all reconciles share.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) config: Config,
    /// Where this operator runs.
    pub(crate) own_namespace: String,
    pub(crate) clusters: Store<ShoalCluster>,
    pub(crate) jobs: Store<ShoalJob>,
    pub(crate) groups: Arc<Index<ShoalWorkerGroup>>,
    pub(crate) pods: Arc<Index<Pod>>,
    pub(crate) stateful_sets: Arc<Index<StatefulSet>>,
    pub(crate) budgets: Arc<Index<PodDisruptionBudget>>,
    /// `None` where clusters get none.
    pub(crate) policies: Option<Arc<Index<NetworkPolicy>>>,
    /// What clusters have of the objects that no watch tells of.
    pub(crate) seen: Seen,
    /// Whether each of these has all that there is. Not asked of the stores: of several who wait there, one is woken.
    pub(crate) is_known: Vec<watch::Receiver<bool>>,
    pub(crate) heads: Arc<Heads>,
    pub(crate) recorder: Recorder,
    pub(crate) failures: Failures,
    pub(crate) metrics: Metrics,
    /// Statuses that were written.
    pub(crate) writes: Writes,
    /// What clusters' sizes were decided by.
    pub(crate) scaling: Arc<Scaling>,
    /// Groups whose pods fail, by uid.
    pub(crate) backoffs: Mutex<HashMap<String, Backoff>>,
}

impl Context {
    /// Makes the changes, those of pods side by side, each once; what they make is owned by `owner`. All are tried: one
    /// that is refused keeps no other from its place.
    ///
    /// # Errors
    /// The first that did not work.
    pub(crate) async fn carry_out<K: Kind>(&self, owner: &K, changes: Vec<Change>) -> Result<(), Trouble> {
        let (pods, others): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(is_of_pods);
        let mut outcome = Ok(());
        for change in others {
            outcome = outcome.and(self.make(owner, change).await);
        }
        let mut results =
            stream::iter(pods.into_iter().map(|change| self.make(owner, change))).buffer_unordered(WRITES_AT_ONCE);
        while let Some(result) = results.next().await {
            outcome = outcome.and(result);
        }
        outcome
    }

    /// Waits until all watches have told what there is: what is not known yet is not missing.
    pub(crate) async fn everything_is_known(&self) {
        for is_known in &self.is_known {
            // A watch that has ended takes the whole operator with it.
            let _ = is_known.clone().wait_for(|is_known| *is_known).await;
        }
    }

    /// Whether a cluster has unfinished jobs, as their resources or its head say.
    pub(crate) fn is_busy(&self, namespace: &str, cluster: &str) -> bool {
        let runs_here = |job: &ShoalJob| {
            job.metadata.namespace.as_deref() == Some(namespace)
                && job.status.as_ref().is_some_and(|status| status.cluster_name.as_deref() == Some(cluster))
                && !job.is_finished()
        };
        self.heads.busy(namespace, cluster) || self.jobs.find(runs_here).is_some()
    }

    /// Remembers which pods of a group have failed: see [`Backoff`].
    pub(crate) fn note_failed_pods(
        &self,
        group: &str,
        failed: Vec<(String, String)>,
        all_ready: bool,
        now: Timestamp,
    ) -> Option<Hold> {
        let mut backoffs = self.backoffs.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_empty() && all_ready {
            backoffs.remove(group);
        }
        if failed.is_empty() && !backoffs.contains_key(group) {
            return None;
        }
        backoffs.entry(group.to_owned()).or_default().note(failed, all_ready, now)
    }

    async fn make<K: Kind>(&self, owner: &K, change: Change) -> Result<(), Trouble> {
        match change {
            Change::Apply(object) => {
                let object = owned_by(owner, object);
                let name = object.name_any();
                let params = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
                self.api_of(owner, &object).patch(&name, &params, &Patch::Apply(&object)).await?;
            }
            Change::Try(object) => {
                let object = owned_by(owner, object);
                let params = PostParams { dry_run: true, field_manager: Some(FIELD_MANAGER.to_owned()) };
                match create_strictly(&self.client, &self.api_of(owner, &object), &params, &object).await {
                    // It was made in the meantime.
                    Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                    result => drop(result?),
                }
            }
            Change::Create(object) => {
                let object = owned_by(owner, object);
                let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
                match create_strictly(&self.client, &self.api_of(owner, &object), &params, &object).await {
                    // Made by an earlier turn that this one has not heard of yet.
                    Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                    result => self.assume(result?),
                }
            }
            Change::Merge(reference, patch) => {
                let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
                match self.api(owner, &reference).patch(&reference.name, &params, &Patch::Merge(&patch)).await {
                    Err(kube::Error::Api(status)) if status.is_not_found() => {}
                    result => drop(result?),
                }
            }
            Change::Delete(reference) => {
                let preconditions = Preconditions { uid: reference.uid.clone(), resource_version: None };
                let params = DeleteParams::background().preconditions(preconditions);
                match self.api(owner, &reference).delete(&reference.name, &params).await {
                    // Gone already, or another object has the name by now.
                    Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                    result => drop(result?),
                }
            }
        }
        Ok(())
    }

    /// Remembers a pod that was just made.
    fn assume(&self, made: DynamicObject) {
        let is_pod = made.types.as_ref().is_some_and(|types| types.kind == "Pod");
        if let Some(mut pod) = is_pod.then(|| made.try_parse::<Pod>().ok()).flatten() {
            trim(&mut pod);
            self.pods.assume(pod, Instant::now());
        }
    }

    /// As [`Context::say`], but a status that nobody waits for is written together with what follows: see [`rest`]. Gives
    /// the time after which to look again, where it waits.
    ///
    /// # Errors
    /// As [`Context::say`].
    pub(crate) async fn say_in_turn<K: Kind + Clone + Debug>(
        &self,
        object: &K,
        status: &K::Status,
    ) -> Result<Option<Duration>, Trouble>
    where
        K::Status: Conditions,
    {
        let before = object.status();
        if before == Some(status) {
            return Ok(None);
        }
        let (uid, now) = (object.uid().unwrap_or_default(), Instant::now());
        let news = news(before.map(Conditions::conditions), status.conditions());
        let since = self.writes.since(&uid, now);
        if let Some(left) = rest(news, since, self.writes.objects(now)) {
            return Ok(Some(left));
        }
        self.writes.note(&uid, now);
        self.say(object, status).await.map(|()| None)
    }

    /// Writes the status unless it says that already, and tells an event of each condition that has turned.
    pub(crate) async fn say<K: Kind + Clone + Debug>(&self, object: &K, status: &K::Status) -> Result<(), Trouble>
    where
        K::Status: Conditions,
    {
        let before = object.status();
        if before == Some(status) {
            return Ok(());
        }
        let api: Api<K> = Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default());
        // Only onto what was looked at: a status that follows from an older spec is not to replace that of a newer one.
        let patch = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": {"name": object.name_any(), "uid": object.uid()},
            "status": status,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch_status(&object.name_any(), &params, &Patch::Apply(&patch)).await {
            Err(kube::Error::Api(refused)) if refused.is_not_found() => return Ok(()),
            result => drop(result?),
        }
        let old = before.map(Conditions::conditions).unwrap_or_default();
        for condition in status.news(old) {
            self.tell(object, condition).await;
        }
        Ok(())
    }

    async fn tell<K: Kind>(&self, object: &K, condition: &Condition) {
        let type_ = if conditions::is_bad(condition) { EventType::Warning } else { EventType::Normal };
        let Condition { type_: about, status, reason, message, .. } = condition;
        let note = if message.is_empty() { format!("{about} is {status:?}") } else { message.clone() };
        self.announce(object, type_, reason, &note, format!("{about}{status:?}")).await;
    }

    /// Tells an event.
    pub(crate) async fn announce<K: Kind>(
        &self,
        object: &K,
        type_: EventType,
        reason: &str,
        note: &str,
        action: String,
    ) {
        let note = Some(note.chars().take(NOTE_CHARS_MAX).collect());
        let event = Event { type_, reason: reason.to_owned(), note, action, secondary: None };
        // An event is a help, and no reason to do the work again.
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await {
            tracing::debug!(%error, "an event could not be told");
        }
    }

    fn api_of<K: Kind>(&self, owner: &K, object: &DynamicObject) -> Api<DynamicObject> {
        let types = object.types.clone().unwrap_or_default();
        let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
        self.dynamic(owner, &resource)
    }

    fn api<K: Kind>(&self, owner: &K, reference: &Reference) -> Api<DynamicObject> {
        let (group, version) = reference.api_version.split_once('/').unwrap_or(("", &reference.api_version));
        let kind = GroupVersionKind::gvk(group, version, &reference.kind);
        self.dynamic(owner, &ApiResource::from_gvk_with_plural(&kind, &reference.plural))
    }

    fn dynamic<K: Kind>(&self, owner: &K, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &owner.namespace().unwrap_or_default(), resource)
    }
}

/// Creates an object, and refuses one with fields that the API server does not know: a typing error in a user's template
/// is to be told, not to be dropped.
async fn create_strictly(
    client: &Client,
    api: &Api<DynamicObject>,
    params: &PostParams,
    object: &DynamicObject,
) -> kube::Result<DynamicObject> {
    let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
    let mut request = Request::new(api.resource_url()).create(params, body).map_err(kube::Error::BuildRequest)?;
    // The library has no parameter for it.
    let uri = format!("{}&fieldValidation=Strict", request.uri()).parse();
    *request.uri_mut() = uri.expect("what is appended to a query is part of a query");
    client.request(request).await
}

/// When to look again, if nothing happens before: at the first of these times.
pub(crate) fn again_after(times: impl IntoIterator<Item = Option<Duration>>) -> Action {
    times.into_iter().flatten().min().map_or_else(Action::await_change, Action::requeue)
}

fn is_of_pods(change: &Change) -> bool {
    match change {
        Change::Create(object) => object["kind"] == "Pod",
        Change::Delete(reference) => reference.kind == "Pod",
        Change::Apply(_) | Change::Try(_) | Change::Merge(..) => false,
    }
}

/// Takes away of a pod what nobody here reads. The hash of its settings is among its annotations; the settings themselves
/// are most of what it takes up.
pub(crate) fn trim(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    pod.spec = None;
}

/// The object with its owner, in whose absence it goes.
fn owned_by<K: Kind>(owner: &K, mut object: Value) -> DynamicObject {
    if let Some(reference) = owner.controller_owner_ref(&()) {
        object["metadata"]["ownerReferences"] = json!([reference]);
    }
    serde_json::from_value(object).expect("children are made with an apiVersion, a kind and a name")
}

/// A status that has conditions.
pub(crate) trait Conditions {
    /// They.
    fn conditions(&self) -> &[Condition];

    /// Those of which an event is told, by what they were before.
    fn news(&self, before: &[Condition]) -> Vec<&Condition> {
        turned(before, self.conditions())
    }
}

macro_rules! conditions_of {
    ($($status:ident)+) => {$(
        impl Conditions for shoal_core::spec::v1alpha1::status::$status {
            fn conditions(&self) -> &[Condition] {
                &self.conditions
            }
        }
    )+};
}

conditions_of! { ClusterStatus JobStatus }

impl Conditions for WorkerGroupStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Trouble and its end: that a group has the size that it was given is what its cluster says.
    fn news(&self, before: &[Condition]) -> Vec<&Condition> {
        let was_bad = |now: &&Condition| before.iter().any(|old| old.type_ == now.type_ && conditions::is_bad(old));
        turned(before, &self.conditions).into_iter().filter(|now| conditions::is_bad(now) || was_bad(now)).collect()
    }
}
