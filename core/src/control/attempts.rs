//! Attempts that end: finished, failed, lost.

use super::job_state::Entry;
use super::roster::WorkerState;
use super::stage::Holder;
use super::{Control, Effect, Mutation};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, WorkerId};
use crate::journal::Record;
use crate::task::TaskOutput;

impl Control {
    pub(super) fn attempt_finished(
        &mut self,
        worker: &WorkerId,
        instance: &str,
        attempt: AttemptId,
        result: Result<TaskOutput, Failure>,
        now_ms: u64,
    ) -> Vec<Effect> {
        if self.roster.instance(worker, instance).is_none_or(WorkerState::is_expected) {
            return Vec::new();
        }
        self.free_slot(worker, attempt);
        let uid = attempt.task.job;
        // Its lease: whoever does not hold it any more is not heard, whatever it brings.
        let holds_lease = self
            .active_mut(uid)
            .is_some_and(|active| active.running.get(&attempt).is_some_and(|holder| holder == worker));
        if !holds_lease && self.mutation != Some(Mutation::AcceptRevoked) {
            return self.not_wanted(worker, attempt, now_ms);
        }
        let is_running = self.active_mut(uid).is_some_and(|active| active.is_running());
        let is_beaten = holds_lease && self.active_mut(uid).is_some_and(|active| !active.is_live(attempt));
        // Even where it has a result, that came too late: what it wrote is swept with the commit.
        let result = if is_beaten { Err(beaten()) } else { result };
        match result {
            _ if !is_running => {
                if let Some(active) = self.active_mut(uid) {
                    active.running.remove(&attempt);
                }
                self.sweep_when_quiet(uid, now_ms)
            }
            Ok(output) => {
                let holder = Holder { worker: worker.clone(), instance: instance.to_owned() };
                self.attempt_succeeded(attempt, holder, output, now_ms)
            }
            Err(failure) => {
                // Only heads call attempts back; it may have been the one before this, and then nobody wrote it down.
                let failure = if failure.reason == Reason::Cancelled {
                    Failure::new(Reason::HandedBack, "the task was handed back before its end")
                } else {
                    failure
                };
                self.attempt_failed(worker, attempt, failure, now_ms)
            }
        }
    }

    fn free_slot(&mut self, worker: &WorkerId, attempt: AttemptId) {
        self.roster.change(worker, |state| {
            state.running.remove(&attempt);
            state.foreign.remove(&attempt);
            state.unconfirmed.remove(&attempt);
            if state.reserved == Some(attempt.task) {
                state.reserved = None;
            }
        });
    }

    /// The lease was revoked, or the job has ended: what the attempt holds is of no use to anybody.
    fn not_wanted(&mut self, worker: &WorkerId, attempt: AttemptId, now_ms: u64) -> Vec<Effect> {
        let uid = attempt.task.job;
        let mut effects = Vec::new();
        if self.jobs.get(&uid).is_none_or(|entry| !entry.keeps_partitions()) {
            effects.push(Effect::Release { worker: worker.clone(), job: uid });
        }
        effects.extend(self.sweep_when_quiet(uid, now_ms));
        effects
    }

    fn attempt_succeeded(
        &mut self,
        attempt: AttemptId,
        holder: Holder,
        output: TaskOutput,
        now_ms: u64,
    ) -> Vec<Effect> {
        let uid = attempt.task.job;
        let worker = holder.worker.clone();
        let costs_processes = !output.deaths.is_none();
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let others: Vec<AttemptId> = active.live_others(attempt).collect();
        active.attempt_succeeded(attempt, holder, output.clone(), now_ms);
        let all_done = active.all_stages_done();
        let call_back = others.into_iter().filter_map(|other| {
            let worker = active.running.get(&other)?.clone();
            Some(Effect::CancelAttempt { worker, attempt: other })
        });
        let then = call_back.collect();
        self.is_held_by(attempt, &worker);
        let record = Record::AttemptFinished { attempt, worker, output, at_ms: now_ms };
        let mut effects = vec![Effect::Persist { records: vec![record], then }];
        if costs_processes {
            let given_up = self.end_where_processes_keep_dying(uid, now_ms);
            if !given_up.is_empty() {
                effects.extend(given_up);
                return effects;
            }
        }
        if all_done {
            effects.extend(self.advance(uid, now_ms));
        }
        effects
    }

    fn attempt_failed(&mut self, worker: &WorkerId, attempt: AttemptId, failure: Failure, now_ms: u64) -> Vec<Effect> {
        let uid = attempt.task.job;
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let fails_job = active.attempt_failed(attempt, worker, failure.clone(), now_ms);
        let mut effects = vec![Effect::persist(Record::AttemptFailed { attempt, failure, at_ms: now_ms })];
        let is_last_of_all = active.is_running() && active.all_stages_done();
        if let Some(failure) = fails_job {
            effects.extend(self.end(uid, failure, now_ms));
        } else if is_last_of_all {
            // The commit had waited until nothing of the job writes any more.
            effects.extend(self.advance(uid, now_ms));
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
        if active.running.get(&attempt).is_none_or(|holder| holder != worker) {
            return Vec::new();
        }
        if active.is_running() {
            let failure = active.blaming_group(attempt, failure);
            self.attempt_failed(worker, attempt, failure, now_ms)
        } else {
            active.running.remove(&attempt);
            self.sweep_when_quiet(uid, now_ms)
        }
    }
}

/// Why an attempt does not count whose task another one has finished.
fn beaten() -> Failure {
    Failure::new(Reason::HandedBack, "another attempt of the task was the first to finish")
}

impl Entry {
    /// Whether workers are to keep what they hold of the job.
    fn keeps_partitions(&self) -> bool {
        match self {
            Self::Active(_) => true,
            Self::Ended(ended) => ended.keeps_partitions_until_ms.is_some(),
        }
    }
}
