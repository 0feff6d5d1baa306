//! The operator's process: one watch per kind, a controller for each of ours, the lease, the probes.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::controller::{Action, Config as ControllerConfig, Controller};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use shoal_core::{Failure, Reason};
use shoal_wire::probes::{Probes, serve_probes};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::context::{Config, Context, trim};
use crate::failures::Failures;
use crate::heads::{Heads, Wake};
use crate::informer::{Scope, Watched};
use crate::lead::lead;
use crate::metrics::Metrics;
use crate::names::{CLUSTER_LABEL, COMPONENT_LABEL, FIELD_MANAGER};
use crate::news::Writes;
use crate::resources::{Kind, ShoalCluster, ShoalJob, ShoalWorkerGroup};
use crate::scaling::Scaling;
use crate::trouble::{Trouble, pause_after};
use crate::{cluster, crypto, group, job, lease, scaling};

/// Reconciles of one kind at the same time.
const CONCURRENCY: u16 = 16;

/// Jobs that wait to be looked at because their head has said something.
const WAKE_QUEUE_MAX: usize = 1024;

/// What only pods and StatefulSets of ours have.
const OURS: &str = "app.kubernetes.io/managed-by=shoal-operator";

/// Runs the operator until `stop` completes: then it gives the lease up and ends.
///
/// # Errors
/// [`Reason::Io`] where no API server is configured; [`Reason::NotLeading`] once the lease is lost.
pub async fn run(
    config: Config,
    identity: String,
    own_namespace: String,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Failure> {
    let api = api(config.kubeconfig.as_deref()).await?;
    let client = Client::try_from(api.clone()).map_err(|error| no_api(&error))?;
    tokio::pin!(stop);
    let metrics = Metrics::new()?;
    let probes = Probes::new(|| Ok(()), metrics.registry().clone(), None);
    let (probes, server) = serve_probes(listen(config.listen)?, probes, None)?;
    tokio::spawn(server);
    let held = tokio::select! {
        held = lease::acquire(client.clone(), &own_namespace, &identity) => held,
        () = &mut stop => return Ok(()),
    };
    tracing::info!(identity, transitions = held.transitions(), "this operator leads");
    metrics.leads();
    let writer = ClientBuilder::try_from(api).map_err(|error| no_api(&error))?.with_layer(&held.term().layer()).build();
    let transitions = held.transitions();
    lead(held, control(writer, config, own_namespace, metrics, identity, transitions), stop).await?;
    probes.stop(true).await;
    Ok(())
}

pub(crate) async fn client(kubeconfig: Option<&Path>) -> Result<Client, Failure> {
    Client::try_from(api(kubeconfig).await?).map_err(|error| no_api(&error))
}

/// Where the API server is, and who this is to it.
async fn api(kubeconfig: Option<&Path>) -> Result<kube::Config, Failure> {
    crypto::provide();
    let Some(path) = kubeconfig else { return kube::Config::infer().await.map_err(|error| no_api(&error)) };
    let file = Kubeconfig::read_from(path).map_err(|error| no_api(&error))?;
    kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(|error| no_api(&error))
}

fn no_api(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Reason::Io, "no Kubernetes API server is configured")
        .because(error)
        .next("run this in a pod, or name a kubeconfig file in KUBECONFIG")
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        Failure::new(Reason::Io, format!("{address} cannot be listened on"))
            .because(&error)
            .next("another process may have the port: name another, or 0 for any")
    })
}

async fn control(
    client: Client,
    config: Config,
    own_namespace: String,
    metrics: Metrics,
    identity: String,
    transitions: u64,
) {
    let (wake_jobs, woken_jobs) = mpsc::channel(WAKE_QUEUE_MAX);
    let (wake_scaling, woken_scaling) = mpsc::channel(WAKE_QUEUE_MAX);
    let (wake_clusters, woken_clusters) = mpsc::channel(WAKE_QUEUE_MAX);
    let mut scope = Scope { client: client.clone(), namespace: config.namespace.clone(), is_known: Vec::new() };
    let any = watcher::Config::default();
    let ours = watcher::Config::default().labels(OURS);
    let (clusters, mut keep_clusters) = store::<ShoalCluster>();
    let (group_store, mut keep_groups) = store::<ShoalWorkerGroup>();
    let (jobs, mut keep_jobs) = store::<ShoalJob>();
    let scaling = Arc::new(Scaling::new(wake_clusters));
    let (of_scaling, counted) = (scaling.clone(), metrics.clone());
    let keep = move |event: &watcher::Event<ShoalCluster>| {
        keep_clusters.apply_watcher_event(event);
        if let watcher::Event::Delete(cluster) = event {
            of_scaling.forget(&cluster.uid().unwrap_or_default());
            counted.no_longer_scaled(&cluster.namespace().unwrap_or_default(), &cluster.name_any());
        }
    };
    let (_, cluster_stream) = scope.informer(&any, |_| {}, keep);
    let (groups, group_stream) = scope.informer(&any, |_| {}, move |event| keep_groups.apply_watcher_event(event));
    let (_, job_stream) = scope.informer(&any, |_| {}, move |event| keep_jobs.apply_watcher_event(event));
    let (pods, pod_stream) = scope.informer(&ours, trim, |_| {});
    let (budgets, budget_stream) = scope.informer(&ours, |_: &mut PodDisruptionBudget| {}, |_| {});
    let policies = config.network_policies.then(|| scope.informer(&ours, |_: &mut NetworkPolicy| {}, |_| {}));
    let (policies, policy_stream) = match policies {
        Some((policies, stream)) => (Some(policies), stream),
        // Nobody makes any, and the right to look at them is not asked for.
        None => (None, futures::stream::pending().boxed()),
    };
    let (stateful_sets, head_stream) = scope.informer(&ours, |_: &mut StatefulSet| {}, |_| {});
    let wake = Wake { jobs: wake_jobs, scaling: wake_scaling };
    let heads = Heads::new(client.clone(), clusters.clone(), &config, transitions, wake);
    let context = Arc::new(Context {
        client: client.clone(),
        config,
        own_namespace,
        clusters: clusters.clone(),
        groups,
        jobs: jobs.clone(),
        pods,
        stateful_sets,
        budgets,
        policies,
        seen: cluster::Seen::default(),
        is_known: scope.is_known,
        heads: Arc::new(heads),
        recorder: Recorder::new(client, Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(identity) }),
        failures: Failures::default(),
        metrics,
        writes: Writes::default(),
        scaling,
        backoffs: Mutex::default(),
    });
    let settings = ControllerConfig::default().concurrency(CONCURRENCY);
    // Each watch feeds all controllers that have to hear of it.
    let (cluster_for_jobs, cluster_stream) = fork(cluster_stream);
    let (cluster_for_scaling, cluster_stream) = fork(cluster_stream);
    let (group_for_clusters, group_stream) = fork(group_stream);
    let (group_for_jobs, group_stream) = fork(group_stream);
    let (pod_for_clusters, pod_stream) = fork(pod_stream);
    let (budget_for_clusters, budget_stream) = fork(budget_stream);
    let (job_for_scaling, job_stream) = fork(job_stream);
    let (to_scale, scaled) = (clusters.clone(), clusters.clone());
    let (all_jobs, jobs_on_groups) = (jobs.clone(), jobs.clone());
    let run_clusters = Controller::for_stream(cluster_stream, clusters)
        .with_config(settings.clone())
        .owns_stream(group_for_clusters)
        .owns_stream(head_stream)
        .owns_stream(budget_for_clusters)
        .owns_stream(policy_stream)
        .watches_stream(pod_for_clusters, |pod| cluster_of_head(&pod))
        .reconcile_on(ReceiverStream::new(woken_clusters))
        .run(noting(cluster::reconcile), retry, context.clone())
        .for_each(|result| async { log("ShoalCluster", result) });
    let run_groups = Controller::for_stream(group_stream, group_store)
        .with_config(settings.clone())
        .owns_stream(pod_stream)
        .owns_stream(budget_stream)
        .run(noting(group::reconcile), retry, context.clone())
        .for_each(|result| async { log("ShoalWorkerGroup", result) });
    let run_jobs = Controller::for_stream(job_stream, jobs)
        .with_config(settings)
        .watches_stream(cluster_for_jobs, move |cluster| jobs_of(&all_jobs, &cluster))
        .watches_stream(group_for_jobs, move |group| jobs_of_group(&jobs_on_groups, &group))
        .reconcile_on(ReceiverStream::new(woken_jobs))
        .run(noting(job::reconcile), retry, context.clone())
        .for_each(|result| async { log("ShoalJob", result) });
    // Apart from the clusters' own: whoever is slow to say how much work there is holds nothing else up.
    let run_scaling = Controller::for_stream(cluster_for_scaling, scaled)
        .with_config(ControllerConfig::default().concurrency(CONCURRENCY))
        .watches_stream(job_for_scaling, move |job| clusters_of(&to_scale, &job))
        .reconcile_on(ReceiverStream::new(woken_scaling))
        .run(scaling::reconcile, |_, trouble, _| scaling::again(trouble), context)
        .for_each(|result| async { log("the size of a ShoalCluster", result) });
    futures::join!(run_clusters, run_groups, run_jobs, run_scaling);
}

/// The cluster whose head that pod is.
fn cluster_of_head(pod: &Pod) -> Option<ObjectRef<ShoalCluster>> {
    let labels = pod.labels();
    let is_head = labels.get(COMPONENT_LABEL).is_some_and(|component| component == "head");
    let cluster = labels.get(CLUSTER_LABEL).filter(|_| is_head)?;
    Some(ObjectRef::new(cluster).within(&pod.namespace()?))
}

/// The clusters that a job may have work for.
fn clusters_of(clusters: &Store<ShoalCluster>, job: &ShoalJob) -> Vec<ObjectRef<ShoalCluster>> {
    let is_concerned =
        |cluster: &ShoalCluster| cluster.namespace() == job.namespace() && job::may_run_on(job, &cluster.name_any());
    clusters.state_filter(is_concerned).iter().map(|cluster| ObjectRef::from_obj(&**cluster)).collect()
}

/// The jobs that a change of that cluster may concern: unfinished ones, and the one that it belongs to.
fn jobs_of(jobs: &Store<ShoalJob>, cluster: &ShoalCluster) -> Vec<ObjectRef<ShoalJob>> {
    let (namespace, name) = (cluster.namespace(), cluster.name_any());
    let is_concerned = |job: &ShoalJob| {
        let is_its_own = cluster.owner_references().iter().any(|owner| Some(&owner.uid) == job.metadata.uid.as_ref());
        job.namespace() == namespace && (is_its_own || job::may_run_on(job, &name))
    };
    jobs.state_filter(is_concerned).iter().map(|job| ObjectRef::from_obj(&**job)).collect()
}

/// The jobs that repeat what a group says.
fn jobs_of_group(jobs: &Store<ShoalJob>, group: &ShoalWorkerGroup) -> Vec<ObjectRef<ShoalJob>> {
    let cluster = group.raw_spec()["clusterName"].as_str().unwrap_or_default();
    let is_concerned = |job: &ShoalJob| job.namespace() == group.namespace() && job::may_run_on(job, cluster);
    jobs.state_filter(is_concerned).iter().map(|job| ObjectRef::from_obj(&**job)).collect()
}

/// One stream as two. Errors are told to the first alone.
fn fork<K: Clone + Send + 'static>(
    stream: impl Stream<Item = Watched<K>> + Send,
) -> (impl Stream<Item = Watched<K>> + Send, impl Stream<Item = Watched<K>> + Send) {
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    let main = stream.inspect(move |item| {
        if let Ok(object) = item {
            // The other side lives as long as this one.
            let _ = sender.unbounded_send(Ok(object.clone()));
        }
    });
    (receiver, main)
}

/// A reconcile that notes when it goes well.
fn noting<K, F>(
    reconcile: fn(Arc<K>, Arc<Context>) -> F,
) -> impl FnMut(Arc<K>, Arc<Context>) -> BoxFuture<'static, Result<Action, Trouble>>
where
    K: Kind + Send + Sync + 'static,
    F: Future<Output = Result<Action, Trouble>> + Send + 'static,
{
    move |object, context| {
        Box::pin(async move {
            context.everything_is_known().await;
            let started = Instant::now();
            let result = reconcile(object.clone(), context.clone()).await;
            context.metrics.reconciled(&K::kind(&()), started.elapsed(), result.is_ok());
            if result.is_ok() {
                context.failures.clear(&object.uid().unwrap_or_default());
            }
            result
        })
    }
}

fn retry<K: Kind>(object: Arc<K>, trouble: &Trouble, context: Arc<Context>) -> Action {
    let failures = context.failures.count(&object.uid().unwrap_or_default());
    tracing::warn!(kind = %K::kind(&()), name = object.name_any(), %trouble, failures, "tried again later");
    Action::requeue(pause_after(failures))
}

fn log<K: Resource<DynamicType = ()>, E: std::fmt::Display>(kind: &str, result: Result<(ObjectRef<K>, Action), E>) {
    if let Err(error) = result {
        tracing::debug!(kind, %error, "a reconcile did not end");
    }
}
