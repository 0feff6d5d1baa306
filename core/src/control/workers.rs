//! Workers: who is there, what they run, and what happens to it when they are not.

use serde::{Deserialize, Serialize};

use super::drain::was_drained;
use super::job_state::{ActiveJob, Entry};
use super::roster::{Presence, WorkerState};
use super::stage::{Holder, StageState};
use super::{Control, Effect, WorkerInfo};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, JobUid, WorkerId};
use crate::limits;

/// A worker as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// Whether it takes tasks.
    pub state: WorkerPhase,
    /// Where its Flight server listens.
    pub flight_url: String,
    /// Tasks that it runs at the same time.
    pub slots: u32,
    /// Slots in use.
    pub used: u32,
    /// Whether its scratch disk is full: it gets no tasks for now.
    pub disk_full: bool,
}

/// Where a worker stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum WorkerPhase {
    /// It was there before the head was restarted, and has not come back yet.
    Expected,
    /// It takes tasks.
    Ready,
    /// It takes no more tasks and is about to leave.
    Draining,
}

impl Control {
    /// The workers, by name.
    pub fn workers(&self) -> Vec<WorkerStatus> {
        let status = |worker: &WorkerState| WorkerStatus {
            name: worker.info.id.to_string(),
            state: match worker.presence {
                Presence::Expected => WorkerPhase::Expected,
                Presence::Ready => WorkerPhase::Ready,
                Presence::Draining { .. } => WorkerPhase::Draining,
            },
            flight_url: worker.info.flight_url.clone(),
            slots: worker.info.slots,
            used: worker.info.slots - worker.idle_slots(),
            disk_full: worker.disk_full,
        };
        self.roster.iter().map(status).collect()
    }

    /// Which start of a worker is there, where one is.
    pub fn worker_instance(&self, worker: &WorkerId) -> Option<&str> {
        self.roster.get(worker).filter(|state| !state.is_expected()).map(|state| state.info.instance.as_str())
    }

    pub(super) fn worker_joined(&mut self, info: WorkerInfo, now_ms: u64) -> Vec<Effect> {
        let (id, instance, leaves_by_ms) = (info.id.clone(), info.instance.clone(), info.leaves_by_ms);
        let effects = self.welcome_worker(info, now_ms);
        // In the same step: otherwise it would get tasks first.
        if let Some(leaves_by_ms) = leaves_by_ms {
            self.drain_requested(&id, &instance, leaves_by_ms, now_ms);
        }
        effects
    }

    fn welcome_worker(&mut self, info: WorkerInfo, now_ms: u64) -> Vec<Effect> {
        let id = info.id.clone();
        let known = self.roster.get(&id).map(|known| (known.info.instance.clone(), known.is_expected()));
        match known {
            Some((instance, _)) if instance == info.instance => {
                self.roster.change(&id, |state| {
                    state.info = info;
                    state.last_seen_ms = now_ms;
                    state.unconfirmed = state.running.clone();
                    if state.is_expected() {
                        state.presence = Presence::Ready;
                    }
                });
                self.moves_lost(&id);
                self.call_back_unwanted(&id)
            }
            known => {
                let mut effects = Vec::new();
                if let Some((instance, was_expected)) = known {
                    // A process that is not seen to end is nobody's fault.
                    let reason = if was_expected { Reason::HandedBack } else { Reason::WorkerLost };
                    let failure = Failure::new(reason, format!("worker `{id}` was started again"));
                    effects.extend(self.worker_left(&id, &instance, &failure, now_ms));
                }
                let mut state = WorkerState::new(info, Presence::Ready, now_ms);
                state.foreign = std::mem::take(&mut state.info.running).into_iter().collect();
                self.roster.insert(state);
                effects.extend(self.call_back_unwanted(&id));
                effects
            }
        }
    }

    pub(super) fn heartbeat(
        &mut self,
        worker: &WorkerId,
        instance: &str,
        running: &[AttemptId],
        peak_memory_bytes: u64,
        now_ms: u64,
    ) -> Vec<Effect> {
        match self.roster.instance(worker, instance) {
            None => return vec![is_a_stranger(worker, instance)],
            // One that has not said that it is back says nothing yet.
            Some(state) if state.is_expected() => return Vec::new(),
            Some(_) => {}
        }
        let lost: Vec<AttemptId> = self
            .roster
            .change(worker, |state| {
                state.last_seen_ms = now_ms;
                state.foreign = running.iter().filter(|attempt| !state.running.contains(*attempt)).copied().collect();
                let unconfirmed = std::mem::take(&mut state.unconfirmed);
                unconfirmed.into_iter().filter(|attempt| !running.contains(attempt)).collect()
            })
            .unwrap_or_default();
        for attempt in running {
            if let Some(active) = self.jobs.get_mut(&attempt.task.job).and_then(Entry::active_mut) {
                active.peak_memory_bytes = active.peak_memory_bytes.max(peak_memory_bytes);
            }
        }
        let why = format!("the connection to worker `{worker}` broke before the task arrived");
        let failure = Failure::new(Reason::HandedBack, why);
        let mut effects: Vec<Effect> = lost
            .into_iter()
            .flat_map(|attempt| self.attempt_finished(worker, instance, attempt, Err(failure.clone()), now_ms))
            .collect();
        effects.extend(self.call_back_unwanted(worker));
        effects
    }

    /// How far attempts are, as the worker that runs them says.
    pub(super) fn note_permille(
        &mut self,
        worker: &WorkerId,
        instance: &str,
        permille: &[(AttemptId, u16)],
        now_ms: u64,
    ) {
        let Some(state) = self.roster.instance(worker, instance) else { return };
        for (attempt, permille) in permille.iter().filter(|(attempt, _)| state.running.contains(attempt)) {
            let active = self.jobs.get_mut(&attempt.task.job).and_then(Entry::active_mut);
            let stage = active.and_then(|active| active.stages.get_mut(attempt.task.stage as usize));
            stage.into_iter().for_each(|stage| stage.live.note_permille(*attempt, *permille, now_ms));
        }
    }

    pub(super) fn disk_full(&mut self, worker: &WorkerId, instance: &str, full: bool) -> Vec<Effect> {
        if self.roster.instance(worker, instance).is_some() {
            self.roster.change(worker, |state| state.disk_full = full);
        }
        Vec::new()
    }

    /// Calls back what a worker runs and nobody waits for: attempts that were taken from it, and those that were called
    /// back while it was not there to hear it.
    fn call_back_unwanted(&self, worker: &WorkerId) -> Vec<Effect> {
        let Some(state) = self.roster.get(worker) else { return Vec::new() };
        let is_unwanted = |attempt: &&AttemptId| {
            let active = self.jobs.get(&attempt.task.job).and_then(Entry::active);
            active.is_none_or(|active| !active.is_running() || active.called_back.contains(*attempt))
        };
        let unwanted = state.foreign.iter().chain(state.running.iter().filter(is_unwanted));
        let call_back: Vec<Effect> =
            unwanted.map(|attempt| Effect::CancelAttempt { worker: worker.clone(), attempt: *attempt }).collect();
        if call_back.is_empty() { call_back } else { vec![Effect::in_order(call_back)] }
    }

    pub(super) fn worker_left(
        &mut self,
        worker: &WorkerId,
        instance: &str,
        failure: &Failure,
        now_ms: u64,
    ) -> Vec<Effect> {
        if self.roster.instance(worker, instance).is_none() {
            return Vec::new();
        }
        let Some(state) = self.roster.remove(worker) else { return Vec::new() };
        // However one ends that was to leave: nobody failed.
        let drained = self.drains.remove(worker).map(|_| was_drained(worker));
        let failure = drained.as_ref().unwrap_or(failure);
        self.moves_lost(worker);
        let mut effects = Vec::new();
        for attempt in state.running {
            effects.extend(self.attempt_lost(worker, attempt, failure, now_ms));
        }
        for uid in self.active_uids() {
            self.recompute_missing(uid, now_ms);
        }
        effects
    }

    /// Runs again exactly what no worker holds any more and somebody still has to read: partitions whose readers are not
    /// done, or not even planned.
    pub(super) fn recompute_missing(&mut self, uid: JobUid, now_ms: u64) {
        let Some(active) = self.jobs.get(&uid).and_then(Entry::active).filter(|active| active.is_running()) else {
            return;
        };
        let is_gone = |holder: &Holder| self.roster.instance(&holder.worker, &holder.instance).is_none();
        let missing: Vec<(usize, Vec<u32>)> =
            unread_stages(active).map(|index| (index, active.stages[index].held_by(is_gone))).collect();
        if missing.iter().all(|(_, tasks)| tasks.is_empty()) {
            return;
        }
        let Some(active) = self.active_mut(uid) else { return };
        for (stage, tasks) in missing {
            tasks.into_iter().for_each(|task| active.stages[stage].requeue(task, now_ms));
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Effect> {
        self.forgive_standstill(now_ms);
        let mut effects = Vec::new();
        for (worker, instance, failure) in self.silent(now_ms) {
            effects.extend(self.worker_left(&worker, &instance, &failure, now_ms));
            effects.push(Effect::Disconnect { worker, instance, failure });
        }
        self.lift_reservations();
        effects.extend(self.end_stranded_jobs(now_ms));
        effects.extend(self.end_overdue_jobs(now_ms));
        effects.extend(self.retry_publishing(now_ms));
        effects.extend(self.give_up_cancelled_attempts(now_ms));
        effects.extend(self.expire_history(now_ms));
        // Pauses of failed tasks may have passed.
        self.touched.extend(self.active_uids());
        effects
    }

    /// While this head stood still, nobody could be heard: that time does not count as silence.
    fn forgive_standstill(&mut self, now_ms: u64) {
        let since = now_ms.saturating_sub(self.last_tick_ms.replace(now_ms).unwrap_or(now_ms));
        if since <= limits::STANDSTILL.as_millis() as u64 {
            return;
        }
        let workers: Vec<WorkerId> = self.roster.iter().map(|state| state.info.id.clone()).collect();
        for worker in workers {
            self.roster.change(&worker, |state| state.last_seen_ms = (state.last_seen_ms + since).min(now_ms));
        }
    }

    fn silent(&self, now_ms: u64) -> Vec<(WorkerId, String, Failure)> {
        let is_silent = |state: &&WorkerState| {
            let patience = if state.is_expected() { limits::ADOPTION_GRACE } else { limits::WORKER_SILENCE_MAX };
            now_ms.saturating_sub(state.last_seen_ms) > patience.as_millis() as u64
        };
        let tell = |state: &WorkerState| {
            let id = &state.info.id;
            let failure = if state.is_expected() {
                let why = format!("worker `{id}` did not come back after the head was restarted");
                Failure::new(Reason::HandedBack, why)
            } else {
                let seconds = limits::WORKER_SILENCE_MAX.as_secs();
                Failure::new(Reason::WorkerLost, format!("worker `{id}` has been silent for {seconds} s"))
            };
            (id.clone(), state.info.instance.clone(), failure)
        };
        self.roster.iter().filter(is_silent).map(tell).collect()
    }
}

/// Closes the stream of a worker that believes to belong here and is not counted: it comes back and is. Behind the
/// journal, as its dismissal, which it may be about to hear.
fn is_a_stranger(worker: &WorkerId, instance: &str) -> Effect {
    let why = format!("worker `{worker}` is connected, but was given up before");
    let failure = Failure::new(Reason::WorkerLost, why);
    Effect::in_order(vec![Effect::Disconnect { worker: worker.clone(), instance: instance.to_owned(), failure }])
}

/// Stages whose partitions somebody still has to read.
pub(super) fn unread_stages(active: &ActiveJob) -> impl Iterator<Item = usize> + '_ {
    let is_read = |index: u32| {
        let mut readers = active.stages.iter().filter(|stage| stage.plan.reads == Some(index)).peekable();
        readers.peek().is_some() && readers.all(StageState::is_done)
    };
    (0..active.stages.len()).filter(move |index| u32::try_from(*index).is_ok_and(|index| !is_read(index)))
}
