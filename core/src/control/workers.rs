//! Workers: who is there, what they run, and what happens to it when they are not.

use std::collections::BTreeSet;

use serde::Serialize;

use super::job_state::Entry;
use super::{Control, Effect, WorkerInfo};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, JobUid, WorkerId};
use crate::limits;

pub(super) struct WorkerState {
    pub(super) info: WorkerInfo,
    pub(super) last_seen_ms: u64,
    /// What it was given and has not reported back, cancelled attempts included: those keep their slot until they end.
    pub(super) running: BTreeSet<AttemptId>,
    /// Attempts given to it before its connection broke: the first heartbeat after it says which of them arrived.
    unconfirmed: BTreeSet<AttemptId>,
}

impl WorkerState {
    pub(super) fn free_slots(&self) -> u32 {
        self.info.slots.saturating_sub(u32::try_from(self.running.len()).unwrap_or(u32::MAX))
    }
}

/// A worker as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// Where its Flight server listens.
    pub flight_url: String,
    /// Tasks that it runs at the same time.
    pub slots: u32,
    /// Slots in use.
    pub used: u32,
}

impl Control {
    /// The workers, by name.
    pub fn workers(&self) -> Vec<WorkerStatus> {
        let status = |worker: &WorkerState| WorkerStatus {
            name: worker.info.id.to_string(),
            flight_url: worker.info.flight_url.clone(),
            slots: worker.info.slots,
            used: worker.info.slots - worker.free_slots(),
        };
        self.workers.values().map(status).collect()
    }

    pub(super) fn worker_joined(&mut self, info: WorkerInfo, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(known) = self.workers.get_mut(&info.id) {
            if known.info.instance == info.instance {
                known.unconfirmed = known.running.clone();
                known.last_seen_ms = now_ms;
                known.info = info;
                return effects;
            }
            let instance = known.info.instance.clone();
            let failure = Failure::new(Reason::WorkerLost, format!("worker `{}` was started again", info.id));
            effects.extend(self.worker_left(&info.id, &instance, &failure, now_ms));
        }
        let state = WorkerState { last_seen_ms: now_ms, running: BTreeSet::new(), unconfirmed: BTreeSet::new(), info };
        self.workers.insert(state.info.id.clone(), state);
        effects
    }

    pub(super) fn heartbeat(
        &mut self,
        worker: &WorkerId,
        instance: &str,
        running: &[AttemptId],
        peak_memory_bytes: u64,
        now_ms: u64,
    ) -> Vec<Effect> {
        let Some(state) = self.workers.get_mut(worker).filter(|state| state.info.instance == instance) else {
            return Vec::new();
        };
        state.last_seen_ms = now_ms;
        let lost: Vec<AttemptId> =
            std::mem::take(&mut state.unconfirmed).into_iter().filter(|attempt| !running.contains(attempt)).collect();
        for attempt in state.running.iter() {
            if let Some(active) = self.jobs.get_mut(&attempt.task.job).and_then(Entry::active_mut) {
                active.peak_memory_bytes = active.peak_memory_bytes.max(peak_memory_bytes);
            }
        }
        let failure = Failure::new(
            Reason::WorkerLost,
            format!("the connection to worker `{worker}` broke before the task arrived"),
        );
        lost.into_iter()
            .flat_map(|attempt| self.attempt_finished(worker, instance, attempt, Err(failure.clone()), now_ms))
            .collect()
    }

    pub(super) fn worker_left(
        &mut self,
        worker: &WorkerId,
        instance: &str,
        failure: &Failure,
        now_ms: u64,
    ) -> Vec<Effect> {
        if self.workers.get(worker).is_none_or(|state| state.info.instance != instance) {
            return Vec::new();
        }
        let Some(state) = self.workers.remove(worker) else { return Vec::new() };
        let mut effects = Vec::new();
        for attempt in state.running {
            effects.extend(self.attempt_lost(worker, attempt, failure, now_ms));
        }
        let jobs: Vec<JobUid> =
            self.jobs.iter().filter(|(_, entry)| entry.active().is_some()).map(|(uid, _)| *uid).collect();
        for uid in jobs {
            self.recompute_partitions_of(worker, uid, now_ms);
        }
        effects
    }

    /// Runs again exactly what a lost worker held and somebody still has to read: partitions whose readers are not done,
    /// or not even planned.
    fn recompute_partitions_of(&mut self, worker: &WorkerId, uid: JobUid, now_ms: u64) {
        let Some(active) = self.active_mut(uid).filter(|active| active.is_running()) else { return };
        let read: BTreeSet<u32> =
            active.stages.iter().filter(|stage| stage.is_done()).filter_map(|stage| stage.plan.reads).collect();
        for (stage, index) in active.stages.iter_mut().zip(0..) {
            if !read.contains(&index) {
                for task in stage.held_by(worker) {
                    stage.requeue(task, now_ms);
                }
            }
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Effect> {
        let silence_ms = limits::WORKER_SILENCE_MAX.as_millis() as u64;
        let silent: Vec<(WorkerId, String)> = self
            .workers
            .values()
            .filter(|worker| now_ms.saturating_sub(worker.last_seen_ms) > silence_ms)
            .map(|worker| (worker.info.id.clone(), worker.info.instance.clone()))
            .collect();
        let mut effects = Vec::new();
        for (worker, instance) in silent {
            let failure = Failure::new(
                Reason::WorkerLost,
                format!("worker `{worker}` has been silent for {} s", silence_ms / 1_000),
            );
            effects.extend(self.worker_left(&worker, &instance, &failure, now_ms));
            effects.push(Effect::Disconnect { worker, instance, failure });
        }
        effects.extend(self.end_stranded_jobs(now_ms));
        effects.extend(self.retry_publishing(now_ms));
        effects.extend(self.give_up_cancelled_attempts(now_ms));
        effects
    }
}
