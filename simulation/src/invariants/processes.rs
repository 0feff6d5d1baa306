//! What heads and workers may do.

use std::collections::BTreeSet;

use shoal_core::AttemptId;
use shoal_core::control::EffectLoop;
use shoal_core::limits;

use super::{Checked, Ledger, hold};
use crate::message::WorkerKey;

impl Ledger {
    /// An append was stored, under that epoch; the store's own is the highest that ever led.
    pub(crate) fn fenced_journal(&self, epoch: u64, highest: u64) -> Checked {
        hold("fenced_means_fenced", epoch >= highest, || format!("epoch {epoch} wrote while {highest} leads"))
    }

    /// A worker took a word of a head with that epoch.
    pub(crate) fn fenced_worker(&mut self, worker: WorkerKey, epoch: u64) -> Checked {
        let highest = self.obeyed.entry((worker.worker, worker.life)).or_default();
        let seen = *highest;
        *highest = seen.max(epoch);
        hold("fenced_means_fenced", epoch >= seen, || format!("{worker:?} obeyed epoch {epoch} after {seen}"))
    }

    /// A worker starts an attempt.
    pub(crate) fn assigned_means_stored(&self, attempt: AttemptId, worker: &str, instance: &str) -> Checked {
        let holds = self.started.get(&attempt).is_some_and(|(name, start)| name == worker && start == instance);
        hold("assigned_means_stored", holds, || format!("{attempt} runs on {worker}, the journal does not know it"))
    }
}

/// A worker has so many attempts in hand.
pub(crate) fn slots_are_never_exceeded(running: usize, slots: u32) -> Checked {
    hold("slots_are_never_exceeded", running <= slots as usize, || format!("{running} attempts in {slots} slots"))
}

/// What a head believes of its workers' slots.
pub(crate) fn heads_know_their_slots(effect_loop: &EffectLoop) -> Checked {
    effect_loop.control().workers().iter().try_for_each(|worker| {
        hold("slots_are_never_exceeded", worker.used <= worker.slots, || format!("the head counts {worker:?}"))
    })
}

/// What waits for a head's journal: as many as events may wait, each with an append or two. And who waits for an answer.
pub(crate) fn queues_are_bounded(effect_loop: &EffectLoop, calls: usize) -> Checked {
    let (waiting, most) = (effect_loop.backlog(), limits::EVENT_QUEUE_MAX * 2);
    hold("queues_are_bounded", waiting <= most, || format!("{waiting} appends wait; {most} are possible"))?;
    let most = limits::SUBMISSIONS_WAITING_MAX + limits::CALLS_WAITING_MAX;
    hold("queues_are_bounded", calls <= most, || format!("{calls} calls wait; {most} are possible"))
}

/// What a head has taken on.
pub(crate) fn jobs_are_bounded(effect_loop: &EffectLoop) -> Checked {
    let (jobs, most) = (effect_loop.control().unfinished_jobs(), limits::JOBS_ACTIVE_MAX);
    hold("queues_are_bounded", jobs <= most, || format!("{jobs} jobs are unfinished; {most} are possible"))
}

/// A head that knows that a worker leaves gives it nothing more to do.
pub(crate) fn no_task_for_a_draining_worker(decided: &[(AttemptId, String)], draining: &BTreeSet<String>) -> Checked {
    let wrong = decided.iter().find(|(_, instance)| draining.contains(instance));
    hold("no_task_for_a_draining_worker", wrong.is_none(), || format!("{wrong:?} is handed out"))
}
