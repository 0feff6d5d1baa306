//! Workers that are to leave: they say so, go on with what they run, and others take over what they hold.

use shoal_core::task::PartitionSource;
use shoal_core::{AttemptId, Failure, Reason};

use super::tasks::{Peer, located};
use super::{World, note};
use crate::message::{Action, ToHead, WorkerInput, WorkerKey};

/// A worker that nobody lets go ends so long after its time, as its pod would be killed.
const KILLED_AFTER_MS: u64 = 1_000;

/// How long it takes to take over the partitions of one attempt, at the most.
const ADOPTION_MAX_MS: u64 = 1_500;

impl World {
    /// Somebody asks a worker to leave within that time.
    pub(super) fn drain(&mut self, worker: usize, within_ms: u64) -> bool {
        let key = self.worker_key(worker);
        let leaves_ms = self.now_ms + within_ms;
        let place = &mut self.workers[worker];
        if !place.up || place.leaves_ms.is_some() {
            return false;
        }
        place.leaves_ms = Some(leaves_ms);
        self.after(within_ms + KILLED_AFTER_MS, Action::Worker(key, WorkerInput::Overdue));
        self.after(0, Action::Worker(key, WorkerInput::Leave));
        true
    }

    /// Tells the head, where there is one; another hears of it with the registration.
    pub(super) fn say_that_it_leaves(&mut self, key: WorkerKey) {
        let place = &self.workers[key.worker];
        if let (Some(stream), Some(leaves_ms)) = (place.joined_stream(), place.leaves_ms) {
            let within_ms = leaves_ms.saturating_sub(self.now_ms);
            self.send_to_head(stream, ToHead::Draining(within_ms));
        }
    }

    /// Begins to take over the partitions of an attempt.
    pub(super) fn adopt(&mut self, key: WorkerKey, source: PartitionSource) {
        let time = self.random.below(ADOPTION_MAX_MS);
        self.after(time, Action::Worker(key, WorkerInput::Adopted(Box::new(source))));
    }

    /// The partitions of an attempt have arrived, or they cannot be had.
    pub(super) fn adopted(&mut self, key: WorkerKey, source: &PartitionSource) {
        let attempt = source.attempt;
        let has_them = self.workers[key.worker].holds.contains(&attempt);
        let is_there = match self.peer(key, &source.flight_url) {
            Peer::There(holder) => self.workers[holder].holds.contains(&attempt),
            Peer::Silent | Peer::Gone => false,
        };
        let result = if has_them || is_there {
            self.workers[key.worker].holds.insert(attempt);
            self.meet("partitions move to another worker");
            Ok(())
        } else {
            Err(located(Failure::new(Reason::PartitionLost, "the partition is gone"), attempt))
        };
        self.say_moved(key, attempt, result);
    }

    fn say_moved(&mut self, key: WorkerKey, attempt: AttemptId, result: Result<(), Failure>) {
        note!(self, "{} takes over {}: {}", self.instance(key), super::heads::short(attempt), result.is_ok());
        if let Some(stream) = self.workers[key.worker].joined_stream() {
            self.send_to_head(stream, ToHead::Moved(attempt, result));
        }
    }
}
