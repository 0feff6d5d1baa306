//! Tasks that take much longer than the others of their stage run a second time, where slots have nothing else to do: on
//! a machine that is slow, or whose disk is, nobody waits for the slowest. The first attempt that finishes counts, the
//! other is called back, and whatever it leaves is swept as that of any attempt that was called back.
//!
//! A task has one duplicate at the most, and what becomes of that is nobody's fault: only the first attempt's failures
//! count. Where the first attempt fails while its duplicate runs, the duplicate takes its place.

use std::collections::BTreeSet;

use super::job_state::{ActiveJob, Entry};
use super::schedule::{Placed, hand_out};
use super::stage::{StageState, TaskState, TaskStatus};
use super::{Control, Effect};
use crate::id::{AttemptId, TaskId};
use crate::limits;

/// A task that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Straggler {
    task: TaskId,
    /// How long it has run, in milliseconds.
    ran_ms: u64,
}

impl Control {
    /// Lets the slowest tasks run a second time on slots that nothing else wants.
    pub(super) fn speculate(&mut self, now_ms: u64) -> Vec<Effect> {
        let every_ms = limits::SPECULATION_EVERY.as_millis() as u64;
        if self.recovering || now_ms.abs_diff(self.speculated_ms) < every_ms {
            return Vec::new();
        }
        self.speculated_ms = now_ms;
        if !self.roster.has_free() {
            return Vec::new();
        }
        let active = || self.jobs.values().filter_map(Entry::active);
        let running: usize = active().flat_map(|job| &job.stages).map(|stage| stage.live.running_twice()).sum();
        let most = (self.roster.ready_slots() / limits::SPECULATION_SLOTS_ONE_IN).max(1) as usize;
        let mut slow: Vec<Straggler> = active().flat_map(|job| stragglers(job, now_ms)).collect();
        slow.sort_by_key(|straggler| (std::cmp::Reverse(straggler.ran_ms), straggler.task));
        let mut placed = Vec::new();
        for straggler in slow {
            if running + placed.len() >= most {
                break;
            }
            placed.extend(self.duplicate(straggler.task, now_ms));
        }
        hand_out(placed, now_ms)
    }

    /// Starts a task a second time, where a worker has room that neither runs it nor failed at it.
    fn duplicate(&mut self, task: TaskId, now_ms: u64) -> Option<Placed> {
        let active = self.jobs.get(&task.job)?.active()?;
        let stage = active.stages.get(task.stage as usize)?;
        let runs_on = active.running.get(&stage.running_attempt(task.index)?)?;
        let mut avoided: BTreeSet<_> = stage.tasks.get(task.index as usize)?.failed_on.clone();
        avoided.insert(runs_on.clone());
        let worker = self.roster.place_elsewhere(&avoided)?.clone();
        let sources = self.sources(active, task)?;
        let placed = self.place(task, worker, sources, true, now_ms);
        self.settle(task.job, now_ms);
        placed
    }
}

/// The tasks of a job that take too long, and that may have a duplicate.
fn stragglers(active: &ActiveJob, now_ms: u64) -> Vec<Straggler> {
    if !active.takes_slots() {
        return Vec::new();
    }
    let may_have_one = |straggler: &Straggler| {
        let TaskId { stage, index, .. } = straggler.task;
        let stage = &active.stages[stage as usize];
        let is_called_back = stage.live_attempts(index).any(|attempt| active.called_back.contains(&attempt));
        // One that ended its worker may do so again.
        let is_harmless = stage.tasks.get(index as usize).is_some_and(|task| task.deaths == 0);
        is_harmless && !is_called_back && !stage.live.had_duplicate(index)
    };
    active.stages.iter().flat_map(|stage| slow_tasks(stage, now_ms)).filter(may_have_one).collect()
}

/// The tasks of a stage that take too long, by those that are done.
fn slow_tasks(stage: &StageState, now_ms: u64) -> Vec<Straggler> {
    let enough = (stage.tasks.len() as f64 * limits::SPECULATION_DONE_SHARE).ceil() as usize;
    if stage.is_done() || stage.pending_count() > 0 || stage.done_count() < enough.max(limits::SPECULATION_DONE_MIN) {
        return Vec::new();
    }
    // Most stages end here: no look at all their tasks.
    let margin_ms = limits::SPECULATION_MARGIN.as_millis() as u64;
    let candidates: Vec<_> = stage.live.running(now_ms).filter(|(_, ran_ms)| *ran_ms > margin_ms).collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let took = |task: &TaskState| match task.status {
        TaskStatus::Done { .. } => Some(task.took_ms),
        TaskStatus::Pending | TaskStatus::Running(_) => None,
    };
    let limit_ms = slow_after_ms(stage.tasks.iter().filter_map(took).collect());
    let is_slow = |(_, ran_ms): &(_, u64)| *ran_ms > limit_ms;
    let told = |(attempt, ran_ms): (AttemptId, u64)| Straggler { task: attempt.task, ran_ms };
    candidates.into_iter().filter(is_slow).map(told).collect()
}

/// How long a task may take, given how long others took, in milliseconds.
fn slow_after_ms(mut took_ms: Vec<u32>) -> u64 {
    let middle = took_ms.len() / 2;
    if took_ms.is_empty() {
        return u64::MAX;
    }
    let (_, median, _) = took_ms.select_nth_unstable(middle);
    let median_ms = u64::from(*median);
    let by_factor = (median_ms as f64 * limits::SPECULATION_FACTOR) as u64;
    by_factor.max(median_ms + limits::SPECULATION_MARGIN.as_millis() as u64)
}
