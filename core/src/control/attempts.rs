//! Attempts: handed out, finished, failed, lost.

use super::job_state::Entry;
use super::placement::{Candidate, place};
use super::stage::{StageState, TaskStatus, retry_pause};
use super::{Control, Effect};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, JobUid, TaskId, WorkerId};
use crate::journal::Record;
use crate::task::{Assignment, PartitionSource, TaskOutput};

impl Control {
    /// Hands pending tasks to free slots: jobs in the order of their submission, a job's stages and tasks in the order
    /// of its plan.
    pub(super) fn schedule(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut records = Vec::new();
        let mut assign = Vec::new();
        let uids: Vec<JobUid> = self
            .jobs
            .iter()
            .filter(|(_, entry)| entry.active().is_some_and(|active| active.is_running()))
            .map(|(uid, _)| *uid)
            .collect();
        'jobs: for uid in uids {
            for task in self.ready_tasks(uid, now_ms) {
                if self.workers.values().all(|worker| worker.free_slots() == 0) {
                    break 'jobs;
                }
                if let Some((worker, assignment, queued_ms)) = self.start(task, now_ms) {
                    let instance = self.workers.get(&worker).map(|state| state.info.instance.clone());
                    records.push(Record::AttemptStarted {
                        attempt: assignment.attempt,
                        worker: worker.clone(),
                        instance: instance.unwrap_or_default(),
                        queued_ms,
                    });
                    assign.push(Effect::Assign { worker, assignment: Box::new(assignment) });
                }
            }
        }
        if assign.is_empty() { Vec::new() } else { vec![Effect::Persist { records, then: assign }] }
    }

    /// Tasks of a job that could run now, at most as many as there are slots.
    fn ready_tasks(&self, uid: JobUid, now_ms: u64) -> Vec<TaskId> {
        let Some(active) = self.jobs.get(&uid).and_then(Entry::active) else { return Vec::new() };
        let inputs_are_there = |stage: &StageState| {
            stage.plan.reads.is_none_or(|index| active.stages.get(index as usize).is_some_and(StageState::is_done))
        };
        active
            .stages
            .iter()
            .zip(0..)
            .filter(|(stage, _)| inputs_are_there(stage))
            .flat_map(|(stage, stage_index)| {
                stage
                    .pending
                    .iter()
                    .filter(|index| stage.tasks[**index as usize].ready_at_ms <= now_ms)
                    .map(move |index| TaskId { job: uid, stage: stage_index, index: *index })
            })
            .take(self.capacity().slots as usize)
            .collect()
    }

    /// Takes a slot for a task; with it comes how long the task had waited, in milliseconds.
    fn start(&mut self, task: TaskId, now_ms: u64) -> Option<(WorkerId, Assignment, u64)> {
        let stage = self.jobs.get(&task.job)?.active()?.stages.get(task.stage as usize)?;
        let plan = stage.plan.tasks.get(task.index as usize)?.clone();
        let sources = match (stage.plan.reads, plan.bucket) {
            (Some(read), Some(bucket)) => self.sources(task.job, read, bucket)?,
            _ => Vec::new(),
        };
        let candidates: Vec<Candidate<'_>> = self
            .workers
            .values()
            .map(|worker| Candidate { id: &worker.info.id, free_slots: worker.free_slots() })
            .collect();
        let state = stage.tasks.get(task.index as usize)?;
        let worker = place(&candidates, &state.failed_on)?.clone();
        let queued_ms = now_ms.saturating_sub(state.ready_at_ms);
        let (stage_name, common) = (stage.plan.name.clone(), stage.plan.common.clone());

        let attempt = self.active_mut(task.job)?.stages.get_mut(task.stage as usize)?.start(task, now_ms)?;
        self.workers.get_mut(&worker)?.running.insert(attempt);
        let active = self.active_mut(task.job)?;
        active.running.insert(attempt, worker.clone());
        let assignment = Assignment {
            attempt,
            job_name: active.job.name.clone(),
            kind: active.job.work.kind().to_owned(),
            stage: stage_name,
            common,
            payload: plan.payload,
            sources,
        };
        Some((worker, assignment, queued_ms))
    }

    /// Where the partitions of one bucket lie: pinned by attempt, worker and checksum. None unless every task of the stage
    /// is done and its worker is there: a bucket is read whole or not at all.
    fn sources(&self, uid: JobUid, stage: u32, bucket: u32) -> Option<Vec<PartitionSource>> {
        let stage = self.jobs.get(&uid)?.active()?.stages.get(stage as usize)?;
        let mut sources = Vec::new();
        for task in &stage.tasks {
            let TaskStatus::Done { attempt, worker, output } = &task.status else { return None };
            // A split without rows for the bucket has no partition in it.
            if let Some(partition) = output.partitions.iter().find(|partition| partition.bucket == bucket) {
                sources.push(PartitionSource {
                    attempt: *attempt,
                    worker: worker.clone(),
                    flight_url: self.workers.get(worker)?.info.flight_url.clone(),
                    partition: partition.clone(),
                });
            }
        }
        Some(sources)
    }

    pub(super) fn attempt_finished(
        &mut self,
        worker: &WorkerId,
        instance: &str,
        attempt: AttemptId,
        result: Result<TaskOutput, Failure>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let Some(state) = self.workers.get_mut(worker).filter(|state| state.info.instance == instance) else {
            return Vec::new();
        };
        state.running.remove(&attempt);
        let uid = attempt.task.job;
        let expected = self.active_mut(uid).is_some_and(|active| {
            let expected = active.running.remove(&attempt).is_some();
            expected && active.is_running()
        });
        if !expected {
            // Its lease was revoked, or its job has ended: what it holds is of no use to anybody.
            let mut effects = Vec::new();
            if self.jobs.get(&uid).is_none_or(|entry| entry.active().is_none()) {
                effects.push(Effect::Release { worker: worker.clone(), job: uid });
            }
            effects.extend(self.sweep_when_quiet(uid, now_ms));
            return effects;
        }
        match result {
            Ok(output) => self.attempt_succeeded(worker, attempt, output, now_ms),
            Err(failure) => self.attempt_failed(worker, attempt, failure, now_ms),
        }
    }

    fn attempt_succeeded(
        &mut self,
        worker: &WorkerId,
        attempt: AttemptId,
        output: TaskOutput,
        now_ms: u64,
    ) -> Vec<Effect> {
        let uid = attempt.task.job;
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        active.peak_memory_bytes = active.peak_memory_bytes.max(output.peak_memory_bytes);
        let record = Record::AttemptFinished { attempt, worker: worker.clone(), output: output.clone() };
        if let Some(stage) = active.stages.get_mut(attempt.task.stage as usize) {
            stage.finish(attempt, worker.clone(), output, now_ms);
        }
        let all_done = active.stages.iter().all(StageState::is_done);
        let mut effects = vec![Effect::persist(record)];
        if all_done {
            effects.extend(self.advance(uid, now_ms));
        }
        effects
    }

    fn attempt_failed(&mut self, worker: &WorkerId, attempt: AttemptId, failure: Failure, now_ms: u64) -> Vec<Effect> {
        let uid = attempt.task.job;
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        active.note_failed_attempt(attempt, worker, failure.clone());
        let mut effects = vec![Effect::persist(Record::AttemptFailed { attempt, failure: failure.clone() })];
        let failed = match (failure.reason, failure.location.attempt) {
            // The task did nothing wrong: it waits until the partition has been made again.
            (Reason::PartitionLost | Reason::PartitionCorrupt, Some(lost)) => {
                self.requeue(attempt.task, now_ms);
                self.partition_lost(lost, &failure, now_ms)
            }
            _ => self.count_failure(attempt.task, worker, failure, now_ms),
        };
        if let Some(failure) = failed {
            effects.extend(self.end(uid, failure, now_ms));
        }
        effects
    }

    /// A worker is gone and the attempt with it.
    pub(super) fn attempt_lost(
        &mut self,
        worker: &WorkerId,
        attempt: AttemptId,
        failure: &Failure,
        now_ms: u64,
    ) -> Vec<Effect> {
        let uid = attempt.task.job;
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let expected = active.running.remove(&attempt).is_some() && active.is_running();
        if expected {
            self.attempt_failed(worker, attempt, failure.clone(), now_ms)
        } else {
            self.sweep_when_quiet(uid, now_ms)
        }
    }

    /// Somebody could not read what an attempt had written: its task runs again, once for all who miss it.
    fn partition_lost(&mut self, lost: AttemptId, failure: &Failure, now_ms: u64) -> Option<Failure> {
        let active = self.active_mut(lost.task.job)?;
        let stage = active.stages.get_mut(lost.task.stage as usize)?;
        if stage.finished_attempt(lost.task.index) != Some(lost) {
            return None;
        }
        let TaskStatus::Done { worker, .. } = &stage.tasks.get(lost.task.index as usize)?.status else { return None };
        let worker = worker.clone();
        self.count_failure(lost.task, &worker, failure.clone(), now_ms)
    }

    fn requeue(&mut self, task: TaskId, now_ms: u64) {
        if let Some(stage) = self.active_mut(task.job).and_then(|active| active.stages.get_mut(task.stage as usize)) {
            stage.requeue(task.index, now_ms);
        }
    }

    /// Counts a failed run and puts the task back in the queue; or says why the job cannot go on.
    fn count_failure(&mut self, task: TaskId, worker: &WorkerId, failure: Failure, now_ms: u64) -> Option<Failure> {
        let active = self.active_mut(task.job)?;
        let attempts_max = active.job.failure_policy.max_task_attempts;
        let stage = active.stages.get_mut(task.stage as usize)?;
        let name = stage.plan.name.clone();
        let state = stage.tasks.get_mut(task.index as usize)?;
        state.failures += 1;
        state.failed_on.insert(worker.clone());
        let failures = state.failures;
        if !failure.is_transient() {
            return Some(failure);
        }
        if failures >= attempts_max {
            return Some(exhausted(failure, &name, task.index, failures));
        }
        stage.requeue(task.index, now_ms + retry_pause(failures).as_millis() as u64);
        None
    }
}

/// The last failure of a task that has failed too often, saying so.
fn exhausted(mut failure: Failure, stage: &str, index: u32, failures: u32) -> Failure {
    failure.causes.insert(0, failure.message.clone());
    failure.message =
        format!("task {index} of stage `{stage}` failed {failures} times, the last time because {}", failure.message);
    failure
}
