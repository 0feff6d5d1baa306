//! What is to be done about a cluster. Pure: how a token's random letters are drawn is among the facts.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;
use shoal_core::Failure;
use shoal_core::spec::v1alpha1::{ClusterSpec, JOB_KIND};

use super::head::Named;
use super::seen::Sight;
use super::tls;
use super::view::View;
use super::{children, exchange, head, missing};
use crate::budget;
use crate::changes::{Change, Reference, ensure};
use crate::names;
use crate::pod_state::obstacle;
use crate::resources::{Kind, ShoalCluster, ShoalWorkerGroup};
use crate::scaling::Told;

/// Whose an object is that has the name of one of the cluster's.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Holder {
    /// There is none.
    Nobody,
    /// This cluster's.
    Cluster,
    /// Made by somebody for whoever uses it.
    User,
    /// Another object's: of an earlier cluster with that name, as a rule, which is about to go.
    Other,
}

impl Holder {
    /// Reads it from the object's owners.
    pub(super) fn of(cluster: &ShoalCluster, object: Option<&ObjectMeta>) -> Self {
        let Some(object) = object else { return Self::Nobody };
        let owners = object.owner_references.as_deref().unwrap_or_default();
        match owners {
            [] => Self::User,
            owners if owners.iter().any(|owner| Some(&owner.uid) == cluster.metadata.uid.as_ref()) => Self::Cluster,
            _ => Self::Other,
        }
    }
}

/// What is known about a cluster.
pub(super) struct Facts {
    pub(super) cluster: Arc<ShoalCluster>,
    pub(super) head: Option<Arc<StatefulSet>>,
    pub(super) head_pods: Vec<Arc<Pod>>,
    /// Its Services, token and certificate.
    pub(super) sight: Sight,
    /// The budget of the head's name.
    pub(super) budget: Option<Arc<PodDisruptionBudget>>,
    /// NetworkPolicies that there shall be, each with the one that there is.
    pub(super) policies: Vec<(Option<Arc<NetworkPolicy>>, Value)>,
    /// Draws a token that nobody has yet.
    pub(super) new_token: fn() -> String,
    /// The groups that have names as its own have.
    pub(super) groups: Vec<Arc<ShoalWorkerGroup>>,
    /// Pods of its groups that work.
    pub(super) ready_workers: u32,
    /// Whether jobs of it are unfinished.
    pub(super) busy: bool,
    /// What the autoscaler says, where it says how large the cluster is to be.
    pub(super) scaling: Option<Told>,
    /// Image of clusters that name none.
    pub(super) default_image: String,
    pub(super) now: Timestamp,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) changes: Vec<Change>,
    pub(super) view: View,
    /// When to look again, if nothing happens before.
    pub(super) again_after: Option<Duration>,
}

/// How often is looked whether a name has become free.
const NAME_LOOK: Duration = Duration::from_secs(2);

/// Decides.
pub(super) fn decide(facts: &Facts) -> Decision {
    let cluster = &facts.cluster;
    let spec = match cluster.spec() {
        Ok(spec) => spec,
        Err(failure) => return unreadable(&failure),
    };
    let image = image(&spec, facts);
    if let Some(taken) = taken(facts, &spec) {
        let view = View { taken: Some(taken), ..view(facts, &spec, image, false) };
        return Decision { changes: Vec::new(), view, again_after: Some(NAME_LOOK) };
    }
    let name = cluster.name_any();
    let mut changes = Vec::new();
    if facts.sight.token == Holder::Nobody {
        changes.push(Change::Create(children::token(&name, &(facts.new_token)())));
    }
    let mode = tls::mode(&spec, &cluster.status().cloned().unwrap_or_default());
    let tls_secret = mode.secret(&name);
    changes.extend(tls::changes(&mode, &name, &facts.sight.tls));
    let of_groups = changes_of_groups(facts, &spec, &image, tls_secret.as_deref());
    let (head_change, head_waits) = change_of_head(facts, &spec, &image, tls_secret.as_deref(), of_groups.is_empty());
    let as_it_is = facts.head.as_ref().filter(|_| head_change.is_empty());
    let (trial, missing_look) = as_it_is.map_or((None, None), |set| missing::trial(set, &facts.head_pods, facts.now));
    // First what takes longest to become something; one that is there goes after its workers.
    let (new_head, old_head): (Vec<_>, Vec<_>) = head_change.into_iter().partition(|_| facts.head.is_none());
    changes.extend(new_head);
    if facts.sight.service == Holder::Nobody {
        changes.push(Change::Apply(head::service(&name, &spec.head.state)));
    }
    if facts.sight.heads_service == Holder::Nobody && spec.head.state.etcd.is_some() {
        changes.push(Change::Apply(head::heads_service(&name)));
    }
    changes.extend(of_groups);
    changes.extend(old_head);
    changes.extend(change_of_budget(facts, &spec));
    let uid = cluster.metadata.uid.as_deref();
    changes.extend(facts.policies.iter().filter_map(|(found, wanted)| ensure(found.as_deref(), uid, wanted.clone())));
    changes.extend(trial);
    let view = view(facts, &spec, image, head_waits);
    Decision { changes, view, again_after: head_waits.then_some(JOBS_LOOK).or(missing_look) }
}

/// How often is looked whether the jobs have ended that the head waits for.
const JOBS_LOOK: Duration = Duration::from_secs(5);

/// The image of head and workers. One that was chosen for the user stays, so that a newer operator restarts nothing: it is
/// in the status, and before there is one, in the groups that were made with it.
fn image(spec: &ClusterSpec, facts: &Facts) -> String {
    let said = || facts.cluster.status().and_then(|status| status.image.clone());
    let made_with = || own_groups(facts).find_map(|group| group.spec().ok()).map(|group| group.image);
    spec.image.clone().or_else(said).or_else(made_with).unwrap_or_else(|| facts.default_image.clone())
}

/// What stands in the cluster's way: an object of that name which belongs to something else.
fn taken(facts: &Facts, spec: &ClusterSpec) -> Option<String> {
    let name = facts.cluster.name_any();
    let head = Holder::of(&facts.cluster, facts.head.as_ref().map(|head| &head.metadata));
    let is_others = |holder: &Holder| matches!(holder, Holder::Other | Holder::User);
    if is_others(&head) {
        return Some(format!("the StatefulSet {}", names::head(&name)));
    }
    if is_others(&facts.sight.service) {
        return Some(format!("the Service {}", names::head(&name)));
    }
    if is_others(&facts.sight.heads_service) {
        return Some(format!("the Service {}", names::heads(&name)));
    }
    let is_theirs = |holder: &Holder| *holder == Holder::Other;
    if is_theirs(&facts.sight.tls.secret) || is_theirs(&facts.sight.tls.certificate) {
        return Some(format!("the Secret or Certificate {}", names::tls(&name)));
    }
    // A token that a user has made is as good as ours.
    if facts.sight.token == Holder::Other {
        return Some(format!("the Secret {}", names::token(&name)));
    }
    let groups = spec.worker_groups.iter().filter_map(|entry| group_named(facts, &names::group(&name, &entry.name)));
    let others = groups.filter(|group| Holder::of(&facts.cluster, Some(&group.metadata)) != Holder::Cluster);
    others.map(|group| format!("the ShoalWorkerGroup {}", group.name_any())).next()
}

fn group_named<'a>(facts: &'a Facts, name: &str) -> Option<&'a ShoalWorkerGroup> {
    facts.groups.iter().find(|group| group.name_any() == name).map(|group| &**group)
}

fn own_groups(facts: &Facts) -> impl Iterator<Item = &ShoalWorkerGroup> {
    let is_own = |group: &&ShoalWorkerGroup| Holder::of(&facts.cluster, Some(&group.metadata)) == Holder::Cluster;
    facts.groups.iter().map(|group| &**group).filter(is_own)
}

fn changes_of_groups(facts: &Facts, spec: &ClusterSpec, image: &str, tls_secret: Option<&str>) -> Vec<Change> {
    let name = facts.cluster.name_any();
    let mut changes = Vec::new();
    for entry in &spec.worker_groups {
        let group_name = names::group(&name, &entry.name);
        let group = group_named(facts, &group_name);
        let wanted = children::group(&name, spec, entry, image, tls_secret, group);
        if !group.is_some_and(|group| children::is_as(group, &wanted)) {
            changes.push(Change::Apply(wanted));
        }
    }
    let is_named = |group: &ShoalWorkerGroup| {
        spec.worker_groups.iter().any(|entry| names::group(&name, &entry.name) == group.name_any())
    };
    let unnamed = own_groups(facts).filter(|group| !is_named(group) && group.metadata.deletion_timestamp.is_none());
    changes.extend(unnamed.map(|group| Change::Delete(Reference::of(group))));
    changes
}

/// What is to be done about the heads, and whether they stay as it is because jobs run or workers are to go first.
///
/// What is compared is what the user has set: of a head whose settings are the same, nothing but the number of pods is
/// touched, so that a newer operator, which may make another head of them, restarts none.
fn change_of_head(
    facts: &Facts,
    spec: &ClusterSpec,
    image: &str,
    tls_secret: Option<&str>,
    groups_stay: bool,
) -> (Vec<Change>, bool) {
    let (name, namespace) = (facts.cluster.name_any(), facts.cluster.namespace().unwrap_or_default());
    let uid = facts.cluster.uid().unwrap_or_default();
    let named = Named { namespace: &namespace, name: &name, uid: &uid };
    let whole = || vec![Change::Apply(head::stateful_set(named, spec, image, tls_secret))];
    let Some(set) = &facts.head else { return (whole(), false) };
    if set.annotations().get(names::HASH_ANNOTATION) != Some(&head::hash(spec, image)) {
        // A head without a pod, or with one that does not work, has nothing to lose.
        let works = ready_heads(facts) > 0 && !spec.suspend;
        return match works && (facts.busy || !groups_stay || !workers_are_updated(facts)) {
            true => (Vec::new(), true),
            false => (whole(), false),
        };
    }
    let replicas = if spec.suspend { 0 } else { i32::try_from(head::count(&spec.head)).unwrap_or(1) };
    let found = set.spec.as_ref().and_then(|spec| spec.replicas);
    if found != Some(replicas) {
        let patch = serde_json::json!({"spec": {"replicas": replicas}});
        return (vec![Change::Merge(Reference::of(&**set), patch)], false);
    }
    if facts.busy && exchange::is_due(set, &facts.head_pods) {
        return (Vec::new(), true);
    }
    let next = exchange::next(set, &facts.head_pods);
    (next.into_iter().map(|pod| Change::Delete(Reference::of(pod))).collect(), false)
}

/// A budget for the head of a cluster that lives with its job and keeps the job's state in the pod: while it is there its
/// node is not drained, because the job would be lost.
///
/// No other head has one. A single head comes back with its volume, and a budget that held it would hold its node for ever.
/// Of several only the one that leads is ready, which is what a budget counts: it could never go.
fn change_of_budget(facts: &Facts, spec: &ClusterSpec) -> Option<Change> {
    let cluster = &facts.cluster;
    let is_a_jobs = cluster.owner_references().iter().any(|owner| owner.kind == JOB_KIND);
    if !is_a_jobs || spec.head.state.ephemeral.is_none() {
        return None;
    }
    let name = cluster.name_any();
    let wanted = budget::budget(&names::head(&name), &names::labels(&name), &names::head_selector(&name), &0.into());
    ensure(facts.budget.as_deref(), cluster.metadata.uid.as_deref(), wanted)
}

/// Whether all groups have exchanged their pods: the head, which understands older workers and newer ones, goes last.
fn workers_are_updated(facts: &Facts) -> bool {
    own_groups(facts).all(|group| {
        let status = group.status().cloned().unwrap_or_default();
        status.observed_generation == group.metadata.generation && status.updated_replicas == status.replicas
    })
}

fn ready_heads(facts: &Facts) -> i32 {
    facts.head.as_ref().and_then(|head| head.status.as_ref()?.ready_replicas).unwrap_or(0)
}

fn view(facts: &Facts, spec: &ClusterSpec, image: String, head_waits: bool) -> View {
    let wanted = |group: &ShoalWorkerGroup| group.spec().map_or(0, |spec| if spec.suspend { 0 } else { spec.replicas });
    View {
        unreadable: None,
        taken: None,
        suspended: spec.suspend,
        head_is_ready: ready_heads(facts) > 0 && !spec.suspend,
        head_obstacle: facts.head_pods.iter().find_map(|pod| obstacle(pod)),
        head_waits,
        image: Some(image),
        tls: tls::mode(spec, &facts.cluster.status().cloned().unwrap_or_default()).is_on(),
        authority: facts.sight.tls.authority.clone(),
        workers: own_groups(facts).map(wanted).sum(),
        ready_workers: facts.ready_workers,
        scaling: facts.scaling.clone(),
    }
}

fn unreadable(failure: &Failure) -> Decision {
    let view = View { unreadable: Some(failure.message.clone()), ..View::default() };
    Decision { changes: Vec::new(), view, again_after: None }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
