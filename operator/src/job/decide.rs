//! What the next step of a job is. Pure.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use shoal_core::journal::JobChange;
use shoal_core::spec::v1alpha1::status::JobStatus;
use shoal_core::spec::v1alpha1::{API_VERSION, CLUSTER_KIND, JobSpec, MANAGED_BY_OPERATOR};
use shoal_core::{Failure, Reason};
use xxhash_rust::xxh3::xxh3_64;

use super::{delete_cluster, status, submission::Submission};
use crate::changes::{Change, Reference};
use crate::heads::HeadView;
use crate::names::{self, CANCEL_FINALIZER, FORCE_ANNOTATION};
use crate::resources::{Kind, ShoalCluster, ShoalJob};

/// What is known about a job.
pub(super) struct Facts {
    pub(super) job: Arc<ShoalJob>,
    /// The clusters of its namespace.
    pub(super) clusters: Vec<Arc<ShoalCluster>>,
    /// The cluster that runs it, or why there is none.
    pub(super) place: Result<String, Failure>,
    pub(super) submission: Submission,
    /// What the head of that cluster says; `None` where there is no connection to one.
    pub(super) head: Option<HeadView>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) step: Step,
    /// What to say first.
    pub(super) status: Option<JobStatus>,
    /// When to look again, if nothing happens before.
    pub(super) again_after: Option<Duration>,
}

/// One step.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Wait,
    /// Write to the API server.
    Change(Change),
    /// Submit it to the head.
    Submit,
    /// Tell the head what the user has changed.
    Adjust(JobChange),
    /// Tell the head to cancel it.
    Cancel,
}

/// How often a head that cannot be asked is looked at.
const HEAD_LOOK: Duration = Duration::from_secs(5);

/// How long a deleted job waits for a head that cannot be asked to cancel it.
const CANCEL_DEADLINE: Duration = Duration::from_secs(300);

/// The cluster that runs a job.
pub(super) fn place_of(job: &ShoalJob, clusters: &[Arc<ShoalCluster>]) -> Result<String, Failure> {
    let spec = job.spec()?;
    if spec.cluster.is_some() {
        return Ok(own_cluster(job));
    }
    if let Some(reference) = spec.cluster_ref {
        return Ok(reference.name);
    }
    if let Some(name) = job.status().and_then(|status| status.cluster_name.clone()) {
        return Ok(name);
    }
    // Those that belong to one job are for no other.
    let mut shared = clusters.iter().filter(|cluster| cluster.owner_references().is_empty());
    match (shared.next(), shared.next()) {
        (Some(only), None) => Ok(only.name_any()),
        (first, _) => {
            let found = if first.is_some() { "more than one" } else { "none" };
            Err(Failure::new(Reason::MissingField, format!("the job names no cluster, and its namespace has {found}"))
                .field("spec.clusterRef")
                .next("name a ShoalCluster in `spec.clusterRef`, or describe one in `spec.cluster`"))
        }
    }
}

/// Name of a job's own cluster: a cluster's name may be shorter than a job's.
fn own_cluster(job: &ShoalJob) -> String {
    let name = job.name_any().replace('.', "-");
    let short: String = name.chars().take(23).collect();
    format!("{}-{:016x}", short.trim_end_matches('-'), xxh3_64(job.uid().unwrap_or_default().as_bytes()))
}

/// Whether a refusal of the head stays one, however often it is asked.
pub(super) fn is_final(failure: &Failure) -> bool {
    use Reason::*;
    matches!(
        failure.reason,
        MalformedDocument | UnknownKind | UnknownField | MissingField | InvalidValue | DuplicateName | InvalidName | LocalPathRefused
    )
}

/// Decides.
pub(super) fn decide(facts: &Facts, now: Timestamp) -> Decision {
    let job = &*facts.job;
    let wait = |status, again_after| Decision { step: Step::Wait, status, again_after };
    let spec = match job.spec() {
        Ok(spec) => spec,
        Err(failure) => return wait(Some(status::refused(job, &failure, now)), None),
    };
    if spec.managed_by != MANAGED_BY_OPERATOR {
        return wait(None, None);
    }
    if job.metadata.deletion_timestamp.is_some() {
        return leave(facts, now);
    }
    if is_finished(job) {
        return after_the_end(facts, &spec, now);
    }
    let place = match &facts.place {
        Ok(place) => place,
        Err(failure) => {
            let message = format!("{}; {}", failure.message, failure.next.as_deref().unwrap_or_default());
            return wait(Some(status::pending(job, "ClusterReady", "ClusterRequired", message, now)), Some(HEAD_LOOK));
        }
    };
    if !job.finalizers().iter().any(|one| one == CANCEL_FINALIZER) {
        return Decision { step: Step::Change(finalizers(job, true)), status: None, again_after: None };
    }
    if let Some(change) = cluster_to_make(facts, &spec, place) {
        let waiting = status::pending(job, "ClusterReady", "ClusterStarting", format!("`{place}` is being made"), now);
        return Decision { step: Step::Change(change), status: Some(waiting), again_after: None };
    }
    if spec.suspend && !facts.submission.is_recorded {
        return wait(Some(status::suspended(job, now)), None);
    }
    let Some(cluster) = facts.clusters.iter().find(|cluster| cluster.name_any() == *place) else {
        let message = format!("there is no ShoalCluster `{place}` in this namespace");
        return wait(Some(status::pending(job, "ClusterReady", "ClusterNotFound", message, now)), None);
    };
    let Some(HeadView { state, is_complete: true }) = &facts.head else {
        // An ended pod's cluster says more than a connection that fails.
        let why = cluster.status().and_then(|status| status.conditions.iter().find(|one| one.type_ == "Ready"));
        let (reason, message) = why
            .filter(|ready| ready.reason != "Ready")
            .map_or(("HeadUnreachable", "the head of the cluster does not answer yet".to_owned()), |ready| {
                (ready.reason.as_str(), ready.message.clone())
            });
        let mut status = status::pending(job, "ClusterReady", reason, message, now);
        // A job that runs goes on while its head is away.
        if facts.submission.is_recorded && let Some(before) = job.status() {
            status.phase.clone_from(&before.phase);
        }
        return wait(Some(status), Some(HEAD_LOOK));
    };
    if !facts.submission.is_recorded {
        let mut status = status::pending(job, "ClusterReady", "Submitting", format!("it is being submitted to `{place}`"), now);
        status.submission_id = Some(facts.submission.id.clone());
        status.cluster_name = Some(place.clone());
        return wait(Some(status), Some(Duration::ZERO));
    }
    let Some(state) = state else { return Decision { step: Step::Submit, status: None, again_after: None } };
    let is_changed = job.status().and_then(|status| status.observed_generation) != job.metadata.generation;
    let said = Some(status::told(job, place, state, now));
    match is_changed && !state.phase.is_final() {
        true => Decision { step: Step::Adjust(wanted(&spec)), status: said, again_after: None },
        false => wait(said, None),
    }
}

fn wanted(spec: &JobSpec) -> JobChange {
    JobChange {
        priority: Some(spec.priority),
        suspend: Some(spec.suspend),
        active_deadline_seconds: Some(spec.active_deadline_seconds),
        // Kubernetes' own: the operator deletes the resource.
        ttl_seconds_after_finished: None,
    }
}

fn is_finished(job: &ShoalJob) -> bool {
    job.status().is_some_and(|status| matches!(status.phase.as_str(), "Succeeded" | "Failed"))
}

/// A job that has ended: its own cluster goes, and in the end itself.
fn after_the_end(facts: &Facts, spec: &JobSpec, now: Timestamp) -> Decision {
    let job = &*facts.job;
    if let Some(cluster) = own(facts) {
        return Decision { step: Step::Change(delete_cluster(cluster)), status: None, again_after: None };
    }
    let ended = job.status().and_then(|status| status.completion_time.as_deref()).and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(ttl), Some(ended)) = (spec.ttl_seconds_after_finished, ended) else {
        return Decision { step: Step::Wait, status: None, again_after: None };
    };
    let age = now.as_second().saturating_sub(ended.as_second()).max(0).unsigned_abs();
    match ttl.checked_sub(age) {
        Some(left) if left > 0 => Decision { step: Step::Wait, status: None, again_after: Some(Duration::from_secs(left)) },
        _ => Decision { step: Step::Change(Change::Delete(Reference::of(job))), status: None, again_after: None },
    }
}

/// A job that is being deleted: its head cancels it first.
fn leave(facts: &Facts, now: Timestamp) -> Decision {
    let job = &*facts.job;
    let go = Decision { step: Step::Change(finalizers(job, false)), status: None, again_after: None };
    if !job.finalizers().iter().any(|one| one == CANCEL_FINALIZER) {
        return Decision { step: Step::Wait, status: None, again_after: None };
    }
    let cluster = facts.place.as_ref().ok().and_then(|place| facts.clusters.iter().find(|one| one.name_any() == *place));
    let is_forced = job.annotations().contains_key(FORCE_ANNOTATION);
    let deleted = job.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
    let waited = now.as_second().saturating_sub(deleted.as_second()).max(0).unsigned_abs();
    let is_late = waited >= CANCEL_DEADLINE.as_secs();
    if is_finished(job) || !facts.submission.is_recorded || cluster.is_none() || is_forced || is_late {
        return go;
    }
    match &facts.head {
        Some(HeadView { state: Some(state), .. }) if state.phase.is_final() => go,
        Some(HeadView { state: None, is_complete: true }) => go,
        Some(HeadView { state: Some(_), .. }) => Decision { step: Step::Cancel, status: None, again_after: Some(HEAD_LOOK) },
        Some(HeadView { is_complete: false, .. }) | None => {
            let message = format!(
                "the head cannot be asked to cancel it; it goes in {} s, or at once with the annotation {FORCE_ANNOTATION}",
                CANCEL_DEADLINE.as_secs().saturating_sub(waited)
            );
            let status = status::pending(job, "ClusterReady", "HeadUnreachable", message, now);
            Decision { step: Step::Wait, status: Some(status), again_after: Some(HEAD_LOOK) }
        }
    }
}

/// The job's own cluster, where it is there.
fn own(facts: &Facts) -> Option<&ShoalCluster> {
    let uid = facts.job.metadata.uid.as_ref();
    let is_mine = |cluster: &&Arc<ShoalCluster>| cluster.owner_references().iter().any(|owner| Some(&owner.uid) == uid);
    facts.clusters.iter().find(is_mine).map(|cluster| &**cluster)
}

/// What makes the job's own cluster, or changes it to what the job has now.
fn cluster_to_make(facts: &Facts, spec: &JobSpec, name: &str) -> Option<Change> {
    let mut wanted = spec.cluster.as_deref()?.clone();
    wanted.suspend = spec.suspend;
    if own(facts).is_some_and(|cluster| cluster.spec().is_ok_and(|found| found == wanted)) {
        return None;
    }
    Some(Change::Apply(json!({
        "apiVersion": API_VERSION, "kind": CLUSTER_KIND,
        "metadata": {"name": name, "labels": names::labels(name)},
        "spec": wanted,
    })))
}

/// Adds the finalizer, or takes it away; nothing else, and only from the object that was looked at.
fn finalizers(job: &ShoalJob, is_there: bool) -> Change {
    let mut finalizers: Vec<String> = job.finalizers().iter().filter(|one| *one != CANCEL_FINALIZER).cloned().collect();
    finalizers.extend(is_there.then(|| CANCEL_FINALIZER.to_owned()));
    let patch: Value = json!({"metadata": {"finalizers": finalizers, "resourceVersion": job.meta().resource_version}});
    Change::Merge(Reference::of(job), patch)
}

