//! A job as its records tell it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::active_time::ActiveTime;
use super::job_state::{ActiveJob, JobPhase};
use super::stage::{Holder, StageState, TaskStatus};
use crate::failure::Failure;
use crate::id::{AttemptId, JobUid, WorkerId};
use crate::job::Job;
use crate::journal::Record;
use crate::publish::CommitIntent;
use crate::report::JobStatus;
use crate::spec::v1alpha1::ShoalJob;

/// A job that the journal knows.
pub(super) struct Restored {
    pub(super) spec: Arc<ShoalJob>,
    /// As it would be if it had not ended.
    pub(super) active: ActiveJob,
    /// How it ended, where it has, and whether it can go on from there.
    pub(super) ended: Option<(Box<JobStatus>, bool)>,
    /// Which start of its worker runs each running attempt.
    pub(super) instances: BTreeMap<AttemptId, String>,
}

/// Replays the records of one job, in their order.
///
/// # Errors
/// Records that tell of no acceptance, or a spec that this build refuses.
pub(super) fn restore(uid: JobUid, records: Vec<Record>) -> Result<Restored, Failure> {
    let mut records = records.into_iter();
    let Some(Record::Accepted { at_ms, spec, .. }) = records.next() else {
        return Err(Failure::internal(format!("the journal tells of job {uid}, which it never accepted")));
    };
    let spec: Arc<ShoalJob> = spec.into();
    let active = ActiveJob::new(Job::parse(uid, spec.clone())?, at_ms);
    let mut restored = Restored { spec, active, ended: None, instances: BTreeMap::new() };
    let mut ending: Option<Failure> = None;
    let mut intent: Option<CommitIntent> = None;
    for record in records {
        match record {
            Record::Ending { failure, .. } => ending = Some(failure),
            Record::Intent { intent: stored } => intent = Some(stored),
            Record::Ended { status, resumable, .. } => restored.ended = Some((status, resumable)),
            Record::Resumed { at_ms, .. } => {
                (ending, restored.ended) = (None, None);
                restored.resume(at_ms);
            }
            record => restored.replay(record),
        }
    }
    let phase = match (intent, ending) {
        (Some(intent), Some(failure)) => JobPhase::Withdrawing { intent, failure, tries: 1, retry_at_ms: None },
        (Some(intent), None) => JobPhase::Publishing { intent, tries: 1, retry_at_ms: None, driven_before: true },
        // The grace for its attempts begins anew with the head that waits for them.
        (None, Some(failure)) => JobPhase::Ending { failure, deadline_ms: u64::MAX, sweeping: false },
        (None, None) => return Ok(restored),
    };
    restored.active.phase = phase;
    Ok(restored)
}

impl Restored {
    fn replay(&mut self, record: Record) {
        let active = &mut self.active;
        if let Some(at_ms) = record.at_ms() {
            active.time.pass(at_ms);
        }
        match record {
            Record::Facts { facts, .. } => {
                if active.facts != facts {
                    active.plan_anew();
                }
                active.facts = facts;
                active.phase = JobPhase::Running;
            }
            Record::StagePlanned { plan, .. } => {
                active.stages.push(StageState::new(plan, active.attempt_base, active.submitted_ms));
                active.phase = JobPhase::Running;
            }
            Record::AttemptStarted { attempt, worker, instance, at_ms, duplicate, queued_ms: _ } => {
                if duplicate {
                    active.duplicate_started(attempt, &worker, at_ms);
                } else {
                    active.attempt_started(attempt, &worker, at_ms);
                }
                active.phase = JobPhase::Running;
                self.instances.insert(attempt, instance);
            }
            Record::AttemptFinished { attempt, worker, output, at_ms } => {
                let instance = self.instances.remove(&attempt).unwrap_or_default();
                active.attempt_succeeded(attempt, Holder { worker, instance }, output, at_ms);
            }
            Record::AttemptFailed { attempt, failure, at_ms } => {
                self.instances.remove(&attempt);
                if let Some(worker) = active.running.get(&attempt).cloned() {
                    // Where it was the job's end, that has a record of its own.
                    let _ = active.attempt_failed(attempt, &worker, failure, at_ms);
                }
            }
            Record::PartitionsMoved { attempt, worker, instance } => {
                active.partitions_moved(attempt, Holder { worker, instance });
            }
            // Older ones do not say when.
            Record::Updated { change, at_ms, .. } => active.change(change, at_ms.max(active.submitted_ms)),
            Record::TimeUsed { used_ms, at_ms, .. } => active.time = ActiveTime::noted(used_ms, at_ms),
            Record::Published { table, .. } => active.outputs.push(table),
            Record::Accepted { .. }
            | Record::Ending { .. }
            | Record::Resumed { .. }
            | Record::Intent { .. }
            | Record::Ended { .. }
            | Record::History { .. }
            | Record::Forgotten { .. } => {}
        }
    }

    /// What ran is to run again.
    pub(super) fn forget_running(&mut self, at_ms: u64) {
        let running: Vec<AttemptId> = std::mem::take(&mut self.active.running).into_keys().collect();
        for attempt in running {
            if let Some(stage) = self.active.stages.get_mut(attempt.task.stage as usize)
                && stage.is_live(attempt)
            {
                stage.requeue(attempt.task.index, at_ms);
            }
        }
        self.instances.clear();
    }

    /// Nothing of it runs any more, what failed may try again, and its facts have to be looked at.
    fn resume(&mut self, at_ms: u64) {
        self.forget_running(at_ms);
        let active = &mut self.active;
        active.called_back.clear();
        active.suspects.clear();
        active.stages.iter_mut().for_each(|stage| stage.forgive(at_ms));
        active.time = ActiveTime::starting(at_ms);
        active.phase = JobPhase::GatheringFacts;
    }
}

impl ActiveJob {
    /// Another worker holds what an attempt wrote.
    pub(super) fn partitions_moved(&mut self, attempt: AttemptId, to: Holder) {
        let task = self.stages.get_mut(attempt.task.stage as usize);
        if let Some(state) = task.and_then(|stage| stage.tasks.get_mut(attempt.task.index as usize))
            && let TaskStatus::Done { attempt: kept, holder, .. } = &mut state.status
            && *kept == attempt
        {
            *holder = to;
        }
    }

    /// Every process that runs an attempt or holds partitions of the job.
    pub(super) fn holders(&self) -> impl Iterator<Item = (&WorkerId, &String)> {
        let done = self.stages.iter().flat_map(|stage| stage.tasks.iter()).filter_map(|task| match &task.status {
            TaskStatus::Done { holder, output, .. } if !output.partitions.is_empty() => Some(holder),
            _ => None,
        });
        done.map(|holder| (&holder.worker, &holder.instance))
    }
}
