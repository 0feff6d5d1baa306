//! How large a cluster's groups are to be, where the operator says that: it asks the head or a Prometheus what work there
//! is, has `shoal_core::autoscaling` decide, and writes `replicas` of the ShoalWorkerGroups. How a group becomes larger or
//! smaller is the group's own matter, as it is where somebody else scales it.

mod facts;
mod memory;
mod queries;
mod source;
mod starts;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Api, ResourceExt};
use serde_json::json;
use shoal_core::autoscaling::constants::FACT_AGE_MAX;
use shoal_core::autoscaling::signal::{self, Signal};
use shoal_core::autoscaling::trouble::SignalTrouble;
use shoal_core::autoscaling::{Decision, Facts, GroupDecision, GroupReport, HeadState, Observed, Policy, decide};
use shoal_core::spec::v1alpha1::{ClusterSpec, PrometheusQueries, PrometheusSource, WorkerGroupSpec};

use self::facts::Loads;
pub(crate) use self::memory::{METRICS_AVAILABLE, Scaling, Told};
pub(crate) use self::source::Scrape;
use self::source::{ANSWER_MAX, Prometheus};
use crate::changes::{Change, Reference};
use crate::context::Context;
use crate::metrics::GroupSize;
use crate::pod_state::is_ready;
use crate::resources::{Kind, ShoalCluster, ShoalWorkerGroup};
use crate::trouble::Trouble;
use crate::{group as worker_group, job, names};

/// Pause between two looks at one cluster, however many jobs come.
const LOOK_MIN: Duration = Duration::from_millis(300);

/// Longest pause while there is work, or a worker: what a head tells is as of the moment when it is asked.
const LOOK_AT_WORK: Duration = Duration::from_secs(2);

/// The same where a Prometheus is asked, which knows nothing newer than its last scrape.
const LOOK_AT_PROMETHEUS: Duration = Duration::from_secs(5);

/// Longest pause while there is neither: whoever has work wakes the operator.
const LOOK_AT_REST: Duration = Duration::from_secs(30);

/// How old what a head tells may be: it is as of the moment when it is asked.
const HEAD_AGE_MAX_SECONDS: i64 = 15;

/// How long a head that is ready may be without a connection before that is a fault.
const HEAD_CONNECTS_SECONDS: i64 = 30;

/// When to look again after trouble with the API server.
const AGAIN: Duration = Duration::from_secs(2);

/// When a look is repeated that did not end.
pub(crate) fn again(trouble: &Trouble) -> Action {
    tracing::debug!(%trouble, "the size of a cluster is looked at again");
    Action::requeue(AGAIN)
}

/// A group of a cluster: its name there, and what there is of it.
struct Group {
    entry: String,
    object: Arc<ShoalWorkerGroup>,
    spec: WorkerGroupSpec,
    pods: Vec<Arc<Pod>>,
}

/// Looks how large a cluster's groups are to be, and makes them so.
pub(crate) async fn reconcile(cluster: Arc<ShoalCluster>, context: Arc<Context>) -> Result<Action, Trouble> {
    context.everything_is_known().await;
    let uid = cluster.uid().unwrap_or_default();
    let spec = match cluster.spec() {
        Ok(spec) if cluster.metadata.deletion_timestamp.is_none() => spec,
        // What cannot be read is held as it is, and so is what goes.
        _ => return Ok(Action::await_change()),
    };
    let Some(policy) = policy_of(&spec).filter(|_| !spec.suspend) else {
        let [namespace, name] = names_of(&cluster);
        context.scaling.forget(&uid);
        context.metrics.no_longer_scaled(&namespace, &name);
        return Ok(Action::await_change());
    };
    if let Some(pause) = context.scaling.turn(&uid, Instant::now(), LOOK_MIN) {
        return Ok(Action::requeue(pause));
    }
    let now = Timestamp::now();
    let prometheus = spec.autoscaling.as_ref().and_then(|own| own.source.as_ref()?.prometheus.as_ref());
    let groups = groups(&cluster, &spec, &context);
    let (signal, loads) = tokio::join!(signal(&cluster, prometheus, &context), loads(&cluster, &context, &groups));
    let facts = context.scaling.remembering(&uid, |memory| gather(&cluster, &context, &groups, signal, &loads, memory));
    let now_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let decision = context.scaling.remembering(&uid, |memory| {
        let (decision, history) = decide(&facts, &policy, &memory.history, now_ms);
        memory.history = history;
        decision
    });
    carry_out(&cluster, &context, &groups, &decision).await?;
    let rests = is_at_rest(&facts, &groups);
    let at_work = if prometheus.is_some() { LOOK_AT_PROMETHEUS } else { LOOK_AT_WORK };
    let longest = if rests { LOOK_AT_REST } else { at_work };
    let next = Duration::from_millis(decision.report.next_look_ms.saturating_sub(now_ms)).clamp(LOOK_MIN, longest);
    let told = status::told(&facts, &decision, next, now);
    count(&cluster, &context, &facts, &decision);
    context.scaling.tell(&cluster, told, Instant::now()).await;
    Ok(Action::requeue(next))
}

/// How a cluster's size follows its work, where the operator is to decide. Its head stays: only a job of the operator's own
/// list could wake it, and a head takes others as well.
fn policy_of(spec: &ClusterSpec) -> Option<Policy> {
    let policy = Policy::parse(spec).unwrap_or_else(|failure| {
        tracing::warn!(%failure, "a cluster's `autoscaling` cannot be read");
        None
    })?;
    Some(Policy { head_may_sleep: false, ..policy })
}

fn names_of(cluster: &ShoalCluster) -> [String; 2] {
    [cluster.namespace().unwrap_or_default(), cluster.name_any()]
}

/// Whether nothing is to be done and nobody is there to do it.
fn is_at_rest(facts: &Facts, groups: &[Group]) -> bool {
    let idle = facts.work.value().is_some_and(|work| {
        work.unfinished_jobs == 0 && work.classes.iter().all(|class| class.queued_tasks + class.running_tasks == 0)
    });
    idle && groups.iter().all(|group| group.pods.is_empty() && group.spec.replicas == 0)
}

/// The groups that there are of a cluster's entries.
fn groups(cluster: &ShoalCluster, spec: &ClusterSpec, context: &Context) -> Vec<Group> {
    let [namespace, name] = names_of(cluster);
    let group = |entry: &str| {
        let object = context.groups.get(&namespace, &names::group(&name, entry))?;
        let beginning = names::beginning_of_children(&object.name_any());
        let uid = object.uid();
        let mut pods = context.pods.beginning_with(&namespace, &beginning, Instant::now());
        pods.retain(|pod| pod.owner_references().iter().any(|owner| Some(&owner.uid) == uid.as_ref()));
        let spec = object.spec().ok()?;
        Some(Group { entry: entry.to_owned(), object, spec, pods })
    };
    spec.worker_groups.iter().filter_map(|entry| group(&entry.name)).collect()
}

/// What the leading head tells of its work, or a Prometheus of that.
async fn signal(
    cluster: &ShoalCluster,
    prometheus: Option<&PrometheusSource>,
    context: &Context,
) -> Result<Signal, SignalTrouble> {
    let [namespace, name] = names_of(cluster);
    let Some(prometheus) = prometheus else {
        let scrape = context.heads.scrape(&namespace, &name).ok_or_else(no_head)?;
        let samples = scrape.samples().await?;
        return signal::read(&samples, Timestamp::now().as_millisecond(), HEAD_AGE_MAX_SECONDS);
    };
    let secret = match &prometheus.auth_secret_ref {
        Some(reference) => Some(secret(context, &namespace, &reference.name).await?),
        None => None,
    };
    let own = prometheus.queries.as_ref().map(PrometheusQueries::by_metric).unwrap_or_default();
    let asked = Prometheus { url: &prometheus.url, secret: secret.as_ref() };
    let samples = asked.samples(&queries::queries(&namespace, &name, &own)).await?;
    let age_max_seconds = i64::try_from(FACT_AGE_MAX.as_secs()).unwrap_or(i64::MAX);
    signal::read(&samples, Timestamp::now().as_millisecond(), age_max_seconds)
}

fn no_head() -> SignalTrouble {
    SignalTrouble::Unreachable { what: "no head of the cluster is connected".to_owned() }
}

async fn secret(context: &Context, namespace: &str, name: &str) -> Result<Secret, SignalTrouble> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let found = tokio::time::timeout(ANSWER_MAX, secrets.get(name)).await;
    let unusable = |why: String| SignalTrouble::Credentials { what: format!("the Secret {name}: {why}") };
    found.map_err(|_| unusable("the API server does not answer".into()))?.map_err(|error| unusable(error.to_string()))
}

/// What the workers do, where there are such that could do something.
async fn loads(cluster: &ShoalCluster, context: &Context, groups: &[Group]) -> Result<Loads, SignalTrouble> {
    let [namespace, name] = names_of(cluster);
    if !groups.iter().flat_map(|group| &group.pods).any(|pod| is_ready(pod)) {
        return Ok(Loads::new());
    }
    let client = context.heads.client(&namespace, &name).map_err(|_| no_head())?;
    client.loads().await.map_err(|failure| SignalTrouble::Unreachable { what: failure.message })
}

fn gather(
    cluster: &Arc<ShoalCluster>,
    context: &Context,
    groups: &[Group],
    signal: Result<Signal, SignalTrouble>,
    loads: &Result<Loads, SignalTrouble>,
    memory: &mut memory::Memory,
) -> Facts {
    let [namespace, name] = names_of(cluster);
    let now = Timestamp::now();
    let pods: Vec<Arc<Pod>> = groups.iter().flat_map(|group| group.pods.iter().cloned()).collect();
    if let Ok(loads) = loads {
        memory.idle_since = facts::idle(&memory.idle_since, &pods, loads, now);
    }
    groups.iter().for_each(|group| memory.starts.note(&group.entry, &group.pods));
    memory.starts.keep_only(&pods);
    let head = head(context, &namespace, &name, now);
    let unfinished = context
        .jobs
        .state_filter(|job| job.metadata.namespace.as_deref() == Some(&namespace) && job::may_run_on(job, &name));
    let (idle_since, starts) = (&memory.idle_since, &memory.starts);
    let of_group = |group: &Group| {
        let Group { entry, object, spec, pods } = group;
        facts::group(entry, object, spec, &facts::Seen { pods, loads, idle_since, starts }, now)
    };
    Facts {
        head,
        work: facts::work(signal),
        unfinished_jobs: Observed::known(facts::ms_of(now), unfinished.len() as u64),
        groups: groups.iter().map(of_group).collect(),
    }
}

fn count(cluster: &ShoalCluster, context: &Context, facts: &Facts, decision: &Decision) {
    let groups: Vec<GroupSize<'_>> = decision.report.groups.iter().map(|report| size(facts, report)).collect();
    context.metrics.scaled(&names_of(cluster), decision.report.hold.is_none(), &groups);
}

fn size<'a>(facts: &Facts, report: &'a GroupReport) -> GroupSize<'a> {
    let GroupReport { group: name, current, target, rule, .. } = report;
    let facts = facts.groups.iter().find(|facts| facts.name == *name);
    let start_seconds = facts.and_then(|facts| facts.startup).map(|startup| startup.as_secs_f64());
    GroupSize { name, desired: *target, current: *current, start_seconds, rule: rule.name() }
}

/// Whether a head could tell of work: one that is connected, or has been ready for so long that it should be.
fn head(context: &Context, namespace: &str, name: &str, now: Timestamp) -> HeadState {
    let selector = names::head_selector(name);
    let pods = context.pods.beginning_with(namespace, &names::beginning_of_children(name), Instant::now());
    let should_tell = |pod: &Pod| {
        selector.iter().all(|(label, value)| pod.labels().get(label) == Some(value))
            && starts::ready_since(pod)
                .is_some_and(|since| now.duration_since(since).as_secs() >= HEAD_CONNECTS_SECONDS)
    };
    match context.heads.scrape(namespace, name).is_some() || pods.iter().any(|pod| should_tell(pod)) {
        true => HeadState::Running,
        false => HeadState::Starting,
    }
}

/// Gives each group its size. Which of its workers go is the group's choice, which asks the head what they do: those that
/// are to leave come first, and have no more tasks before their pods are deleted.
async fn carry_out(
    cluster: &Arc<ShoalCluster>,
    context: &Context,
    groups: &[Group],
    decision: &Decision,
) -> Result<(), Trouble> {
    for Group { entry, object, spec, .. } in groups {
        let Some(decided) = decision.group(entry).filter(|decided| decided.target != spec.replicas) else { continue };
        let report = decision.report.groups.iter().find(|report| report.group == *entry);
        let is_larger = decided.target > spec.replicas;
        if !is_larger {
            cordon(cluster, context, decided).await;
        }
        // Of the version that was looked at: somebody who scales it at this moment would be overwritten.
        let version = json!({"resourceVersion": object.resource_version()});
        let patch = json!({"metadata": version, "spec": {"replicas": decided.target}});
        context.carry_out(&**cluster, vec![Change::Merge(Reference::of(&**object), patch)]).await?;
        let reason = if is_larger { "ScaledUp" } else { "ScaledDown" };
        let why = report.map(ToString::to_string).unwrap_or_default();
        let note = format!("group {entry}, {} workers before: {why}", spec.replicas);
        context.announce(&**cluster, EventType::Normal, reason, &note, "Scale".to_owned()).await;
    }
    Ok(())
}

/// Has the head give those no more tasks that are to leave. It does without: a group tells the head itself before it
/// deletes a pod.
async fn cordon(cluster: &ShoalCluster, context: &Context, decided: &GroupDecision) {
    let [namespace, name] = names_of(cluster);
    let leaving: Vec<String> = decided.drain.iter().map(|leaving| leaving.worker.0.clone()).collect();
    if let Ok(client) = context.heads.client(&namespace, &name)
        && !leaving.is_empty()
        && let Err(failure) = client.drain(leaving, worker_group::DRAIN).await
    {
        tracing::debug!(name, %failure, "the head does not know yet that workers are to leave");
    }
}
