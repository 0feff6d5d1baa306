//! What the head is owed for an assignment: one report, whatever happens.

use std::sync::Arc;

use shoal_core::task::TaskOutput;
use shoal_core::{AttemptId, Failure, Reason};

use crate::attempt_log::Log;
use crate::shared::Shared;

/// The report that the head is owed for an assignment, from the moment it arrives. Dropped unpaid, by an actor that
/// failed with the assignment in its mailbox or by a task that was never finished, it says that the worker lost it.
pub(crate) struct Owed {
    shared: Arc<Shared>,
    attempt: AttemptId,
    settled: bool,
}

impl Owed {
    pub(crate) fn new(shared: Arc<Shared>, attempt: AttemptId) -> Self {
        Self { shared, attempt, settled: false }
    }

    /// Reports.
    pub(super) fn pay(mut self, result: Result<TaskOutput, Failure>, log: Log) {
        self.settled = true;
        self.shared.finish(self.attempt, result.map_err(|failure| self.located(failure)), log);
    }

    /// Leaves the report to somebody else who owes the same one.
    pub(super) fn hand_over(mut self) {
        self.settled = true;
    }

    /// Says where a failure happened, unless it is about another attempt's partition.
    fn located(&self, mut failure: Failure) -> Failure {
        if failure.location.attempt.is_none() {
            failure.location.attempt = Some(self.attempt);
            failure.location.worker.get_or_insert_with(|| self.shared.identity.worker_id.clone());
        }
        failure
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.settled {
            let lost = Failure::new(Reason::WorkerLost, "the worker dropped the attempt before its end");
            self.shared.finish(self.attempt, Err(self.located(lost)), Log::default());
        }
    }
}
