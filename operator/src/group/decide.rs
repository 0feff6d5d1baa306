//! What is to be done about a group's pods. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use shoal_core::spec::v1alpha1::WorkerGroupSpec;
use shoal_core::spec::v1alpha1::status::WorkerGroupStatus;

use super::pod;
use crate::changes::{Change, Reference};
use crate::conditions::{Fact, conditions};
use crate::names;
use crate::resources::{Kind, ShoalWorkerGroup};

/// What is known about a group.
pub(super) struct Facts {
    pub(super) group: Arc<ShoalWorkerGroup>,
    /// Its pods, those that are ending included.
    pub(super) pods: Vec<Arc<Pod>>,
    /// Whether jobs of its cluster are unfinished: pods are not exchanged for newer ones under them.
    pub(super) busy: bool,
}

/// What is to be done, and what to say about it.
pub(super) struct Decision {
    pub(super) changes: Vec<Change>,
    /// Why not all of it could be done.
    pub(super) failure: Option<String>,
    group: Arc<ShoalWorkerGroup>,
    view: View,
}

/// The pods, counted.
#[derive(Debug, Default, PartialEq)]
struct View {
    wanted: u32,
    live: u32,
    ready: u32,
    updated: u32,
    waits_for_jobs: bool,
    selector: String,
    unreadable: Option<String>,
    /// What a pod that cannot start waits for.
    waiting: Option<(String, String)>,
}

/// Decides.
pub(super) fn decide(facts: &Facts, _now: Timestamp) -> Decision {
    let group = facts.group.clone();
    let spec = match group.spec() {
        Ok(spec) => spec,
        Err(failure) => {
            let view = View { unreadable: Some(failure.message), ..View::default() };
            return Decision { changes: Vec::new(), failure: None, group, view };
        }
    };
    let name = group.name_any();
    let entry = group.labels().get(names::GROUP_LABEL).cloned().unwrap_or_else(|| name.clone());
    let wanted = if spec.suspend { 0 } else { spec.replicas };
    let hash = pod::hash(&spec);
    let (live, gone): (Vec<&Arc<Pod>>, Vec<&Arc<Pod>>) = facts.pods.iter().partition(|pod| is_live(pod));
    let is_current = |pod: &Pod| pod.annotations().get(names::HASH_ANNOTATION) == Some(&hash);
    let updated = live.iter().filter(|pod| is_current(pod)).count();
    let ready = live.iter().filter(|pod| is_ready(pod)).count();

    let mut changes = Vec::new();
    // A pod that has failed or was evicted holds its name until it is deleted.
    changes.extend(gone.iter().filter(|pod| !is_ending(pod)).map(|pod| Change::Delete(Reference::of(&***pod))));
    let missing = (wanted as usize).saturating_sub(live.len());
    let taken: BTreeSet<u32> = facts.pods.iter().filter_map(|pod| names::ordinal(&name, &pod.name_any())).collect();
    let free = (0..).filter(|ordinal| !taken.contains(ordinal)).take(missing);
    changes.extend(free.map(|ordinal| Change::Create(pod::worker(&entry, &names::worker(&name, ordinal), &spec))));
    let surplus = live.len().saturating_sub(wanted as usize);
    let is_outdated = updated < live.len();
    let mut waits_for_jobs = false;
    if surplus > 0 {
        let mut order = live.clone();
        order.sort_by_key(|pod| cost(pod, is_current(pod), &name));
        changes.extend(order.iter().take(surplus).map(|pod| Change::Delete(Reference::of(&***pod))));
    } else if is_outdated && missing == 0 {
        waits_for_jobs = facts.busy;
        if !facts.busy {
            changes.extend(next_to_exchange(&live, ready, is_current));
        }
    }
    let view = View {
        wanted,
        live: live.len() as u32,
        ready: ready as u32,
        updated: updated as u32,
        waits_for_jobs,
        selector: names::selector_text(&names::group_selector(&spec.cluster_name, &entry)),
        unreadable: None,
        waiting: live.iter().find_map(|pod| waiting_for(pod)),
    };
    Decision { changes, failure: None, group, view }
}

/// Of a group that is not as its spec has it, the next pods to go: all that are not ready anyway, else one of those that
/// are, once all are.
fn next_to_exchange(live: &[&Arc<Pod>], ready: usize, is_current: impl Fn(&Pod) -> bool) -> Vec<Change> {
    let outdated: Vec<_> = live.iter().filter(|pod| !is_current(pod)).collect();
    let idle: Vec<_> = outdated.iter().filter(|pod| !is_ready(pod)).collect();
    if !idle.is_empty() {
        return idle.iter().map(|pod| Change::Delete(Reference::of(&****pod))).collect();
    }
    let all_are_ready = ready == live.len();
    outdated.iter().take(usize::from(all_are_ready)).map(|pod| Change::Delete(Reference::of(&***pod))).collect()
}

/// What it costs to lose a pod, the cheapest first: one that does not work yet, one that will go anyway, the youngest.
fn cost(pod: &Pod, is_current: bool, group: &str) -> (bool, bool, std::cmp::Reverse<u32>) {
    let ordinal = names::ordinal(group, &pod.name_any()).unwrap_or(u32::MAX);
    (is_ready(pod), is_current, std::cmp::Reverse(ordinal))
}

fn is_ending(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn is_live(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !is_ending(pod) && !matches!(phase, Some("Failed" | "Succeeded"))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Why a pod does not start: reason and message of its container, or of its scheduling.
fn waiting_for(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let scheduled = status.conditions.iter().flatten().find(|one| one.type_ == "PodScheduled" && one.status == "False");
    if let Some(condition) = scheduled {
        return Some((condition.reason.clone().unwrap_or_else(|| "Unschedulable".into()), condition.message.clone().unwrap_or_default()));
    }
    let waiting = status.container_statuses.iter().flatten().find_map(|one| one.state.as_ref()?.waiting.as_ref())?;
    let reason = waiting.reason.clone().filter(|reason| reason != "ContainerCreating" && reason != "PodInitializing")?;
    Some((reason, waiting.message.clone().unwrap_or_default()))
}

impl Decision {
    /// What to say of the group.
    pub(super) fn into_status(self, now: Timestamp) -> WorkerGroupStatus {
        let before = self.group.status().cloned().unwrap_or_default();
        let generation = self.group.metadata.generation;
        let View { wanted, live, ready, updated, waits_for_jobs, selector, unreadable, waiting } = self.view;
        let is_settled = live == wanted && ready == wanted && updated == live;
        let counted = format!("{ready} of {wanted} workers are ready");
        let ready_fact = match (unreadable, waiting) {
            (Some(message), _) => Fact::new("Ready", false, "InvalidSpec", message),
            (None, Some((reason, message))) if ready < wanted => {
                Fact::new("Ready", false, reason, format!("{counted}; one waits: {message}"))
            }
            _ => Fact::new("Ready", ready >= wanted, if ready >= wanted { "Ready" } else { "PodsStarting" }, counted.clone()),
        };
        let progressing = match (waits_for_jobs, is_settled) {
            (true, _) => Fact::new("Progressing", true, "WaitingForJobs", "pods of another image or template follow once no job is unfinished"),
            (false, true) => Fact::new("Progressing", false, "Settled", counted),
            (false, false) => Fact::new("Progressing", true, "PodsChanging", counted),
        };
        let failure = match self.failure {
            Some(message) => Fact::new("ReplicaFailure", true, failure_reason(&message), message),
            None => Fact::new("ReplicaFailure", false, "None", ""),
        };
        WorkerGroupStatus {
            observed_generation: generation,
            replicas: live,
            ready_replicas: ready,
            updated_replicas: updated,
            selector,
            conditions: conditions(&before.conditions, vec![ready_fact, progressing, failure], generation, now),
        }
    }
}

fn failure_reason(message: &str) -> &'static str {
    if message.contains("exceeded quota") { "QuotaExceeded" } else { "PodsRefused" }
}
