//! Connections to the heads of clusters: what each has said of its jobs, and a way to tell it something.
//!
//! A connection is kept by a task of its own, so that a slow head holds no reconcile up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client};
use shoal_core::report::JobStatus;
use shoal_core::{Failure, JobUid, Reason};
use shoal_wire::failure::from_status;
use shoal_wire::proto::jobs_client::JobsClient;
use shoal_wire::proto::{Caller, JobState, WatchJobs};
use shoal_wire::token::SendToken;
use shoal_wire::{Tls, Token, json, tls, transport};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cluster::tls_secret;
use crate::context::Config;
use crate::head_client::{HeadClient, Service};
use crate::names;
use crate::resources::{ShoalCluster, ShoalJob};
use crate::scaling::Scrape;
use crate::token::token_of;
use crate::trouble::{Trouble, pause_after};

/// Namespace and name of a cluster.
type Key = (String, String);

/// All heads.
pub(crate) struct Heads {
    client: Client,
    clusters: Store<ShoalCluster>,
    links: Mutex<HashMap<Key, Arc<Link>>>,
    /// Jobs to look at again.
    wake: mpsc::Sender<ObjectRef<ShoalJob>>,
    /// Clusters whose work has changed.
    wake_scaling: mpsc::Sender<ObjectRef<ShoalCluster>>,
    /// How often the lead of the operators has changed hands, as of this one's.
    transitions: u64,
    /// See [`crate::Config::head_url`].
    url: String,
    /// See [`crate::Config::metrics_url`].
    metrics_url: String,
}

/// Who is to look again at what a head tells of.
pub(crate) struct Wake {
    /// At jobs.
    pub(crate) jobs: mpsc::Sender<ObjectRef<ShoalJob>>,
    /// At the size of clusters.
    pub(crate) scaling: mpsc::Sender<ObjectRef<ShoalCluster>>,
}

/// What a head says of one job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeadView {
    /// How the job stands; `None` where the head has said nothing of it.
    pub(crate) state: Option<JobStatus>,
    /// Whether the head has told of all its jobs since it was connected, so that silence means that it knows none.
    pub(crate) is_complete: bool,
}

struct Link {
    known: Mutex<Known>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Known {
    service: Option<Service>,
    /// How its metrics are asked for.
    metrics: Option<Scrape>,
    is_complete: bool,
    states: HashMap<JobUid, JobStatus>,
    /// Which resource a job is.
    resources: HashMap<JobUid, ObjectRef<ShoalJob>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heads {
    pub(crate) fn new(
        client: Client,
        clusters: Store<ShoalCluster>,
        config: &Config,
        transitions: u64,
        wake: Wake,
    ) -> Self {
        let (url, metrics_url) = (config.head_url.clone(), config.metrics_url.clone());
        let Wake { jobs: wake, scaling: wake_scaling } = wake;
        Self { client, clusters, url, metrics_url, links: Mutex::default(), wake, wake_scaling, transitions }
    }

    /// Keeps a connection to the head of a cluster from now on.
    pub(crate) fn connect(self: &Arc<Self>, namespace: &str, cluster: &str) {
        let key = (namespace.to_owned(), cluster.to_owned());
        lock(&self.links).entry(key.clone()).or_insert_with(|| {
            let heads = self.clone();
            Arc::new_cyclic(|link| {
                let task = tokio::spawn(listen(heads, key, link.clone()));
                Link { known: Mutex::default(), task }
            })
        });
    }

    /// Whether the cluster is there still.
    fn is_there(&self, namespace: &str, cluster: &str) -> bool {
        self.clusters.get(&ObjectRef::new(cluster).within(namespace)).is_some()
    }

    /// What a cluster's head is known by, and what it knows the operator by; none where the cluster does without TLS.
    async fn tls(&self, namespace: &str, cluster: &str) -> Result<Option<Tls>, Failure> {
        let found =
            self.clusters.get(&ObjectRef::new(cluster).within(namespace)).filter(|_| self.url.contains("{scheme}"));
        let Some(secret) = found.and_then(|found| tls_secret(&found)) else { return Ok(None) };
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let missing = |why: &str| {
            Failure::new(Reason::Unauthorized, format!("the Secret {namespace}/{secret} has no certificate: {why}"))
        };
        let found = secrets.get(&secret).await.map_err(|error| missing(&error.to_string()))?;
        let entry = |name: &str| {
            let data = found.data.as_ref().and_then(|data| data.get(name));
            data.map(|bytes| bytes.0.clone()).ok_or_else(|| missing(&format!("no entry `{name}`")))
        };
        let tls = Tls::fixed(entry("tls.crt")?, entry("tls.key")?, entry("ca.crt")?)?;
        tls.named(&names::tls_name(cluster, namespace)).map(Some)
    }

    fn link(&self, namespace: &str, cluster: &str) -> Option<Arc<Link>> {
        lock(&self.links).get(&(namespace.to_owned(), cluster.to_owned())).cloned()
    }

    /// What the head of a cluster says of a job. From now on the job is looked at again whenever that changes.
    pub(crate) fn look(&self, namespace: &str, cluster: &str, uid: JobUid, job: &ShoalJob) -> Option<HeadView> {
        let link = self.link(namespace, cluster)?;
        let mut known = lock(&link.known);
        known.resources.insert(uid, ObjectRef::from_obj(job));
        known.service.as_ref()?;
        Some(HeadView { state: known.states.get(&uid).cloned(), is_complete: known.is_complete })
    }

    /// Forgets a job that is of no more interest.
    pub(crate) fn look_no_more(&self, namespace: &str, cluster: &str, uid: JobUid) {
        if let Some(link) = self.link(namespace, cluster) {
            let mut known = lock(&link.known);
            known.resources.remove(&uid);
            known.states.remove(&uid);
        }
    }

    /// Takes in what a head has answered to a call, and gives what is known now. The answer may be older than what the head
    /// has told since `before`, the state when it was called.
    pub(crate) fn heard(
        &self,
        namespace: &str,
        cluster: &str,
        before: Option<&JobStatus>,
        answer: JobStatus,
    ) -> JobStatus {
        let Some(link) = self.link(namespace, cluster) else { return answer };
        let mut known = lock(&link.known);
        match known.states.get(&answer.uid) {
            Some(newer) if Some(newer) != before => newer.clone(),
            _ => {
                known.states.insert(answer.uid, answer.clone());
                answer
            }
        }
    }

    /// Whether a cluster has unfinished jobs, as far as its head has said.
    pub(crate) fn busy(&self, namespace: &str, cluster: &str) -> bool {
        self.link(namespace, cluster)
            .is_some_and(|link| lock(&link.known).states.values().any(|state| !state.phase.is_final()))
    }

    /// How the metrics of a cluster's head are asked for; none while there is no connection.
    pub(crate) fn scrape(&self, namespace: &str, cluster: &str) -> Option<Scrape> {
        lock(&self.link(namespace, cluster)?.known).metrics.clone()
    }

    /// What tells the head of a cluster something.
    ///
    /// # Errors
    /// [`Reason::HeadUnreachable`] while there is no connection.
    pub(crate) fn client(&self, namespace: &str, cluster: &str) -> Result<HeadClient, Trouble> {
        let service = self.link(namespace, cluster).and_then(|link| lock(&link.known).service.clone());
        let service = service.ok_or_else(|| {
            Trouble::Head(Failure::new(Reason::HeadUnreachable, format!("the head of `{cluster}` does not answer")))
        })?;
        Ok(HeadClient { service, transitions: self.transitions })
    }
}

/// Keeps the connection of a link, and takes in what the head says, until the link is dropped.
async fn listen(heads: Arc<Heads>, (namespace, cluster): Key, link: std::sync::Weak<Link>) {
    let mut failures = 0_u32;
    loop {
        match hear(&heads, &namespace, &cluster, &link, &mut failures).await {
            Ok(()) => tracing::info!(namespace, cluster, "the head has ended the connection"),
            Err(failure) => tracing::debug!(namespace, cluster, %failure, "the head cannot be heard"),
        }
        let Some(link) = link.upgrade() else { return };
        let was_connected = {
            let mut known = lock(&link.known);
            known.is_complete = false;
            known.metrics = None;
            known.service.take().is_some()
        };
        drop(link);
        if was_connected {
            wake_all(&heads, &namespace, &cluster).await;
        }
        if !heads.is_there(&namespace, &cluster) {
            // Ends this very task, at its next pause.
            lock(&heads.links).remove(&(namespace.clone(), cluster.clone()));
        }
        failures = failures.saturating_add(1);
        tokio::time::sleep(pause_after(failures).min(RECONNECT_MAX)).await;
    }
}

/// Longest pause between two looks whether a head is there: a job of a cluster that starts waits for it.
const RECONNECT_MAX: Duration = Duration::from_secs(2);

async fn hear(
    heads: &Heads,
    namespace: &str,
    cluster: &str,
    link: &std::sync::Weak<Link>,
    failures: &mut u32,
) -> Result<(), Failure> {
    let token = token(&heads.client, namespace, cluster).await?;
    let tls = heads.tls(namespace, cluster).await?;
    let (head, scheme) = (names::head(cluster), tls::scheme(tls.as_ref()));
    let of_head =
        |url: &str| url.replace("{head}", &head).replace("{namespace}", namespace).replace("{scheme}", scheme);
    let channel = transport::connect(&of_head(&heads.url), tls.as_ref()).await?;
    let scrape = Scrape::of_head(of_head(&heads.metrics_url), token.clone(), tls.as_ref().map(Tls::https_client))?;
    let mut service = JobsClient::with_interceptor(channel, SendToken(Some(token)));
    let caller = Some(Caller { transitions: heads.transitions });
    let mut states = service.watch(WatchJobs { caller }).await.map_err(|status| from_status(&status))?.into_inner();
    {
        let Some(link) = link.upgrade() else { return Ok(()) };
        let mut known = lock(&link.known);
        known.states.clear();
        known.service = Some(service);
        known.metrics = Some(scrape);
    }
    *failures = 0;
    while let Some(JobState { status_json }) = states.message().await.map_err(|status| from_status(&status))? {
        let Some(link) = link.upgrade() else { return Ok(()) };
        if status_json.is_empty() {
            lock(&link.known).is_complete = true;
            drop(link);
            wake_all(heads, namespace, cluster).await;
            wake_scaling(heads, namespace, cluster).await;
            continue;
        }
        let state: JobStatus = json::decode(&status_json, "the state of a job")?;
        let (resource, has_other_work) = {
            let mut known = lock(&link.known);
            let resource = known.is_complete.then(|| known.resources.get(&state.uid).cloned()).flatten();
            let phase = state.phase;
            let before = known.states.insert(state.uid, state);
            (resource, known.is_complete && before.is_none_or(|before| before.phase != phase))
        };
        if let Some(resource) = resource {
            let _ = heads.wake.send(resource).await;
        }
        if has_other_work {
            wake_scaling(heads, namespace, cluster).await;
        }
    }
    Ok(())
}

async fn wake_all(heads: &Heads, namespace: &str, cluster: &str) {
    let Some(link) = heads.link(namespace, cluster) else { return };
    let resources: Vec<_> = lock(&link.known).resources.values().cloned().collect();
    for resource in resources {
        let _ = heads.wake.send(resource).await;
    }
}

/// Has the size of a cluster looked at: a job has come, has its plan, or has ended.
async fn wake_scaling(heads: &Heads, namespace: &str, cluster: &str) {
    let _ = heads.wake_scaling.send(ObjectRef::new(cluster).within(namespace)).await;
}

async fn token(client: &Client, namespace: &str, cluster: &str) -> Result<Token, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let name = names::token(cluster);
    let missing =
        |why: String| Failure::new(Reason::Unauthorized, format!("the Secret {namespace}/{name} has no token: {why}"));
    let secret = secrets.get(&name).await.map_err(|error| missing(error.to_string()))?;
    token_of(&secret).map_err(|failure| missing(failure.message))
}
