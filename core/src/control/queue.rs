//! Whose turn it is: jobs with a task that only waits for a slot, in the order in which free slots go to them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::id::JobUid;

/// Where a job stands in the queue: a higher priority first; within one, whoever runs the fewest tasks, so that jobs
/// share slots equally and a small one waits for one task of a huge one to end, not for all; then the older.
type Place = (Reverse<i32>, usize, JobUid);

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeSet<Place>,
    places: BTreeMap<JobUid, Place>,
}

impl Queue {
    /// Puts a job where it belongs, given its priority and how many of its tasks run.
    pub(super) fn put(&mut self, job: JobUid, priority: i32, running: usize) {
        let place = (Reverse(priority), running, job);
        if let Some(before) = self.places.insert(job, place) {
            self.order.remove(&before);
        }
        self.order.insert(place);
    }

    /// Takes a job out that has no task for a slot now.
    pub(super) fn take_out(&mut self, job: JobUid) {
        if let Some(place) = self.places.remove(&job) {
            self.order.remove(&place);
        }
    }

    /// Whose turn it is, after those that were passed over.
    pub(super) fn next(&self, passed: &BTreeSet<JobUid>) -> Option<JobUid> {
        self.order.iter().map(|(_, _, job)| *job).find(|job| !passed.contains(job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(number: u128) -> JobUid {
        JobUid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn priority_comes_first_then_the_fewest_running_then_age() {
        let mut queue = Queue::default();
        for (job, priority, running) in [(1, 0, 2), (2, 0, 0), (3, 5, 9), (4, 0, 0)] {
            queue.put(uid(job), priority, running);
        }
        let mut order = Vec::new();
        let mut passed = BTreeSet::new();
        while let Some(job) = queue.next(&passed) {
            passed.insert(job);
            order.push(job);
        }
        assert_eq!(order, [3, 2, 4, 1].map(uid));
        queue.put(uid(2), 0, 3);
        queue.take_out(uid(3));
        assert_eq!(queue.next(&BTreeSet::new()), Some(uid(4)));
    }
}
