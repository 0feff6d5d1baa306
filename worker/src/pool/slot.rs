//! A slot is taken before an attempt starts and given back when nothing of it runs any more.

use std::sync::Arc;

use shoal_core::AttemptId;

use crate::running::RunningAttempt;
use crate::shared::Shared;

/// Room for one attempt; free again when it is dropped.
pub(super) struct Slot {
    shared: Arc<Shared>,
    attempt: AttemptId,
    /// What is to be told of it meanwhile.
    pub(super) told: RunningAttempt,
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
    pub(super) fn take(shared: &Arc<Shared>, attempt: AttemptId, told: RunningAttempt) -> Result<Self, NoSlot> {
        let slots = shared.identity.slots as usize;
        let mut taken = Err(NoSlot::AllUsed);
        shared.running.send_if_modified(|running| {
            taken = if running.contains_key(&attempt) {
                Err(NoSlot::RunsAlready)
            } else if running.len() >= slots {
                Err(NoSlot::AllUsed)
            } else {
                running.insert(attempt, told.clone());
                Ok(())
            };
            taken.is_ok()
        });
        taken?;
        shared.metrics.slots_used.inc();
        Ok(Self { shared: shared.clone(), attempt, told })
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
