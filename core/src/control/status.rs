//! What the machine shows of itself.

use std::sync::Arc;

use super::Control;
use super::ending::job_not_found;
use super::job_state::{ActiveJob, Entry, JobPhase};
use super::stage::StageState;
use super::time_left::{self, StageDone};
use crate::failure::Failure;
use crate::id::{AttemptId, JobUid};
use crate::report::{JobStatus, Phase, Progress, Report, StageReport};
use crate::spec::v1alpha1::ShoalJob;
use crate::task::Counters;

/// How many tasks are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Waiting for a slot, for a pause after a failure to pass, or for partitions.
    pub pending: u64,
    /// On a worker.
    pub running: u64,
    /// Finished.
    pub done: u64,
}

fn spec_of(entry: &Entry) -> Arc<ShoalJob> {
    match entry {
        Entry::Active(active) => active.job.spec.clone(),
        Entry::Ended(ended) => ended.spec.clone(),
    }
}

impl Control {
    /// How many jobs have not ended, or are about to go on.
    pub fn unfinished_jobs(&self) -> usize {
        self.jobs.values().filter(|entry| entry.active().is_some()).count() + self.recalling.len()
    }

    /// The latest submission of every job, oldest first.
    pub fn list(&self, now_ms: u64) -> Vec<JobStatus> {
        let mut latest: Vec<JobStatus> = self.names.values().filter_map(|uid| self.status_of(*uid, now_ms)).collect();
        latest.sort_by_key(|status| (status.report.submitted_ms, status.uid));
        latest
    }

    /// The latest submission under a name.
    ///
    /// # Errors
    /// [`crate::Reason::JobNotFound`].
    pub fn show(&self, name: &str, now_ms: u64) -> Result<JobStatus, Failure> {
        self.names.get(name).and_then(|uid| self.status_of(*uid, now_ms)).ok_or_else(|| job_not_found(name))
    }

    /// The latest submission under a name, and its spec.
    ///
    /// # Errors
    /// [`crate::Reason::JobNotFound`].
    pub fn spec(&self, name: &str) -> Result<(JobUid, Arc<ShoalJob>), Failure> {
        let entry = |uid: &JobUid| Some((*uid, self.jobs.get(uid)?));
        let (uid, entry) = self.names.get(name).and_then(entry).ok_or_else(|| job_not_found(name))?;
        Ok((uid, spec_of(entry)))
    }

    /// The specs of all submissions that are known, ended or not.
    pub fn specs(&self) -> Vec<Arc<ShoalJob>> {
        self.jobs.values().map(spec_of).collect()
    }

    /// All submissions that have ended, older ones of a name included, and when each has, in milliseconds since 1970-01-01
    /// UTC. One that has gone on has another end then.
    pub fn ended(&self) -> Vec<(JobUid, u64)> {
        let ended = |(uid, entry): (&JobUid, &Entry)| match entry {
            Entry::Ended(ended) => Some((*uid, ended.status.report.finished_ms.unwrap_or(0))),
            Entry::Active(_) => None,
        };
        self.jobs.iter().filter_map(ended).collect()
    }

    /// How a job ended, and its spec; none of one that has not, or is forgotten.
    pub fn ended_job(&self, uid: JobUid) -> Option<(JobStatus, Arc<ShoalJob>)> {
        match self.jobs.get(&uid)? {
            Entry::Ended(ended) => Some((ended.status.as_ref().clone(), ended.spec.clone())),
            Entry::Active(_) => None,
        }
    }

    /// Kind and stage name of an attempt of an unfinished job.
    pub fn stage_of(&self, attempt: AttemptId) -> Option<(&str, &str)> {
        let active = self.jobs.get(&attempt.task.job)?.active()?;
        Some((active.job.work.kind(), &active.stages.get(attempt.task.stage as usize)?.plan.name))
    }

    /// Tasks of every stage of unfinished jobs: kind, stage name, how many are in which state.
    pub fn task_counts(&self) -> Vec<(&str, &str, TaskCounts)> {
        let active = self.jobs.values().filter_map(Entry::active);
        active
            .flat_map(|active| {
                active.stages.iter().map(|stage| {
                    let (pending, done) = (stage.pending_count() as u64, stage.done_count() as u64);
                    let running = stage.tasks.len() as u64 - pending - done;
                    (active.job.work.kind(), stage.plan.name.as_str(), TaskCounts { pending, running, done })
                })
            })
            .collect()
    }

    pub(super) fn status_of(&self, uid: JobUid, now_ms: u64) -> Option<JobStatus> {
        Some(match self.jobs.get(&uid)? {
            Entry::Ended(ended) => ended.status.as_ref().clone(),
            Entry::Active(active) => active_status(active, now_ms),
        })
    }
}

fn active_status(active: &ActiveJob, now_ms: u64) -> JobStatus {
    let phase = match &active.phase {
        JobPhase::GatheringFacts | JobPhase::Running if active.suspended => Phase::Suspended,
        JobPhase::GatheringFacts => Phase::Pending,
        JobPhase::Running | JobPhase::Ending { .. } => Phase::Running,
        JobPhase::Publishing { .. } | JobPhase::Withdrawing { .. } => Phase::Committing,
    };
    let failure = match &active.phase {
        JobPhase::Ending { failure, .. } | JobPhase::Withdrawing { failure, .. } => Some(failure.clone()),
        _ => None,
    };
    JobStatus {
        name: active.job.name.clone(),
        uid: active.job.uid,
        kind: active.job.work.kind().to_owned(),
        phase,
        progress: progress(active, now_ms),
        outputs: active.outputs.clone(),
        failure,
        report: report(active, now_ms),
        archive: None,
    }
}

fn progress(active: &ActiveJob, now_ms: u64) -> Progress {
    let stage = active.stages.last();
    let counters = stage.map(|stage| &stage.counters);
    let (succeeded, failed) = counters.map_or((0, 0), |counters| (counters.groups_ok, counters.groups_failed));
    let done = succeeded + failed;
    let runs = matches!(active.phase, JobPhase::Running) && !active.suspended;
    let begun_ms = stage.and_then(|stage| stage.first_assigned_ms).filter(|_| runs);
    Progress {
        unit: active.job.work.unit().to_owned(),
        total: None,
        done,
        succeeded,
        failed,
        running: u32::try_from(active.running.len()).unwrap_or(u32::MAX),
        percent: percent(&active.stages),
        per_second: begun_ms.and_then(|begun_ms| rate(done, now_ms.saturating_sub(begun_ms))),
        seconds_left: runs.then(|| seconds_left(&active.stages, now_ms)).flatten(),
    }
}

/// How many a second, where there are some.
fn rate(done: u64, ms: u64) -> Option<f64> {
    (done > 0 && ms > 0).then(|| done as f64 * 1_000.0 / ms as f64)
}

/// The share of the last finished stage, and of the first unfinished one what is done of it.
fn percent(stages: &[StageState]) -> u8 {
    let (unfinished, before, after) = reached(stages);
    let share = unfinished.map_or(0.0, StageState::done_share);
    (before + (after - before) * share) as u8
}

/// The first unfinished stage, and what of the whole is done before and after it, from 0 to 100.
fn reached(stages: &[StageState]) -> (Option<&StageState>, f64, f64) {
    let mut before = 0.0;
    for stage in stages {
        let after = f64::from(stage.plan.percent_after.min(100)).max(before);
        if !stage.is_done() {
            return (Some(stage), before, after);
        }
        before = after;
    }
    (None, before, before)
}

/// How much longer the job takes, where that can be told yet.
fn seconds_left(stages: &[StageState], now_ms: u64) -> Option<f64> {
    let (stage, before, after) = reached(stages);
    let stage = stage?;
    let mut begun_at = 0.0;
    let done: Vec<StageDone> = stages
        .iter()
        .take_while(|stage| stage.is_done())
        .map(|stage| {
            let after = f64::from(stage.plan.percent_after.min(100)).max(begun_at);
            let percent = after - std::mem::replace(&mut begun_at, after);
            let ms = stage.last_finished_ms.unwrap_or(0).saturating_sub(stage.first_assigned_ms.unwrap_or(0));
            StageDone { ms, percent }
        })
        .collect();
    Some(time_left::ms_left(&done, &stage.so_far(now_ms), after - before, 100.0 - after)? / 1_000.0)
}

fn report(active: &ActiveJob, now_ms: u64) -> Report {
    let mut counters = Counters::default();
    for stage in &active.stages {
        counters.add(&stage.counters);
    }
    Report {
        submitted_ms: active.submitted_ms,
        finished_ms: None,
        seconds: now_ms.saturating_sub(active.submitted_ms) as f64 / 1_000.0,
        stages: active.stages.iter().map(stage_report).collect(),
        notes: active.notes.clone(),
        counters,
        peak_memory_bytes: active.peak_memory_bytes,
        failed_attempts: active.failed_attempts.iter().cloned().collect(),
    }
}

fn stage_report(stage: &StageState) -> StageReport {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let seconds = match (stage.first_assigned_ms, stage.last_finished_ms) {
        (Some(first), Some(last)) => last.saturating_sub(first) as f64 / 1_000.0,
        _ => 0.0,
    };
    StageReport {
        name: stage.plan.name.clone(),
        tasks: count(stage.tasks.len()),
        done: count(stage.done_count()),
        attempts: stage.attempts,
        counters: stage.counters.clone(),
        seconds,
        speculative_attempts: count(stage.live.started_twice()),
        speculative_won: count(stage.live.won()),
    }
}
