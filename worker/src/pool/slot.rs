//! A slot is taken before an attempt starts and given back when nothing of it runs any more.

use std::sync::Arc;
use std::time::Instant;

use shoal_core::AttemptId;
use shoal_core::progress::TaskProgress;

use crate::shared::Shared;

/// Room for one attempt; free again when it is dropped.
pub(super) struct Slot {
    shared: Arc<Shared>,
    attempt: AttemptId,
    /// How far the attempt is.
    pub(super) progress: TaskProgress,
}

/// Why there is no slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoSlot {
    /// Other attempts have them all.
    AllUsed,
    /// The attempt has one.
    RunsAlready,
}

impl Slot {
    pub(super) fn take(shared: &Arc<Shared>, attempt: AttemptId) -> Result<Self, NoSlot> {
        let slots = shared.identity.slots as usize;
        let mut taken = Err(NoSlot::AllUsed);
        let progress = TaskProgress::begun(Instant::now());
        shared.running.send_if_modified(|running| {
            taken = if running.contains_key(&attempt) {
                Err(NoSlot::RunsAlready)
            } else if running.len() >= slots {
                Err(NoSlot::AllUsed)
            } else {
                running.insert(attempt, progress.clone());
                Ok(())
            };
            taken.is_ok()
        });
        taken?;
        shared.metrics.slots_used.inc();
        Ok(Self { shared: shared.clone(), attempt, progress })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.running.send_modify(|running| {
            running.remove(&self.attempt);
        });
        self.shared.metrics.slots_used.dec();
    }
}
