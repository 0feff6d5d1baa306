//! What the next step of a job is. Pure.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use shoal_core::journal::JobChange;
use shoal_core::report;
use shoal_core::spec::v1alpha1::status::{Condition, ConditionStatus, JobStatus};
use shoal_core::spec::v1alpha1::{API_VERSION, AutoscalingMode, CLUSTER_KIND, JobSpec, MANAGED_BY_OPERATOR};
use shoal_core::{Failure, Reason};
use xxhash_rust::xxh3::xxh3_64;

use super::archive::{self, Wait};
use super::status::{self, Workers};
use super::submission::Submission;
use crate::changes::{Change, Reference};
use crate::cluster::cancels;
use crate::conditions::is_bad;
use crate::heads::HeadView;
use crate::names::{self, CANCEL_FINALIZER, FORCE_ANNOTATION};
use crate::resources::{Kind, ShoalCluster, ShoalJob, ShoalWorkerGroup};

/// What is known about a job.
pub(super) struct Facts {
    pub(super) job: Arc<ShoalJob>,
    /// The clusters of its namespace.
    pub(super) clusters: Vec<Arc<ShoalCluster>>,
    /// The groups of the cluster that runs it.
    pub(super) groups: Vec<Arc<ShoalWorkerGroup>>,
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

/// Letters of a job's name that its own cluster's has; a hash of the job's uid follows, and the whole has at most 30.
const OWN_NAME_CHARS: usize = 19;

/// Name of a job's own cluster: a cluster's name may be shorter than a job's.
fn own_cluster(job: &ShoalJob) -> String {
    let name = job.name_any().replace('.', "-");
    let name = name.trim_start_matches(|first: char| !first.is_ascii_lowercase());
    let short: String = name.chars().take(OWN_NAME_CHARS).collect();
    let short = if short.is_empty() { "job" } else { short.trim_end_matches('-') };
    let hash = format!("{:016x}", xxh3_64(job.uid().unwrap_or_default().as_bytes()));
    format!("{short}-{}", &hash[..10])
}

/// Whether a job that has not ended may run on the cluster of that name, and what becomes of that concerns it.
pub(crate) fn may_run_on(job: &ShoalJob, cluster: &str) -> bool {
    let spec = job.raw_spec();
    let place = || job.status().and_then(|status| status.cluster_name.as_deref());
    !job.is_finished()
        && match spec["clusterRef"]["name"].as_str() {
            Some(named) => named == cluster,
            None if spec["cluster"].is_object() => own_cluster(job) == cluster,
            None => place().is_none_or(|place| place == cluster),
        }
}

/// Whether a refusal of the head stays one, however often it is asked.
pub(super) fn is_final(failure: &Failure) -> bool {
    use Reason::*;
    matches!(
        failure.reason,
        MalformedDocument
            | UnknownKind
            | UnknownField
            | MissingField
            | InvalidValue
            | DuplicateName
            | InvalidName
            | LocalPathRefused
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
    if spec.managed_by.as_ref().is_some_and(|manager| manager != MANAGED_BY_OPERATOR) {
        return wait(None, None);
    }
    if job.metadata.deletion_timestamp.is_some() {
        return leave(facts, now);
    }
    if job.is_finished() {
        return after_the_end(facts, &spec, now);
    }
    let place = match &facts.place {
        Ok(place) => place,
        Err(failure) => {
            let message = format!("{}; {}", failure.message, failure.next.as_deref().unwrap_or_default());
            return wait(Some(status::pending(job, "ClusterReady", "ClusterRequired", message, now)), None);
        }
    };
    if !job.finalizers().iter().any(|one| one == CANCEL_FINALIZER) {
        return Decision { step: Step::Change(finalizers(job, true)), status: None, again_after: None };
    }
    if let Some(change) = cluster_to_make(facts, &spec, place) {
        let said = match spec.suspend {
            true => status::suspended(job, now),
            false => status::pending(job, "ClusterReady", "ClusterStarting", format!("`{place}` is being made"), now),
        };
        return Decision { step: Step::Change(change), status: Some(said), again_after: None };
    }
    // A cluster of its own has no pods while it is suspended, and so no head that could be told.
    if spec.suspend && (spec.cluster.is_some() || !facts.submission.is_recorded) {
        return wait(Some(status::suspended(job, now)), None);
    }
    match ready(facts, place) {
        Ok(state) => with_head(facts, &spec, place, state, now),
        Err((reason, message)) => {
            wait(Some(status::pending(job, "ClusterReady", &reason, message, now)), Some(HEAD_LOOK))
        }
    }
}

/// The workers of the job's cluster: as its groups say, which say it first.
pub(super) fn workers(facts: &Facts) -> Workers {
    let mut workers = Workers::default();
    for group in &facts.groups {
        let status = group.status().cloned().unwrap_or_default();
        workers.ready += status.ready_replicas;
        workers.wanted += group.spec().map_or(0, |spec| if spec.suspend { 0 } else { spec.replicas });
        let is_obstacle = |one: &Condition| one.type_ == "Ready" && is_bad(one);
        workers.obstacle = workers.obstacle.or_else(|| status.conditions.into_iter().find(is_obstacle));
    }
    workers
}

/// What the head says of the job, once it can be asked; or why it cannot.
fn ready<'a>(facts: &'a Facts, place: &str) -> Result<Option<&'a report::JobStatus>, (String, String)> {
    let not = |reason: &str, message: String| Err((reason.to_owned(), message));
    let Some(cluster) = facts.clusters.iter().find(|cluster| cluster.name_any() == place) else {
        let message = format!("there is no ShoalCluster `{place}` in this namespace; make it, or name another");
        return not("ClusterNotFound", message);
    };
    let status = cluster.status().cloned().unwrap_or_default();
    let Some(HeadView { state, is_complete: true }) = &facts.head else {
        // What the cluster says of itself says more than a connection that fails.
        let why = status.conditions.into_iter().find(|one| one.type_ == "Ready" && one.status != ConditionStatus::True);
        return Err(why.map_or_else(
            || ("HeadUnreachable".to_owned(), "the head of the cluster does not answer yet".to_owned()),
            |ready| (ready.reason, ready.message),
        ));
    };
    // Whoever submits it sees at once what it would wait for. Where workers come for the work that the head tells of, it has
    // to know the job first.
    let follows_work =
        cluster.spec().is_ok_and(|spec| spec.autoscaling.is_some_and(|own| own.mode == AutoscalingMode::Internal));
    if state.is_none()
        && !follows_work
        && let Some((reason, message)) = status::no_workers(place, &workers(facts))
    {
        return Err((reason, message));
    }
    Ok(state.as_ref())
}

/// The next step with a head that can be asked.
fn with_head(
    facts: &Facts,
    spec: &JobSpec,
    place: &str,
    state: Option<&report::JobStatus>,
    now: Timestamp,
) -> Decision {
    let job = &*facts.job;
    if !facts.submission.is_recorded {
        // First it is written that the job is submitted, then it is: whoever reads it later submits the same one again.
        let message = format!("it is being submitted to `{place}`");
        let mut status = status::pending(job, "ClusterReady", "Submitting", message, now);
        status.submission_id = Some(facts.submission.id.clone());
        status.cluster_name = Some(place.to_owned());
        return Decision { step: Step::Wait, status: Some(status), again_after: Some(Duration::ZERO) };
    }
    let Some(state) = state else { return Decision { step: Step::Submit, status: None, again_after: None } };
    let observed = job.status().and_then(|status| status.observed_generation);
    if observed == job.metadata.generation || state.phase.is_final() {
        let said = status::told(job, place, state, &workers(facts), job.metadata.generation, now);
        return Decision { step: Step::Wait, status: Some(said), again_after: None };
    }
    // The generation is that of what the head was told, so it stays until the head was told of the new one.
    let said = status::told(job, place, state, &workers(facts), observed, now);
    Decision { step: Step::Adjust(wanted(spec)), status: Some(said), again_after: None }
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

/// Whether a head has anything to do with the job, or may have.
pub(super) fn concerns_head(job: &ShoalJob) -> bool {
    let is_leaving =
        job.metadata.deletion_timestamp.is_some() && !job.finalizers().iter().any(|one| one == CANCEL_FINALIZER);
    !job.is_finished() && !is_leaving
}

/// A job that has ended: its own cluster goes, and in the end itself.
fn after_the_end(facts: &Facts, spec: &JobSpec, now: Timestamp) -> Decision {
    let job = &*facts.job;
    let said = archive::said(facts, now);
    if let Some(cluster) = own(facts) {
        let wait = |status, again_after| Decision { step: Step::Wait, status, again_after: Some(again_after) };
        return match archive::wait(facts, now) {
            Wait::For(_) if said.as_ref().is_some_and(|said| said.logs_uri.is_some()) => wait(said, Duration::ZERO),
            Wait::For(left) => wait(said, left),
            Wait::Over => wait(Some(archive::given_up(facts, now)), Duration::ZERO),
            Wait::No => {
                let step = Step::Change(Change::Delete(Reference::of(cluster)));
                Decision { step, status: None, again_after: None }
            }
        };
    }
    let ended = job
        .status()
        .and_then(|status| status.completion_time.as_deref())
        .and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(ttl), Some(ended)) = (spec.ttl_seconds_after_finished, ended) else {
        return Decision { step: Step::Wait, status: said, again_after: None };
    };
    let age = now.as_second().saturating_sub(ended.as_second()).max(0).unsigned_abs();
    match ttl.checked_sub(age) {
        Some(left) if left > 0 => {
            Decision { step: Step::Wait, status: said, again_after: Some(Duration::from_secs(left)) }
        }
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
    let cluster =
        facts.place.as_ref().ok().and_then(|place| facts.clusters.iter().find(|one| one.name_any() == *place));
    let is_forced = job.annotations().contains_key(FORCE_ANNOTATION);
    let deleted = job.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
    let waited = now.as_second().saturating_sub(deleted.as_second()).max(0).unsigned_abs();
    let is_late = waited >= CANCEL_DEADLINE.as_secs();
    let Some(cluster) = cluster else { return go };
    if job.is_finished() || !facts.submission.is_recorded {
        return go;
    }
    // The head of a cluster without pods is not waited for.
    let is_suspended = cluster.spec().is_ok_and(|spec| spec.suspend);
    if is_forced || is_late || is_suspended {
        return without_cancel(facts, cluster, go, now);
    }
    match &facts.head {
        Some(HeadView { state: Some(state), .. }) if state.phase.is_final() => go,
        Some(HeadView { state: None, is_complete: true }) => go,
        Some(HeadView { state: Some(_), .. }) => {
            Decision { step: Step::Cancel, status: None, again_after: Some(HEAD_LOOK) }
        }
        Some(HeadView { is_complete: false, .. }) | None => {
            let message = format!(
                "the head cannot be asked to cancel it: in {} s, or at once with the annotation {FORCE_ANNOTATION}, it goes and \
                 its cluster keeps the cancel",
                CANCEL_DEADLINE.as_secs().saturating_sub(waited)
            );
            let status = status::pending(job, "ClusterReady", "HeadUnreachable", message, now);
            Decision { step: Step::Wait, status: Some(status), again_after: Some(HEAD_LOOK) }
        }
    }
}

/// A job that goes although no head has cancelled it. Its own cluster goes with it. Another one keeps the cancel: its
/// state would bring the job back.
fn without_cancel(facts: &Facts, cluster: &ShoalCluster, go: Decision, now: Timestamp) -> Decision {
    let is_own = own(facts).is_some_and(|own| own.metadata.uid == cluster.metadata.uid);
    let keep = (!is_own).then(|| cancels::keep(cluster, facts.submission.uid, &facts.submission.id)).flatten();
    let Some(keep) = keep else { return go };
    let message = format!("`{}` keeps the cancel until its head can be told", cluster.name_any());
    let status = status::pending(&facts.job, "ClusterReady", "CancelKept", message, now);
    // The cluster's change brings the job back here.
    Decision { step: Step::Change(keep), status: Some(status), again_after: Some(HEAD_LOOK) }
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

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
