//! One stage and the life of its tasks.
//!
//! ```text
//!   Ready -> Running -> Done
//!    ^  ^       |         |
//!    |  +-- handed back --+  (the worker that holds a finished task's partitions is gone)
//!    |          |
//!   Paused <- failed
//! ```
//!
//! A task that runs for long may run twice: see [`super::speculation`].

use std::collections::{BTreeMap, BTreeSet};

use super::live::{Live, Run};
use super::time_left::{RunningTask, StageSoFar};
use crate::autoscaling::estimate::{self, StageWork};
use crate::id::{AttemptId, TaskId, WorkerId};
use crate::kind::StageOutcome;
use crate::task::{Counters, StagePlan, TaskOutput};

pub(super) struct StageState {
    pub(super) plan: StagePlan,
    pub(super) tasks: Vec<TaskState>,
    /// Tasks that are not done; kept so that nobody has to count a hundred thousand.
    unfinished: usize,
    pub(super) attempts: u32,
    pub(super) first_assigned_ms: Option<u64>,
    pub(super) last_finished_ms: Option<u64>,
    weight: u64,
    done_weight: u64,
    /// Of finished tasks whose attempts this head saw begin: their weight, and how long they took together.
    timed: (u64, u64),
    /// How many those are.
    timed_tasks: u64,
    /// Bytes of what finished tasks left for the next stage.
    partition_bytes: u64,
    /// Sums over finished tasks, kept as they come and go for the same reason.
    pub(super) counters: Counters,
    /// Tasks that only wait for a slot, in order.
    ready: BTreeSet<u32>,
    /// Tasks that failed and wait for their pause to pass, by its end.
    paused: BTreeSet<(u64, u32)>,
    /// Since when its attempts run, and which tasks run twice.
    pub(super) live: Live,
}

pub(super) struct TaskState {
    pub(super) status: TaskStatus,
    /// Runs so far; the next attempt's number follows.
    pub(super) attempts: u32,
    /// Runs that failed or were lost, and finished ones whose partitions nobody could fetch.
    pub(super) failures: u32,
    /// Runs that ended with their worker's process.
    pub(super) deaths: u32,
    /// Times in a row that a worker had no slot for it.
    pub(super) refusals: u32,
    /// Workers on which it failed: it runs elsewhere while there is another.
    pub(super) failed_on: BTreeSet<WorkerId>,
    /// How long the attempt that finished it ran, in milliseconds.
    pub(super) took_ms: u32,
    /// When it may run: planned, or failed and waited for a while.
    pub(super) ready_at_ms: u64,
}

#[derive(Debug)]
pub(super) enum TaskStatus {
    Pending,
    Running(AttemptId),
    Done { attempt: AttemptId, holder: Holder, output: Box<TaskOutput> },
}

/// What the end of an attempt without a result leaves of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The task did not wait for it any more.
    Decided,
    /// The attempt that it was to overtake still runs.
    TheFirst,
    /// The one that was to overtake it still runs, in its place now.
    TheDuplicate,
    /// Nothing of it runs.
    Nothing,
}

/// The process that holds what an attempt wrote for the next stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) worker: WorkerId,
    pub(super) instance: String,
}

impl StageState {
    pub(super) fn new(plan: StagePlan, attempt_base: u32, now_ms: u64) -> Self {
        let task = || TaskState {
            status: TaskStatus::Pending,
            attempts: attempt_base,
            failures: 0,
            deaths: 0,
            refusals: 0,
            failed_on: BTreeSet::new(),
            took_ms: 0,
            ready_at_ms: now_ms,
        };
        let tasks: Vec<TaskState> = plan.tasks.iter().map(|_| task()).collect();
        let ready = (0..u32::try_from(tasks.len()).unwrap_or(u32::MAX)).collect();
        Self {
            weight: plan.tasks.iter().map(|task| task.weight).sum(),
            plan,
            unfinished: tasks.len(),
            tasks,
            attempts: 0,
            first_assigned_ms: None,
            last_finished_ms: None,
            done_weight: 0,
            timed: (0, 0),
            timed_tasks: 0,
            partition_bytes: 0,
            counters: Counters::default(),
            ready,
            paused: BTreeSet::new(),
            live: Live::default(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.unfinished == 0
    }

    pub(super) fn done_count(&self) -> usize {
        self.tasks.len() - self.unfinished
    }

    /// Tasks that wait, for a slot or for a pause to pass.
    pub(super) fn pending_count(&self) -> usize {
        self.ready.len() + self.paused.len()
    }

    /// Tasks that only wait for a slot, in order.
    pub(super) fn ready(&self) -> impl Iterator<Item = u32> + '_ {
        self.ready.iter().copied()
    }

    pub(super) fn is_ready(&self, index: u32) -> bool {
        self.ready.contains(&index)
    }

    /// Lets tasks run whose pause has passed.
    pub(super) fn wake(&mut self, now_ms: u64) {
        while let Some(&(at, index)) = self.paused.first().filter(|(at, _)| *at <= now_ms) {
            self.paused.remove(&(at, index));
            self.ready.insert(index);
        }
    }

    /// The attempt that would run next.
    pub(super) fn next_attempt(&self, task: TaskId) -> Option<AttemptId> {
        let state = self.tasks.get(task.index as usize)?;
        Some(AttemptId { task, number: state.attempts + 1 })
    }

    pub(super) fn start(&mut self, attempt: AttemptId, now_ms: u64) {
        let index = attempt.task.index;
        // Only a journal can say that a finished task runs: it did not say why it had to run again.
        self.requeue(index, now_ms);
        let Some(state) = self.tasks.get_mut(index as usize) else { return };
        state.attempts = attempt.number;
        state.status = TaskStatus::Running(attempt);
        self.ready.remove(&index);
        self.paused.remove(&(state.ready_at_ms, index));
        self.attempts += 1;
        self.first_assigned_ms.get_or_insert(now_ms);
        self.live.start(attempt, now_ms);
    }

    /// Another attempt of a task starts beside the one that runs.
    pub(super) fn start_duplicate(&mut self, attempt: AttemptId, now_ms: u64) {
        let Some(state) = self.tasks.get_mut(attempt.task.index as usize) else { return };
        state.attempts = attempt.number;
        self.attempts += 1;
        self.live.start_duplicate(attempt, now_ms);
    }

    /// Whether an attempt's end decides something: its task is not done, and it is the one that runs or the duplicate.
    pub(super) fn is_live(&self, attempt: AttemptId) -> bool {
        let running = self.running_attempt(attempt.task.index);
        running == Some(attempt) || (running.is_some() && self.live.duplicate(attempt.task.index) == Some(attempt))
    }

    /// The attempts of a task that are live.
    pub(super) fn live_attempts(&self, index: u32) -> impl Iterator<Item = AttemptId> + '_ {
        let running = self.running_attempt(index);
        running.into_iter().chain(self.live.duplicate(index).filter(|_| running.is_some()))
    }

    /// An attempt has ended without a result. Says what that leaves of its task.
    pub(super) fn give_up(&mut self, attempt: AttemptId) -> Left {
        let index = attempt.task.index;
        if !self.is_live(attempt) {
            return Left::Decided;
        }
        self.live.end(attempt);
        if self.running_attempt(index) != Some(attempt) {
            return Left::TheFirst;
        }
        let Some(duplicate) = self.live.promote(index) else { return Left::Nothing };
        if let Some(state) = self.tasks.get_mut(index as usize) {
            state.status = TaskStatus::Running(duplicate);
        }
        Left::TheDuplicate
    }

    pub(super) fn finish(&mut self, attempt: AttemptId, holder: Holder, mut output: TaskOutput, now_ms: u64) {
        let index = attempt.task.index as usize;
        // Its partitions are looked up once per bucket.
        output.partitions.sort_by_key(|partition| partition.bucket);
        let took_ms = self.live.finish(attempt, now_ms);
        let weight = self.weight_of(attempt.task.index);
        let Some(state) = self.tasks.get_mut(index) else { return };
        state.took_ms = took_ms;
        self.counters.add(&output.counters);
        self.done_weight += weight;
        if took_ms > 0 {
            self.timed = (self.timed.0 + weight, self.timed.1 + u64::from(took_ms));
            self.timed_tasks += 1;
        }
        self.partition_bytes += bytes_of(&output);
        state.status = TaskStatus::Done { attempt, holder, output: Box::new(output) };
        self.unfinished -= 1;
        self.last_finished_ms = Some(now_ms);
    }

    /// Puts a running or finished task back in the queue.
    pub(super) fn requeue(&mut self, index: u32, ready_at_ms: u64) {
        let weight = self.weight_of(index);
        let Some(state) = self.tasks.get_mut(index as usize) else { return };
        let before = std::mem::replace(&mut state.status, TaskStatus::Pending);
        if let TaskStatus::Done { output, .. } = &before {
            self.unfinished += 1;
            self.done_weight -= weight;
            if state.took_ms > 0 {
                self.timed = (self.timed.0 - weight, self.timed.1 - u64::from(state.took_ms));
                self.timed_tasks -= 1;
            }
            self.partition_bytes -= bytes_of(output);
            self.counters.subtract(&output.counters);
        }
        if let TaskStatus::Running(attempt) = before {
            self.live.forget(attempt);
        }
        self.ready.remove(&index);
        self.paused.remove(&(state.ready_at_ms, index));
        state.ready_at_ms = ready_at_ms;
        self.paused.insert((ready_at_ms, index));
    }

    /// The attempt that runs, where one does.
    pub(super) fn running_attempt(&self, index: u32) -> Option<AttemptId> {
        match self.tasks.get(index as usize)?.status {
            TaskStatus::Running(attempt) => Some(attempt),
            _ => None,
        }
    }

    /// Finished tasks with partitions whose holder is such a one.
    pub(super) fn held_by(&self, is_meant: impl Fn(&Holder) -> bool) -> Vec<u32> {
        let is_held = |task: &TaskState| {
            matches!(&task.status, TaskStatus::Done { holder, output, .. }
                if !output.partitions.is_empty() && is_meant(holder))
        };
        self.tasks.iter().zip(0..).filter(|(task, _)| is_held(task)).map(|(_, index)| index).collect()
    }

    /// Forgets earlier failures: somebody who knows of them wants the tasks to run again.
    pub(super) fn forgive(&mut self, now_ms: u64) {
        for task in &mut self.tasks {
            (task.failures, task.deaths, task.refusals) = (0, 0, 0);
            task.failed_on.clear();
        }
        let paused = std::mem::take(&mut self.paused);
        for (_, index) in paused {
            self.tasks[index as usize].ready_at_ms = now_ms;
            self.ready.insert(index);
        }
    }

    /// Lets no pause end later than that.
    pub(super) fn limit_pauses(&mut self, latest_ms: u64) {
        for (_, index) in self.paused.split_off(&(latest_ms, 0)) {
            self.tasks[index as usize].ready_at_ms = latest_ms;
            self.paused.insert((latest_ms, index));
        }
    }

    /// What its tasks reported, in the order of the plan; tasks that are not done report nothing.
    pub(super) fn outcome(&self) -> StageOutcome {
        let output = |task: &TaskState| match &task.status {
            TaskStatus::Done { output, .. } => output.as_ref().clone(),
            _ => TaskOutput::default(),
        };
        StageOutcome { name: self.plan.name.clone(), outputs: self.tasks.iter().map(output).collect() }
    }

    /// Share of the stage that is done, from 0 to 1, by the weight of its tasks; of running ones as far as they tell.
    pub(super) fn done_share(&self) -> f64 {
        let total = self.weight;
        if self.is_done() {
            1.0
        } else if total == 0 {
            0.0
        } else {
            let share = |(index, run): (u32, Run)| {
                self.weight_of(index) as f64 * run.told.map_or(0.0, |(permille, _)| f64::from(permille) / 1_000.0)
            };
            let running: f64 = self.furthest().into_iter().map(share).sum();
            (self.done_weight as f64 + running) / total as f64
        }
    }

    /// The running tasks, of two attempts at one the one that has run for longer.
    fn furthest(&self) -> BTreeMap<u32, Run> {
        let mut furthest: BTreeMap<u32, Run> = BTreeMap::new();
        for (attempt, run) in self.live.attempts() {
            let known = furthest.entry(attempt.task.index).or_insert(run);
            if run.started_ms < known.started_ms {
                *known = run;
            }
        }
        furthest
    }

    fn weight_of(&self, index: u32) -> u64 {
        self.plan.tasks.get(index as usize).map_or(0, |task| task.weight)
    }

    /// Bytes of what its finished tasks left for the next stage.
    pub(super) fn partition_bytes(&self) -> u64 {
        self.partition_bytes
    }

    /// What work is in it. Looks at those that run and at no others: somebody asks every other second.
    pub(super) fn work(&self, now_ms: u64) -> StageWork {
        let running: Vec<estimate::RunningTask> = self
            .furthest()
            .into_iter()
            .map(|(index, run)| estimate::RunningTask {
                weight: self.weight_of(index),
                ran_ms: now_ms.saturating_sub(run.started_ms),
                told: run.told.map(|(permille, at_ms)| (permille, at_ms.saturating_sub(run.started_ms))),
            })
            .collect();
        let running_weight: u64 = running.iter().map(|task| task.weight).sum();
        StageWork {
            planned: (self.tasks.len() as u64, self.weight),
            timed: (self.timed_tasks, self.timed.0, self.timed.1),
            waiting: (self.pending_count() as u64, self.weight.saturating_sub(self.done_weight + running_weight)),
            running,
        }
    }

    /// What is known of its speed.
    pub(super) fn so_far(&self, now_ms: u64) -> StageSoFar {
        let waiting = self.ready.iter().chain(self.paused.iter().map(|(_, index)| index));
        let weight = waiting.map(|index| self.weight_of(*index)).sum();
        let running = |(index, run): (u32, Run)| RunningTask {
            weight: self.weight_of(index),
            ran_ms: now_ms.saturating_sub(run.started_ms),
            told: run.told.map(|(permille, at_ms)| (permille, at_ms.saturating_sub(run.started_ms))),
        };
        StageSoFar {
            done: self.timed,
            waiting: (self.pending_count() as u64, weight),
            running: self.furthest().into_iter().map(running).collect(),
            ran_ms: self.first_assigned_ms.map_or(0, |first| now_ms.saturating_sub(first)),
        }
    }
}

fn bytes_of(output: &TaskOutput) -> u64 {
    output.partitions.iter().map(|partition| partition.bytes).sum()
}
