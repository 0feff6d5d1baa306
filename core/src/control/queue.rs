//! Whose turn it is: jobs with a task that only waits for a slot, in the order in which free slots go to them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::id::JobUid;

/// Where a job stands in the queue: a higher priority first; within one, whoever runs the fewest tasks, so that jobs
/// share slots equally and a small one waits for one task of a huge one to end, not for all; then whose last turn is
/// the longest ago, so that nobody is passed over again and again where jobs are more than slots; then the older.
type Place = (Reverse<i32>, usize, u64, JobUid);

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeSet<Place>,
    places: BTreeMap<JobUid, Place>,
    /// The last turn of each job.
    turns: BTreeMap<JobUid, u64>,
    /// Turns that were given so far.
    given: u64,
}

impl Queue {
    /// Puts a job where it belongs, given its priority and how many of its tasks run.
    pub(super) fn put(&mut self, job: JobUid, priority: i32, running: usize) {
        // A new one counts as served when whoever has waited for the longest was: it is not behind anybody who was served
        // since, and a stream of new ones does not hold the others up.
        let turn = self.turns.get(&job).copied().unwrap_or_else(|| {
            let turns = self.order.iter().map(|(_, _, turn, _)| *turn);
            turns.min().unwrap_or(self.given)
        });
        self.turns.insert(job, turn);
        let place = (Reverse(priority), running, turn, job);
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

    /// A job got a slot.
    pub(super) fn served(&mut self, job: JobUid) {
        self.given += 1;
        self.turns.insert(job, self.given);
    }

    /// Takes a job out for good.
    pub(super) fn forget(&mut self, job: JobUid) {
        self.take_out(job);
        self.turns.remove(&job);
    }

    /// Whose turn it is, after those that were passed over.
    pub(super) fn next(&self, passed: &BTreeSet<JobUid>) -> Option<JobUid> {
        self.order.iter().map(|(_, _, _, job)| *job).find(|job| !passed.contains(job))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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

    #[test]
    fn a_small_job_is_not_passed_over_where_huge_ones_hold_all_slots() {
        let mut queue = Queue::default();
        let serve = |queue: &mut Queue| {
            let job = queue.next(&BTreeSet::new()).unwrap();
            queue.served(job);
            queue.put(job, 0, 0);
            job
        };
        queue.put(uid(1), 0, 0);
        queue.put(uid(2), 0, 0);
        let first: Vec<JobUid> = (0..4).map(|_| serve(&mut queue)).collect();
        assert_eq!(first, [1, 2, 1, 2].map(uid));
        // Each of the two has one task, which has just ended: nothing runs, and a small job has come.
        queue.put(uid(3), 0, 0);
        let then: Vec<JobUid> = (0..4).map(|_| serve(&mut queue)).collect();
        assert_eq!(then, [1, 3, 2, 1].map(uid));
    }
}
