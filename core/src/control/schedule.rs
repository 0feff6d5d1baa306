//! Which task runs next, and where.

use std::collections::BTreeSet;

use super::job_state::{ActiveJob, Entry};
use super::stage::TaskStatus;
use super::{Control, Effect};
use crate::id::{JobUid, TaskId, WorkerId};
use crate::journal::Record;
use crate::limits;
use crate::task::{Assignment, PartitionSource};

/// A task that got a slot.
pub(super) struct Placed {
    worker: WorkerId,
    instance: String,
    assignment: Assignment,
    /// How long it had waited, in milliseconds.
    queued_ms: u64,
    /// Whether it runs beside another attempt of its task.
    duplicate: bool,
}

impl Control {
    /// Hands tasks to free slots: see [`super::queue`] for whose turn it is.
    pub(super) fn schedule(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut placed = self.start_suspects(now_ms);
        let mut passed = BTreeSet::new();
        while self.roster.has_free() {
            let Some(uid) = self.queue.next(&passed) else { break };
            match self.start_next(uid, now_ms) {
                Some(next) => {
                    self.queue.served(uid);
                    placed.push(next);
                }
                None => drop(passed.insert(uid)),
            }
            self.settle(uid, now_ms);
        }
        hand_out(placed, now_ms)
    }

    /// Puts a job at its place in the queue, or takes it out where it has no task for a slot now.
    pub(super) fn settle(&mut self, uid: JobUid, now_ms: u64) {
        let active = self.jobs.get_mut(&uid).and_then(Entry::active_mut);
        let Some(active) = active else {
            self.queue.forget(uid);
            self.suspicious.remove(&uid);
            return;
        };
        active.wake(now_ms);
        if active.takes_slots() && !active.suspects.is_empty() {
            self.suspicious.insert(uid);
        } else {
            self.suspicious.remove(&uid);
        }
        if active.ready_tasks().next().is_some() {
            self.queue.put(uid, active.priority, active.running.len());
        } else {
            self.queue.take_out(uid);
        }
    }

    /// The first of a job's ready tasks that a worker takes.
    fn start_next(&mut self, uid: JobUid, now_ms: u64) -> Option<Placed> {
        let active = self.jobs.get(&uid)?.active()?;
        let (task, worker, sources) = active.ready_tasks().take(limits::PLACEMENTS_TRIED_MAX).find_map(|task| {
            let state = active.stages.get(task.stage as usize)?.tasks.get(task.index as usize)?;
            let worker = self.roster.place(&state.failed_on)?;
            Some((task, worker.clone(), self.sources(active, task)?))
        })?;
        self.start(task, worker, sources, now_ms)
    }

    /// Starts tasks that have to run alone, each on a worker that is cleared for it.
    fn start_suspects(&mut self, now_ms: u64) -> Vec<Placed> {
        let mut placed = Vec::new();
        let jobs: Vec<JobUid> = self.suspicious.iter().copied().collect();
        for uid in jobs {
            let Some(active) = self.jobs.get(&uid).and_then(Entry::active) else { continue };
            let tasks: Vec<TaskId> = active.ready_suspects().collect();
            for task in tasks {
                let Some(worker) = self.roster.place_alone(task).cloned() else { continue };
                let active = self.jobs.get(&uid).and_then(Entry::active);
                let sources = active.and_then(|active| self.sources(active, task));
                let is_idle = self.roster.change(&worker, |state| {
                    state.reserved = Some(task);
                    state.idle_slots() == state.info.slots
                });
                if let (Some(true), Some(sources)) = (is_idle, sources) {
                    placed.extend(self.start(task, worker, sources, now_ms));
                }
            }
            self.settle(uid, now_ms);
        }
        placed
    }

    /// Lets workers take other tasks whose task alone has ended, or cannot run now: it may wait for just those others.
    pub(super) fn lift_reservations(&mut self) {
        let is_over = |task: &TaskId| {
            let Some(active) = self.jobs.get(&task.job).and_then(Entry::active) else { return true };
            let runs = active.running.keys().any(|attempt| attempt.task == *task);
            !runs && !active.ready_suspects().any(|suspect| suspect == *task)
        };
        let over: Vec<WorkerId> = self
            .roster
            .iter()
            .filter(|state| state.reserved.as_ref().is_some_and(is_over))
            .map(|state| state.info.id.clone())
            .collect();
        for worker in over {
            self.roster.change(&worker, |state| state.reserved = None);
        }
    }

    /// Takes a slot of that worker for a task that does not run.
    fn start(&mut self, task: TaskId, worker: WorkerId, sources: Vec<PartitionSource>, now_ms: u64) -> Option<Placed> {
        self.place(task, worker, sources, false, now_ms)
    }

    /// Takes a slot of that worker for a task: for the one attempt that runs of it, or for one beside that.
    pub(super) fn place(
        &mut self,
        task: TaskId,
        worker: WorkerId,
        sources: Vec<PartitionSource>,
        duplicate: bool,
        now_ms: u64,
    ) -> Option<Placed> {
        let active = self.jobs.get(&task.job)?.active()?;
        let stage = active.stages.get(task.stage as usize)?;
        let plan = stage.plan.tasks.get(task.index as usize)?;
        let attempt = stage.next_attempt(task)?;
        let state = stage.tasks.get(task.index as usize)?;
        let (ready_at_ms, lost_workers) = (state.ready_at_ms, state.deaths);
        // Nothing waits for a duplicate.
        let queued_ms = if duplicate { 0 } else { now_ms.saturating_sub(ready_at_ms) };
        let assignment = Assignment {
            attempt,
            job_name: active.job.name.clone(),
            kind: active.job.work.kind().to_owned(),
            stage: stage.plan.name.clone(),
            common: stage.plan.common.clone(),
            payload: plan.payload.clone(),
            sources,
            lost_workers,
        };
        self.reads_from(attempt, &assignment.sources);
        let active = self.active_mut(task.job)?;
        if duplicate {
            active.duplicate_started(attempt, &worker, now_ms);
        } else {
            active.attempt_started(attempt, &worker, now_ms);
        }
        let instance = self.roster.change(&worker, |state| {
            state.running.insert(attempt);
            state.info.instance.clone()
        })?;
        Some(Placed { worker, instance, assignment, queued_ms, duplicate })
    }

    /// Where the partitions lie that a task reads: pinned by attempt, worker and checksum. None unless every task that
    /// writes them is done and its worker is there: a bucket is read whole or not at all.
    pub(super) fn sources(&self, active: &ActiveJob, task: TaskId) -> Option<Vec<PartitionSource>> {
        let plan = &active.stages.get(task.stage as usize)?.plan;
        let (Some(read), Some(bucket)) = (plan.reads, plan.tasks.get(task.index as usize)?.bucket) else {
            return Some(Vec::new());
        };
        let stage = active.stages.get(read as usize)?;
        let mut sources = Vec::new();
        for task in &stage.tasks {
            let TaskStatus::Done { attempt, holder, output } = &task.status else { return None };
            // A split without rows for the bucket has no partition in it.
            let Ok(place) = output.partitions.binary_search_by_key(&bucket, |partition| partition.bucket) else {
                continue;
            };
            let state = self.roster.instance(&holder.worker, &holder.instance)?;
            if state.is_expected() {
                return None;
            }
            sources.push(PartitionSource {
                attempt: *attempt,
                worker: holder.worker.clone(),
                flight_url: state.info.flight_url.clone(),
                partition: output.partitions[place].clone(),
            });
        }
        Some(sources)
    }
}

/// Stores which attempts start, and then lets them.
pub(super) fn hand_out(placed: Vec<Placed>, now_ms: u64) -> Vec<Effect> {
    if placed.is_empty() {
        return Vec::new();
    }
    let record = |placed: &Placed| Record::AttemptStarted {
        attempt: placed.assignment.attempt,
        worker: placed.worker.clone(),
        instance: placed.instance.clone(),
        queued_ms: placed.queued_ms,
        at_ms: now_ms,
        duplicate: placed.duplicate,
    };
    let records = placed.iter().map(record).collect();
    let assign = |Placed { worker, instance, assignment, queued_ms: _, duplicate: _ }: Placed| Effect::Assign {
        worker,
        instance,
        assignment: Box::new(assignment),
    };
    vec![Effect::Persist { records, then: placed.into_iter().map(assign).collect() }]
}
