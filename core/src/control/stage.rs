//! One stage and the life of its tasks.
//!
//! ```text
//!   Pending -> Running -> Done
//!      ^          |         |
//!      +-- failed, lost ----+  (the worker that holds a finished task's partitions is gone)
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::{AttemptId, TaskId, WorkerId};
use crate::kind::StageOutcome;
use crate::limits;
use crate::task::{Counters, StagePlan, TaskOutput};

pub(super) struct StageState {
    pub(super) plan: StagePlan,
    pub(super) tasks: Vec<TaskState>,
    /// Tasks that are not done; kept so that nobody has to count a hundred thousand.
    unfinished: usize,
    pub(super) attempts: u32,
    pub(super) first_assigned_ms: Option<u64>,
    pub(super) last_finished_ms: Option<u64>,
    done_weight: u64,
    /// Sums over finished tasks, kept as they come and go for the same reason.
    pub(super) counters: Counters,
    /// Tasks that wait for a slot, in order.
    pub(super) pending: BTreeSet<u32>,
}

pub(super) struct TaskState {
    pub(super) status: TaskStatus,
    /// Runs so far; the next attempt's number follows.
    pub(super) attempts: u32,
    /// Runs that failed or were lost, and finished ones whose partitions nobody could fetch.
    pub(super) failures: u32,
    /// Workers on which it failed: it runs elsewhere while there is another.
    pub(super) failed_on: BTreeSet<WorkerId>,
    /// When it may run: planned, or failed and waited for a while.
    pub(super) ready_at_ms: u64,
}

#[derive(Debug)]
pub(super) enum TaskStatus {
    Pending,
    Running,
    Done { attempt: AttemptId, worker: WorkerId, output: Box<TaskOutput> },
}

impl StageState {
    pub(super) fn new(plan: StagePlan, attempt_base: u32, now_ms: u64) -> Self {
        let tasks: Vec<TaskState> = plan
            .tasks
            .iter()
            .map(|_| TaskState {
                status: TaskStatus::Pending,
                attempts: attempt_base,
                failures: 0,
                failed_on: BTreeSet::new(),
                ready_at_ms: now_ms,
            })
            .collect();
        let pending = (0..u32::try_from(tasks.len()).unwrap_or(u32::MAX)).collect();
        Self {
            plan,
            unfinished: tasks.len(),
            tasks,
            attempts: 0,
            first_assigned_ms: None,
            last_finished_ms: None,
            done_weight: 0,
            counters: Counters::default(),
            pending,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.unfinished == 0
    }

    pub(super) fn done_count(&self) -> usize {
        self.tasks.len() - self.unfinished
    }

    /// Share of the stage that is done, from 0 to 1, by the weight of its tasks.
    pub(super) fn done_share(&self) -> f64 {
        let total: u64 = self.plan.tasks.iter().map(|task| task.weight).sum();
        if self.is_done() {
            1.0
        } else if total == 0 {
            0.0
        } else {
            self.done_weight as f64 / total as f64
        }
    }

    pub(super) fn start(&mut self, task: TaskId, now_ms: u64) -> Option<AttemptId> {
        let state = self.tasks.get_mut(task.index as usize)?;
        state.attempts += 1;
        let attempt = AttemptId { task, number: state.attempts };
        state.status = TaskStatus::Running;
        self.pending.remove(&task.index);
        self.attempts += 1;
        self.first_assigned_ms.get_or_insert(now_ms);
        Some(attempt)
    }

    pub(super) fn finish(&mut self, attempt: AttemptId, worker: WorkerId, output: TaskOutput, now_ms: u64) {
        let index = attempt.task.index as usize;
        let Some(state) = self.tasks.get_mut(index) else { return };
        self.counters.add(&output.counters);
        self.done_weight += self.plan.tasks.get(index).map_or(0, |task| task.weight);
        state.status = TaskStatus::Done { attempt, worker, output: Box::new(output) };
        self.unfinished -= 1;
        self.last_finished_ms = Some(now_ms);
    }

    /// Puts a running or finished task back in the queue.
    pub(super) fn requeue(&mut self, index: u32, ready_at_ms: u64) {
        let Some(state) = self.tasks.get_mut(index as usize) else { return };
        if matches!(state.status, TaskStatus::Done { .. }) {
            self.unfinished += 1;
            self.done_weight -= self.plan.tasks.get(index as usize).map_or(0, |task| task.weight);
        }
        state.status = TaskStatus::Pending;
        state.ready_at_ms = ready_at_ms;
        self.pending.insert(index);
        // Counters are sums, and a sum cannot forget: count again what is still done.
        let mut counters = Counters::default();
        for task in &self.tasks {
            if let TaskStatus::Done { output, .. } = &task.status {
                counters.add(&output.counters);
            }
        }
        self.counters = counters;
    }

    /// The attempt whose result counts, where the task is done.
    pub(super) fn finished_attempt(&self, index: u32) -> Option<AttemptId> {
        match self.tasks.get(index as usize)?.status {
            TaskStatus::Done { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// Finished tasks whose partitions lie on that worker.
    pub(super) fn held_by(&self, worker: &WorkerId) -> Vec<u32> {
        self.tasks
            .iter()
            .zip(0..)
            .filter(|(task, _)| {
                matches!(&task.status, TaskStatus::Done { worker: holder, output, .. } if holder == worker && !output.partitions.is_empty())
            })
            .map(|(_, index)| index)
            .collect()
    }

    /// What its tasks reported, in the order of the plan; tasks that are not done report nothing.
    pub(super) fn outcome(&self) -> StageOutcome {
        let output = |task: &TaskState| match &task.status {
            TaskStatus::Done { output, .. } => output.as_ref().clone(),
            _ => TaskOutput::default(),
        };
        StageOutcome { name: self.plan.name.clone(), outputs: self.tasks.iter().map(output).collect() }
    }
}

/// How long a task waits after so many failures: doubling, bounded. No jitter: one head schedules all tasks, so there is
/// no herd to spread.
pub(super) fn retry_pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (limits::RETRY_PAUSE * 2u32.pow(doublings)).min(limits::RETRY_PAUSE_MAX)
}
