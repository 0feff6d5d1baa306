//! What is said of a job. Pure.

use k8s_openapi::jiff::Timestamp;
use shoal_core::Failure;
use shoal_core::report::{self, Phase};
use shoal_core::spec::v1alpha1::status::{Condition, JobFailure, JobOutput, JobProgress, JobStatus};
use shoal_core::units::time_in_words;

use super::archive;
use super::code::NoCode;
use crate::conditions::{Fact, conditions, text};
use crate::resources::{Kind, ShoalJob};

/// Longest text of a failure that a status holds, in characters: the report has it whole.
const TEXT_CHARS_MAX: usize = 4096;

/// A job that waits for something, and why.
pub(super) fn pending(job: &ShoalJob, type_: &'static str, reason: &str, message: String, now: Timestamp) -> JobStatus {
    let mut facts = Vec::new();
    if type_ != "Accepted" {
        facts.push(Fact::new("Accepted", true, "Accepted", "the spec is well-formed"));
    }
    facts.push(Fact::new(type_, false, reason, message));
    // A job that was submitted goes on while its head is away.
    let before = job.status().filter(|status| status.submission_id.is_some());
    let phase = before.map_or("Pending", |status| &status.phase).to_owned();
    with(job, &phase, facts, unheard(job), now)
}

/// The generation that is known of while the head cannot be told of a newer one.
fn unheard(job: &ShoalJob) -> Option<i64> {
    match job.status() {
        Some(status) if status.submission_id.is_some() => status.observed_generation,
        _ => job.metadata.generation,
    }
}

/// A job that is suspended before it was submitted, or whose own cluster is suspended with it.
pub(super) fn suspended(job: &ShoalJob, now: Timestamp) -> JobStatus {
    let is_submitted = job.status().is_some_and(|status| status.submission_id.is_some());
    let message = match is_submitted {
        true => "its cluster has no pods; it goes on once `suspend` is false",
        false => "it is submitted once `suspend` is false",
    };
    let facts = vec![
        Fact::new("Accepted", true, "Accepted", "the spec is well-formed"),
        Fact::new("Suspended", true, "Suspended", message),
    ];
    with(job, "Suspended", facts, unheard(job), now)
}

/// A job that the head, or the operator on its behalf, will never take as it is.
pub(super) fn refused(job: &ShoalJob, failure: &Failure, now: Timestamp) -> JobStatus {
    let reason = format!("{:?}", failure.reason);
    let facts = vec![
        Fact::new("Accepted", false, reason.clone(), sentence(failure)),
        Fact::new("Failed", true, reason, sentence(failure)),
    ];
    let mut status = with(job, "Failed", facts, job.metadata.generation, now);
    status.failure = Some(failure_of(failure));
    status.completion_time.get_or_insert_with(|| text(now));
    status
}

/// A job that the head does not take or change at the moment, or of which its answer was lost.
pub(super) fn unheard_of(job: &ShoalJob, failure: &Failure, now: Timestamp) -> JobStatus {
    pending(job, "ClusterReady", &format!("{:?}", failure.reason), sentence(failure), now)
}

/// A job whose code is in a ConfigMap that is not as it has to be.
pub(super) fn without_code(job: &ShoalJob, missing: &NoCode, now: Timestamp) -> JobStatus {
    pending(job, "Accepted", missing.reason, missing.message.clone(), now)
}

/// The workers of a job's cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Workers {
    pub(super) ready: u32,
    /// Those that there shall be.
    pub(super) wanted: u32,
    /// What a group says that somebody has to do something about: no pod can be made, or none starts.
    pub(super) obstacle: Option<Condition>,
}

/// Why a job waits for workers.
pub(super) fn no_workers(cluster: &str, workers: &Workers) -> Option<(String, String)> {
    let said = |reason: &str, message| Some((reason.to_owned(), message));
    match workers {
        Workers { ready: 1.., .. } => None,
        Workers { wanted: 0, .. } => {
            said("NoWorkers", format!("`{cluster}` has no workers: give it some with `kubectl scale shoalworkergroup`"))
        }
        Workers { obstacle: Some(Condition { reason, message, .. }), .. } => {
            said(reason, format!("no worker of `{cluster}` is ready: {message}"))
        }
        Workers { wanted, .. } => {
            said("WorkersStarting", format!("none of the {wanted} workers of `{cluster}` is ready yet"))
        }
    }
}

/// A job as its head has it, which was told of that generation of the spec, on a cluster with these workers.
pub(super) fn told(
    job: &ShoalJob,
    cluster: &str,
    state: &report::JobStatus,
    workers: &Workers,
    generation: Option<i64>,
    now: Timestamp,
) -> JobStatus {
    let mut facts = vec![
        Fact::new("Accepted", true, "Accepted", "the head has taken it"),
        match no_workers(cluster, workers).filter(|_| !state.phase.is_final()) {
            Some((reason, message)) => Fact::new("ClusterReady", false, reason, message),
            None => Fact::new("ClusterReady", true, "Ready", format!("`{cluster}` takes jobs")),
        },
    ];
    let is_suspended = state.phase == Phase::Suspended;
    facts.push(match is_suspended {
        true => {
            Fact::new("Suspended", true, "Suspended", "its running tasks were handed back; what is finished is kept")
        }
        false => Fact::new("Suspended", false, "Running", ""),
    });
    match (&state.failure, state.phase) {
        (Some(failure), Phase::Failed) => {
            facts.push(Fact::new("Failed", true, format!("{:?}", failure.reason), sentence(failure)));
        }
        (_, Phase::Succeeded) => facts.push(Fact::new("Complete", true, "Published", "its tables are published")),
        _ => {}
    }
    facts.extend(state.archive.as_ref().and_then(archive::fact));
    let mut status = with(job, &format!("{:?}", state.phase), facts, generation, now);
    status.cluster_name = Some(cluster.to_owned());
    status.progress = Some(progress(state));
    status.outputs = state
        .outputs
        .iter()
        .map(|table| JobOutput {
            name: table.name.clone(),
            table: table.table.clone(),
            version: table.version,
            rows: table.rows,
        })
        .collect();
    status.failure = state.failure.as_ref().map(failure_of);
    status.logs_uri = state.archive.as_ref().filter(|archive| archive.is_stored).map(|archive| archive.uri.clone());
    status.start_time = time(state.report.submitted_ms);
    status.completion_time = state.report.finished_ms.and_then(time);
    status
}

/// A job as it was said to be, with one more fact.
pub(super) fn with_fact(job: &ShoalJob, fact: Fact, now: Timestamp) -> JobStatus {
    let mut status = job.status().cloned().unwrap_or_default();
    let before = std::mem::take(&mut status.conditions);
    let new = conditions(&before, vec![fact], status.observed_generation, now);
    status.conditions = before.into_iter().filter(|old| new.iter().all(|new| new.type_ != old.type_)).collect();
    status.conditions.extend(new);
    status
}

fn with(job: &ShoalJob, phase: &str, facts: Vec<Fact>, generation: Option<i64>, now: Timestamp) -> JobStatus {
    let before = job.status().cloned().unwrap_or_default();
    JobStatus {
        observed_generation: generation,
        phase: phase.to_owned(),
        conditions: conditions(&before.conditions, facts, generation, now),
        ..before
    }
}

fn progress(state: &report::JobStatus) -> JobProgress {
    let report::Progress { unit, total, done, succeeded, failed, running, percent, per_second: _, seconds_left } =
        state.progress.clone();
    let eta = (!state.phase.is_final()).then_some(seconds_left).flatten().map(time_in_words);
    JobProgress { unit, total, done, succeeded, failed, running, percent, eta }
}

fn failure_of(failure: &Failure) -> JobFailure {
    let cut = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
    JobFailure {
        reason: format!("{:?}", failure.reason),
        actor: format!("{:?}", failure.actor),
        field_path: failure.location.field_path.as_deref().map(|path| path.chars().take(1024).collect()),
        message: cut(&failure.message),
        next: failure.next.as_deref().map(cut),
    }
}

/// A failure as one text: where, what, and what to do.
pub(super) fn sentence(failure: &Failure) -> String {
    let place = failure.location.field_path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
    let next = failure.next.as_ref().map(|next| format!("; {next}")).unwrap_or_default();
    format!("{place}{}{next}", failure.message).chars().take(TEXT_CHARS_MAX).collect()
}

fn time(ms: u64) -> Option<String> {
    Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok().map(text)
}
