//! What is to be done about a group's pods. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use shoal_core::spec::v1alpha1::WorkerGroupSpec;

use super::backoff::Hold;
use super::order::{Loads, cheapest_first};
use super::pod;
use super::view::View;
use crate::budget;
use crate::changes::{Change, Reference, ensure};
use crate::index::ASSUMED;
use crate::names;
use crate::pod_state::{has_ended, is_ending, is_ready, obstacle};
use crate::resources::{Kind, ShoalWorkerGroup};

/// What is known about a group.
pub(super) struct Facts {
    pub(super) group: Arc<ShoalWorkerGroup>,
    /// Its pods, those that are ending included.
    pub(super) pods: Vec<Arc<Pod>>,
    /// Names of all pods that the operator's label is on and that are named as the group's: whoever has one, it is taken.
    pub(super) taken: BTreeSet<String>,
    /// Whether jobs of its cluster are unfinished: pods are not exchanged for newer ones under them.
    pub(super) busy: bool,
    /// Until when no pod is made, because others have failed.
    pub(super) hold: Option<Hold>,
    /// What its workers have to do and to hold, where that was asked for.
    pub(super) loads: Loads,
    /// The budget of its name.
    pub(super) budget: Option<Arc<PodDisruptionBudget>>,
}

/// What is to be done, and what to say about it.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) changes: Vec<Change>,
    pub(super) view: View,
    /// Workers that the head is to give no more tasks before the changes are made.
    pub(super) leaving: Vec<String>,
    /// When to look again, if nothing happens before.
    pub(super) again_after: Option<Duration>,
}

/// Decides.
pub(super) fn decide(facts: &Facts, now: Timestamp) -> Decision {
    let Facts { group, pods, taken, busy, hold, loads, budget } = facts;
    let spec = match group.spec() {
        Ok(spec) => spec,
        Err(failure) => {
            let view = View { unreadable: Some(failure.message), ..View::default() };
            return Decision { changes: Vec::new(), view, leaving: Vec::new(), again_after: None };
        }
    };
    let entry = entry(group);
    let wanted = if spec.suspend { 0 } else { spec.replicas };
    let hash = pod::hash(&spec);
    let live = live(pods);
    let is_current = |pod: &Pod| pod.annotations().get(names::HASH_ANNOTATION) == Some(&hash);
    let updated = live.iter().filter(|pod| is_current(pod)).count();
    let ready = live.iter().filter(|pod| is_ready(pod)).count();
    let missing = (wanted as usize).saturating_sub(live.len());
    let surplus = live.len().saturating_sub(wanted as usize);
    let held = hold.as_ref().and_then(|hold| hold.left(now)).filter(|_| missing > 0);

    let mut changes = Vec::new();
    // A pod that has failed or was evicted holds its name until it is deleted.
    let ended = pods.iter().filter(|pod| has_ended(pod) && !is_ending(pod));
    changes.extend(ended.map(|pod| Change::Delete(Reference::of(&**pod))));
    if held.is_none() {
        changes.extend(to_make(group, &spec, &entry, taken, missing.min(MADE_AT_ONCE)));
    }
    let mut waits_for_jobs = false;
    let mut to_go = Vec::new();
    if surplus > 0 {
        to_go = cheapest_first(&group.name_any(), &live, loads, is_current);
        to_go.truncate(surplus);
    } else if updated < live.len() && missing == 0 {
        waits_for_jobs = *busy;
        if !busy {
            to_go = next_to_exchange(&live, is_current);
        }
    }
    changes.extend(to_go.iter().map(|pod| Change::Delete(Reference::of(*pod))));
    changes.extend(change_of_budget(group, &spec, &entry, budget.as_deref()));
    // Of a suspended cluster the head goes as well: nobody is there who could take anything over.
    let leaving = to_go.iter().filter(|pod| is_ready(pod) && !spec.suspend).map(|pod| pod.name_any()).collect();
    let makes = held.is_none() && missing > 0;
    let again_after = held.or(waits_for_jobs.then_some(JOBS_LOOK)).or(makes.then_some(MADE_LOOK));
    let view = View {
        wanted,
        live: count(live.len()),
        ready: count(ready),
        updated: count(updated),
        waits_for_jobs,
        selector: names::selector_text(&names::group_selector(&spec.cluster_name, &entry)),
        unreadable: None,
        failing: held.is_some().then(|| hold.as_ref().map(|hold| hold.message.clone())).flatten(),
        obstacle: live.iter().find_map(|pod| obstacle(pod)),
    };
    Decision { changes, leaving, again_after, view }
}

/// Whether some of a group's pods have to go and others stay: only then is it of use to know what each of them does.
pub(super) fn has_a_choice(group: &ShoalWorkerGroup, pods: &[Arc<Pod>]) -> bool {
    let wanted = group.spec().map_or(0, |spec| if spec.suspend { 0 } else { spec.replicas as usize });
    wanted > 0 && live(pods).len() > wanted
}

/// Pods that neither have ended nor were told to.
fn live(pods: &[Arc<Pod>]) -> Vec<&Pod> {
    pods.iter().map(|pod| &**pod).filter(|pod| !is_ending(pod) && !has_ended(pod)).collect()
}

/// The group's budget, which is there always: it holds up nothing but the drain of a node, which waits for one worker
/// after the other. Not while the group is so small that it would hold up nothing.
fn change_of_budget(
    group: &ShoalWorkerGroup,
    spec: &WorkerGroupSpec,
    entry: &str,
    found: Option<&PodDisruptionBudget>,
) -> Option<Change> {
    let replicas = u64::from(spec.replicas);
    if found.is_none() && spec.max_unavailable.of_rounded_up(replicas) >= replicas {
        return None;
    }
    let selector = names::group_selector(&spec.cluster_name, entry);
    let mut labels = names::labels(&spec.cluster_name);
    labels.insert(names::GROUP_LABEL.to_owned(), entry.to_owned());
    let max_unavailable = serde_json::to_value(spec.max_unavailable).ok()?;
    let wanted = budget::budget(&group.name_any(), &labels, &selector, &max_unavailable);
    ensure(found, group.uid().as_deref(), wanted)
}

/// Pods that one look makes. As pods of a thousand workers they would be the largest thing that the operator has in memory;
/// each that is made leads to the next look.
const MADE_AT_ONCE: usize = 128;

/// When to look again after pods were made: one that is gone already would be taken for there as long.
const MADE_LOOK: Duration = ASSUMED.saturating_add(Duration::from_secs(1));

/// How often is looked whether the jobs have ended that pods wait for.
const JOBS_LOOK: Duration = Duration::from_secs(5);

/// The group's name within its cluster: its label where the operator has made it, else its own name.
fn entry(group: &ShoalWorkerGroup) -> String {
    group.labels().get(names::GROUP_LABEL).cloned().unwrap_or_else(|| group.name_any())
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}

/// The pods that are missing, under the lowest numbers that are free.
fn to_make(
    group: &ShoalWorkerGroup,
    spec: &WorkerGroupSpec,
    entry: &str,
    taken: &BTreeSet<String>,
    missing: usize,
) -> Vec<Change> {
    let namespace = group.namespace().unwrap_or_default();
    let names = (0..).map(|ordinal| names::worker(&group.name_any(), ordinal)).filter(|name| !taken.contains(name));
    names.take(missing).map(|name| Change::Create(pod::worker(&namespace, entry, &name, spec))).collect()
}

/// Of a group whose pods are not all as its spec has them, the next to go: those that do not work anyway, else one, and
/// that only while all others work.
fn next_to_exchange<'a>(live: &[&'a Pod], is_current: impl Fn(&Pod) -> bool) -> Vec<&'a Pod> {
    let outdated: Vec<&'a Pod> = live.iter().copied().filter(|pod| !is_current(pod)).collect();
    let idle: Vec<&'a Pod> = outdated.iter().copied().filter(|pod| !is_ready(pod)).collect();
    let all_are_ready = live.iter().all(|pod| is_ready(pod));
    if idle.is_empty() { outdated.into_iter().take(usize::from(all_are_ready)).collect() } else { idle }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
