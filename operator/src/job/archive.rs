//! The copy of a job that outlives its cluster: what is said of it, and how long a cluster of the job's own waits for it.
//! Pure.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use shoal_core::report::{self, ArchiveStatus};
use shoal_core::spec::v1alpha1::status::{Condition, ConditionStatus, JobStatus};

use super::decide::Facts;
use super::status::{self, Workers};
use crate::conditions::Fact;
use crate::heads::HeadView;
use crate::resources::{Kind, ShoalCluster, ShoalJob};

/// How long the cluster of a finished job waits for the job's copy: longer than a store is away that is restarted, and
/// shorter than anybody wants to pay for idle workers.
const DEADLINE: Duration = Duration::from_secs(300);

/// The condition that tells of it.
const CONDITION: &str = "Archived";

/// Why it does not hold for good.
const GIVEN_UP: &str = "NotStored";

/// Whether a finished job's own cluster has to stay.
#[derive(Debug, PartialEq)]
pub(super) enum Wait {
    /// Nothing is waited for.
    No,
    /// For so long at the most.
    For(Duration),
    /// That time is over.
    Over,
}

/// The URI under which the cluster that a job names has its storage, where it has one.
pub(super) fn storage<'a>(clusters: &'a [Arc<ShoalCluster>], place: &str) -> Option<&'a str> {
    let cluster = clusters.iter().find(|cluster| cluster.name_any() == place)?;
    cluster.raw_spec()["storage"]["uri"].as_str()
}

/// Whether a finished job's copy is still to be heard of, from the head of a cluster that makes one.
pub(super) fn is_awaited(job: &ShoalJob, clusters: &[Arc<ShoalCluster>], place: &str) -> bool {
    let status = job.status().cloned().unwrap_or_default();
    job.is_finished()
        && job.metadata.deletion_timestamp.is_none()
        && status.submission_id.is_some()
        && status.logs_uri.is_none()
        && !is_given_up(&status)
        && storage(clusters, place).is_some()
}

fn is_given_up(status: &JobStatus) -> bool {
    status.conditions.iter().any(|one| one.type_ == CONDITION && one.reason == GIVEN_UP)
}

/// What the head says of a finished job whose copy is awaited.
fn heard(facts: &Facts) -> Option<(&str, &report::JobStatus)> {
    let place = facts.place.as_ref().ok()?;
    let state = facts.head.as_ref()?.state.as_ref()?;
    (is_awaited(&facts.job, &facts.clusters, place) && state.archive.is_some()).then_some((place, state))
}

/// What is to be said of a finished job now that its head has spoken of the copy.
pub(super) fn said(facts: &Facts, now: Timestamp) -> Option<JobStatus> {
    let (place, state) = heard(facts)?;
    let observed = facts.job.status().and_then(|status| status.observed_generation);
    // One that has ended waits for no workers.
    Some(status::told(&facts.job, place, state, &Workers::default(), observed, now))
}

/// Whether the job's own cluster has to stay for the copy.
pub(super) fn wait(facts: &Facts, now: Timestamp) -> Wait {
    let Ok(place) = &facts.place else { return Wait::No };
    // A head that has told of all its jobs and not of this one will make no copy of it.
    let is_unknown = matches!(facts.head, Some(HeadView { state: None, is_complete: true }));
    if is_unknown || !is_awaited(&facts.job, &facts.clusters, place) {
        return Wait::No;
    }
    let age = now.as_second().saturating_sub(heard_of_end(&facts.job, now).as_second()).max(0).unsigned_abs();
    match DEADLINE.as_secs().checked_sub(age) {
        Some(left) if left > 0 => Wait::For(Duration::from_secs(left)),
        _ => Wait::Over,
    }
}

/// When the operator heard that a job has ended: by its own clock, and not by the head's.
fn heard_of_end(job: &ShoalJob, now: Timestamp) -> Timestamp {
    let conditions = job.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_end =
        |one: &&Condition| matches!(one.type_.as_str(), "Complete" | "Failed") && one.status == ConditionStatus::True;
    let end = conditions.iter().find(is_end).and_then(|one| one.last_transition_time.parse().ok());
    end.unwrap_or(now)
}

/// What is said of a job whose cluster goes without a copy.
pub(super) fn given_up(facts: &Facts, now: Timestamp) -> JobStatus {
    let job = &facts.job;
    let uri = facts.place.as_ref().ok().and_then(|place| storage(&facts.clusters, place)).unwrap_or_default();
    let why = heard(facts).and_then(|(_, state)| state.archive.as_ref()?.failure.as_ref());
    let why = why.map_or_else(|| "its head could not be asked".to_owned(), status::sentence);
    let message = format!(
        "report and log did not get to {uri} within {} s: {why}. Its cluster goes without them",
        DEADLINE.as_secs()
    );
    status::with_fact(job, Fact::new(CONDITION, false, GIVEN_UP, message), now)
}

/// What the head says of the copy, as a condition; nothing while it is on its way.
pub(super) fn fact(archive: &ArchiveStatus) -> Option<Fact> {
    let ArchiveStatus { uri, is_stored, failure } = archive;
    match failure {
        _ if *is_stored => Some(Fact::new(CONDITION, true, "Stored", format!("report and log are in {uri}"))),
        Some(failure) => {
            let message =
                format!("report and log are not in {uri} yet: {}; it is tried again", status::sentence(failure));
            Some(Fact::new(CONDITION, false, format!("{:?}", failure.reason), message))
        }
        None => None,
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
