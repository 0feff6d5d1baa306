//! Workers that are to leave: they get no more tasks, what they run ends or is handed back, and what they hold moves to
//! others, all before a deadline.
//!
//! ```text
//!   requested --> running tasks go on, partitions move --> quiet -----------> dismissed
//!                       |                                                        ^
//!                       +--> shortly before the deadline: called back --> deadline
//! ```
//!
//! What has not moved by then is computed again, as that of any worker that is gone; but nobody failed.

use std::collections::{BTreeMap, BTreeSet};

use super::job_state::{ActiveJob, Entry, JobPhase};
use super::roster::{Presence, WorkerState};
use super::stage::{Holder, TaskStatus};
use super::workers::unread_stages;
use super::{Control, Effect, Mutation};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, TaskId, WorkerId};
use crate::journal::Record;
use crate::limits;
use crate::task::PartitionSource;

/// A worker on its way out.
pub(super) struct Drain {
    holder: Holder,
    /// When what it still runs is called back.
    call_back_at_ms: u64,
    leaves_by_ms: u64,
    called_back: bool,
    /// Attempts whose partitions have to move.
    to_move: BTreeSet<AttemptId>,
    /// Attempts whose partitions are on their way, and to whom.
    moving: BTreeMap<AttemptId, WorkerId>,
    /// Who could not take which, so that somebody else is tried.
    refused: BTreeMap<AttemptId, Vec<WorkerId>>,
    /// Bytes that each was given, so that they are spread.
    given: BTreeMap<WorkerId, u64>,
    /// Attempts that were told to read from it, on whatever worker.
    readers: BTreeSet<AttemptId>,
}

impl Drain {
    /// The sooner of two deadlines counts.
    fn leave_by(&mut self, leaves_by_ms: u64, now_ms: u64) {
        if leaves_by_ms < self.leaves_by_ms {
            let margin_ms = (limits::DRAIN_HAND_BACK.as_millis() as u64).min(leaves_by_ms.saturating_sub(now_ms) / 2);
            self.leaves_by_ms = leaves_by_ms;
            self.call_back_at_ms = leaves_by_ms - margin_ms;
        }
    }

    /// Partitions on their way to a worker that may never have heard of it.
    fn take_back(&mut self, to: &WorkerId) {
        let lost: Vec<AttemptId> =
            self.moving.iter().filter(|(_, taker)| *taker == to).map(|(attempt, _)| *attempt).collect();
        for attempt in lost {
            self.moving.remove(&attempt);
            self.to_move.insert(attempt);
        }
    }
}

impl Control {
    /// Starts to drain a worker, or brings its deadline forward. One that has not come back to this head yet is asked
    /// when it does: it says so itself.
    pub(super) fn drain_requested(&mut self, worker: &WorkerId, instance: &str, leaves_by_ms: u64, now_ms: u64) {
        if self.roster.instance(worker, instance).is_none_or(WorkerState::is_expected) {
            return;
        }
        let leaves_by_ms = leaves_by_ms.min(now_ms + limits::DRAIN_MAX.as_millis() as u64);
        if !self.drains.contains_key(worker) {
            let drain = self.survey(Holder { worker: worker.clone(), instance: instance.to_owned() });
            self.drains.insert(worker.clone(), drain);
        }
        let Some(drain) = self.drains.get_mut(worker) else { return };
        drain.leave_by(leaves_by_ms, now_ms);
        let deadline_ms = drain.leaves_by_ms;
        if self.mutation == Some(Mutation::AssignToDraining) {
            return;
        }
        self.roster.change(worker, |state| {
            state.presence = Presence::Draining { deadline_ms };
            state.reserved = None;
        });
    }

    /// What a worker holds that somebody still has to read, and who is about to.
    fn survey(&self, holder: Holder) -> Drain {
        let mut to_move = BTreeSet::new();
        let mut readers = BTreeSet::new();
        for active in self.jobs.values().filter_map(Entry::active).filter(|active| keeps_partitions(active)) {
            for index in unread_stages(active) {
                let stage = &active.stages[index];
                let held = stage.held_by(|of| *of == holder);
                let kept = |index: &u32| match &stage.tasks[*index as usize].status {
                    TaskStatus::Done { attempt, .. } => Some(*attempt),
                    _ => None,
                };
                to_move.extend(held.iter().filter_map(kept));
                if !held.is_empty() {
                    let reads = |attempt: &&AttemptId| {
                        let stage = active.stages.get(attempt.task.stage as usize);
                        stage.and_then(|stage| stage.plan.reads).is_some_and(|read| read as usize == index)
                    };
                    readers.extend(active.running.keys().filter(reads).copied());
                }
            }
        }
        Drain {
            holder,
            call_back_at_ms: u64::MAX,
            leaves_by_ms: u64::MAX,
            called_back: false,
            to_move,
            moving: BTreeMap::new(),
            refused: BTreeMap::new(),
            given: BTreeMap::new(),
            readers,
        }
    }

    /// Takes the next steps of all workers that are to leave.
    pub(super) fn drain_workers(&mut self, now_ms: u64) -> Vec<Effect> {
        let workers: Vec<WorkerId> = self.drains.keys().cloned().collect();
        workers.iter().flat_map(|worker| self.drain_worker(worker, now_ms)).collect()
    }

    fn drain_worker(&mut self, worker: &WorkerId, now_ms: u64) -> Vec<Effect> {
        let Some(drain) = self.drains.get_mut(worker) else { return Vec::new() };
        if now_ms >= drain.leaves_by_ms {
            return self.dismiss(worker, now_ms);
        }
        let mut effects = Vec::new();
        if now_ms >= drain.call_back_at_ms && !std::mem::replace(&mut drain.called_back, true) {
            effects.extend(self.hand_back(worker));
        }
        effects.extend(self.move_partitions(worker));
        if self.is_drained(worker) {
            effects.extend(self.dismiss(worker, now_ms));
        }
        effects
    }

    /// Calls back what a worker still runs: it is to run again elsewhere.
    fn hand_back(&mut self, worker: &WorkerId) -> Option<Effect> {
        let running: Vec<AttemptId> = self.roster.get(worker)?.running.iter().copied().collect();
        let mut call_back = Vec::new();
        for attempt in running {
            let Some(active) = self.active_mut(attempt.task.job) else { continue };
            if active.is_running() && active.running.get(&attempt) == Some(worker) {
                active.called_back.insert(attempt);
                call_back.push(Effect::CancelAttempt { worker: worker.clone(), attempt });
            }
        }
        Some(Effect::in_order(call_back))
    }

    /// Sends partitions on their way, a few at a time.
    fn move_partitions(&mut self, worker: &WorkerId) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(drain) = self.drains.get(worker)
            && drain.moving.len() < limits::DRAIN_MOVES_MAX
            && let Some(attempt) = drain.to_move.first().copied()
        {
            let sources = self.still_needed(attempt, &drain.holder);
            let taker = self.taker(attempt, drain);
            let Some(drain) = self.drains.get_mut(worker) else { break };
            match (sources, taker) {
                (None, _) => drop(drain.to_move.remove(&attempt)),
                // A worker that starts meanwhile may take them.
                (Some(_), None) => break,
                (Some(sources), Some((taker, instance))) => {
                    drain.to_move.remove(&attempt);
                    drain.moving.insert(attempt, taker.clone());
                    let bytes: u64 = sources.iter().map(|source| source.partition.bytes).sum();
                    *drain.given.entry(taker.clone()).or_default() += bytes;
                    effects.push(Effect::MovePartitions { worker: taker, instance, sources });
                }
            }
        }
        effects
    }

    /// The partitions of an attempt, where they still lie there and somebody still has to read them.
    fn still_needed(&self, attempt: AttemptId, holder: &Holder) -> Option<Vec<PartitionSource>> {
        let TaskId { job, stage, index } = attempt.task;
        let active = self.jobs.get(&job)?.active().filter(|active| keeps_partitions(active))?;
        unread_stages(active).find(|unread| *unread == stage as usize)?;
        let task = active.stages.get(stage as usize)?.tasks.get(index as usize)?;
        let TaskStatus::Done { attempt: kept, holder: of, output } = &task.status else { return None };
        if *kept != attempt || of != holder || output.partitions.is_empty() {
            return None;
        }
        let flight_url = &self.roster.instance(&holder.worker, &holder.instance)?.info.flight_url;
        let source = |partition: &crate::task::PartitionMeta| PartitionSource {
            attempt,
            worker: holder.worker.clone(),
            flight_url: flight_url.clone(),
            partition: partition.clone(),
        };
        Some(output.partitions.iter().map(source).collect())
    }

    /// Who takes an attempt's partitions: of those that have not refused them, who was given the least for its size.
    fn taker(&self, attempt: AttemptId, drain: &Drain) -> Option<(WorkerId, String)> {
        let refused = drain.refused.get(&attempt).map(Vec::as_slice).unwrap_or_default();
        let takes = |state: &&WorkerState| {
            state.presence == Presence::Ready
                && state.info.adopts
                && !state.disk_full
                && !refused.contains(&state.info.id)
        };
        let load = |state: &&WorkerState| {
            let given = drain.given.get(&state.info.id).copied().unwrap_or(0);
            (given / u64::from(state.info.slots.max(1)), std::cmp::Reverse(state.idle_slots()), state.info.id.clone())
        };
        let taker = self.roster.iter().filter(takes).min_by_key(load)?;
        Some((taker.info.id.clone(), taker.info.instance.clone()))
    }

    /// Whether a worker has nothing left to do: it runs nothing, nothing it holds has to move, nobody reads from it.
    fn is_drained(&mut self, worker: &WorkerId) -> bool {
        let (Some(drain), Some(state)) = (self.drains.get_mut(worker), self.roster.get(worker)) else { return false };
        if !state.running.is_empty() || !drain.to_move.is_empty() || !drain.moving.is_empty() {
            return false;
        }
        let still_runs = |attempt: &AttemptId| {
            let active = self.jobs.get(&attempt.task.job).and_then(Entry::active);
            active.is_some_and(|active| active.running.contains_key(attempt))
        };
        // Looked at from one end, so that many of them cost nothing while they run.
        while let Some(reader) = drain.readers.first().copied().filter(|reader| !still_runs(reader)) {
            drain.readers.remove(&reader);
        }
        drain.readers.is_empty()
    }

    /// Lets a worker go. What it still runs is nobody's fault, what it still holds is computed again.
    fn dismiss(&mut self, worker: &WorkerId, now_ms: u64) -> Vec<Effect> {
        let Some(drain) = self.drains.get(worker) else { return Vec::new() };
        let instance = drain.holder.instance.clone();
        let mut effects = self.worker_left(worker, &instance, &was_drained(worker), now_ms);
        // Behind the journal: another head would look for what moved where it was before.
        effects.push(Effect::in_order(vec![Effect::Dismiss { worker: worker.clone(), instance }]));
        effects
    }

    /// A worker has taken over partitions, or could not.
    pub(super) fn partitions_moved(
        &mut self,
        to: &WorkerId,
        instance: &str,
        attempt: AttemptId,
        result: Result<(), Failure>,
    ) -> Vec<Effect> {
        if self.roster.instance(to, instance).is_none_or(WorkerState::is_expected) {
            return Vec::new();
        }
        // Of a worker that has left meanwhile they are computed again already.
        let Some(drain) = self.drains.values_mut().find(|drain| drain.moving.get(&attempt) == Some(to)) else {
            return Vec::new();
        };
        drain.moving.remove(&attempt);
        if result.is_err() {
            let refused = drain.refused.entry(attempt).or_default();
            refused.push(to.clone());
            // Where several cannot have them, the partitions themselves are at fault.
            if refused.len() < limits::DRAIN_MOVE_TRIES_MAX {
                drain.to_move.insert(attempt);
            }
            return Vec::new();
        }
        let from = drain.holder.clone();
        if self.still_needed(attempt, &from).is_none() {
            return Vec::new();
        }
        let Some(active) = self.active_mut(attempt.task.job) else { return Vec::new() };
        active.partitions_moved(attempt, Holder { worker: to.clone(), instance: instance.to_owned() });
        self.is_held_by(attempt, to);
        vec![Effect::persist(Record::PartitionsMoved { attempt, worker: to.clone(), instance: instance.to_owned() })]
    }

    /// A worker holds partitions of an attempt from now on: one that is to leave has to hand them over.
    pub(super) fn is_held_by(&mut self, attempt: AttemptId, worker: &WorkerId) {
        if let Some(drain) = self.drains.get_mut(worker) {
            drain.to_move.insert(attempt);
        }
    }

    /// An attempt is about to read: workers that are to leave wait for those that read from them.
    pub(super) fn reads_from(&mut self, attempt: AttemptId, sources: &[PartitionSource]) {
        for drain in self.drains.values_mut() {
            if sources.iter().any(|source| source.worker == drain.holder.worker) {
                drain.readers.insert(attempt);
            }
        }
    }

    /// A worker came back on another connection, or is gone: it may not have heard what it was to take over.
    pub(super) fn moves_lost(&mut self, to: &WorkerId) {
        self.drains.values_mut().for_each(|drain| drain.take_back(to));
    }
}

/// Why attempts ended with a worker that was to leave.
pub(super) fn was_drained(worker: &WorkerId) -> Failure {
    Failure::new(Reason::HandedBack, format!("worker `{worker}` was drained"))
}

/// Whether somebody may still read what a job's finished tasks left.
pub(super) fn keeps_partitions(active: &ActiveJob) -> bool {
    matches!(active.phase, JobPhase::GatheringFacts | JobPhase::Running)
}
