//! The workers and an order of them by free slots, so that placing a task takes no look at every worker.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::WorkerInfo;
use crate::id::{AttemptId, TaskId, WorkerId};

/// A worker as the head knows it.
#[derive(Debug)]
pub(super) struct WorkerState {
    pub(super) info: WorkerInfo,
    pub(super) presence: Presence,
    pub(super) last_seen_ms: u64,
    /// What it was given and has not reported back, cancelled attempts included: those keep their slot until they end.
    pub(super) running: BTreeSet<AttemptId>,
    /// Attempts that it runs and that this head never gave it, or took away: they keep their slots, too.
    pub(super) foreign: BTreeSet<AttemptId>,
    /// Attempts given to it before its connection broke: the first heartbeat after it says which of them arrived.
    pub(super) unconfirmed: BTreeSet<AttemptId>,
    /// A task that is to run alone there; nothing else is placed until it has.
    pub(super) reserved: Option<TaskId>,
    /// Whether its scratch disk is full: what it is given now would fail.
    pub(super) disk_full: bool,
}

/// How a worker stands to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// The journal tells of it, and it has not come back to this head yet.
    Expected,
    /// It takes tasks.
    Ready,
    /// It takes no tasks any more, and leaves when it has handed over what it has, at this time at the latest.
    Draining { deadline_ms: u64 },
}

impl WorkerState {
    pub(super) fn new(info: WorkerInfo, presence: Presence, now_ms: u64) -> Self {
        Self {
            info,
            presence,
            last_seen_ms: now_ms,
            running: BTreeSet::new(),
            foreign: BTreeSet::new(),
            unconfirmed: BTreeSet::new(),
            reserved: None,
            disk_full: false,
        }
    }

    /// Whether tasks may be placed there once a slot is free.
    fn takes_tasks(&self) -> bool {
        self.presence == Presence::Ready && !self.disk_full
    }

    /// Slots that nothing runs in.
    pub(super) fn idle_slots(&self) -> u32 {
        let used = self.running.len() + self.foreign.len();
        self.info.slots.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }

    /// Whether the journal tells of it and it has not come back yet.
    pub(super) fn is_expected(&self) -> bool {
        self.presence == Presence::Expected
    }

    /// Slots that a task may be placed in.
    fn free_slots(&self) -> u32 {
        if self.takes_tasks() && self.reserved.is_none() { self.idle_slots() } else { 0 }
    }
}

/// All workers. They are changed through [`Roster::change`] only, which keeps the order by free slots.
#[derive(Debug, Default)]
pub(super) struct Roster {
    workers: BTreeMap<WorkerId, WorkerState>,
    /// Workers with a free slot, those with the most first.
    by_free: BTreeSet<(Reverse<u32>, WorkerId)>,
    /// Slots of the workers that take tasks.
    ready_slots: u32,
}

impl Roster {
    pub(super) fn get(&self, worker: &WorkerId) -> Option<&WorkerState> {
        self.workers.get(worker)
    }

    /// That start of that worker.
    pub(super) fn instance(&self, worker: &WorkerId, instance: &str) -> Option<&WorkerState> {
        self.workers.get(worker).filter(|state| state.info.instance == instance)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &WorkerState> {
        self.workers.values()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Slots of the workers that take tasks.
    pub(super) fn ready_slots(&self) -> u32 {
        self.ready_slots
    }

    /// Whether any worker has a free slot.
    pub(super) fn has_free(&self) -> bool {
        !self.by_free.is_empty()
    }

    pub(super) fn insert(&mut self, state: WorkerState) {
        self.remove(&state.info.id.clone());
        self.count(&state);
        self.workers.insert(state.info.id.clone(), state);
    }

    pub(super) fn remove(&mut self, worker: &WorkerId) -> Option<WorkerState> {
        let state = self.workers.remove(worker)?;
        self.discount(&state);
        Some(state)
    }

    /// Changes a worker; gives what the change gives.
    pub(super) fn change<T>(&mut self, worker: &WorkerId, change: impl FnOnce(&mut WorkerState) -> T) -> Option<T> {
        let mut state = self.workers.remove(worker)?;
        self.discount(&state);
        let given = change(&mut state);
        self.count(&state);
        self.workers.insert(worker.clone(), state);
        Some(given)
    }

    /// The worker with the most free slots, the first by name among equals; none where the task should rather wait.
    ///
    /// A task that failed somewhere runs elsewhere: it waits for a busy worker that it has not failed on, and goes back
    /// to one that it has failed on only where there is no other.
    pub(super) fn place(&self, failed_on: &BTreeSet<WorkerId>) -> Option<&WorkerId> {
        let mut by_free = self.by_free.iter().map(|(_, worker)| worker);
        if failed_on.is_empty() {
            return by_free.next();
        }
        let untried = by_free.find(|worker| !failed_on.contains(*worker));
        untried.or_else(|| {
            let is_ready = |state: &&WorkerState| state.presence == Presence::Ready;
            let ready = self.workers.values().filter(is_ready).count();
            let tried = failed_on.iter().filter_map(|worker| self.workers.get(worker)).filter(is_ready).count();
            if tried < ready { None } else { self.by_free.first().map(|(_, worker)| worker) }
        })
    }

    /// The worker with the most free slots that is none of those.
    pub(super) fn place_elsewhere(&self, avoided: &BTreeSet<WorkerId>) -> Option<&WorkerId> {
        self.by_free.iter().map(|(_, worker)| worker).find(|worker| !avoided.contains(*worker))
    }

    /// A worker where a task can run alone: one that runs nothing, or else the one that is closest to it and that waits
    /// for no other task already.
    pub(super) fn place_alone(&self, task: TaskId) -> Option<&WorkerId> {
        let ready = || self.workers.values().filter(|state| state.takes_tasks());
        ready()
            .find(|state| state.reserved == Some(task))
            .or_else(|| {
                let unreserved = ready().filter(|state| state.reserved.is_none());
                unreserved.min_by_key(|state| (state.running.len() + state.foreign.len(), Reverse(state.info.slots)))
            })
            .map(|state| &state.info.id)
    }

    fn count(&mut self, state: &WorkerState) {
        let free = state.free_slots();
        if free > 0 {
            self.by_free.insert((Reverse(free), state.info.id.clone()));
        }
        if state.presence == Presence::Ready {
            self.ready_slots += state.info.slots;
        }
    }

    fn discount(&mut self, state: &WorkerState) {
        self.by_free.remove(&(Reverse(state.free_slots()), state.info.id.clone()));
        if state.presence == Presence::Ready {
            self.ready_slots -= state.info.slots;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::JobUid;

    fn task() -> TaskId {
        TaskId { job: JobUid(uuid::Uuid::nil()), stage: 0, index: 0 }
    }

    /// Workers `a`, `b`, `c` with four slots each, of which so many are free.
    fn roster(free: [u32; 3]) -> (Roster, Vec<WorkerId>) {
        let names: Vec<WorkerId> = ["a", "b", "c"].map(|name| WorkerId(name.into())).to_vec();
        let mut roster = Roster::default();
        for (id, free) in names.iter().zip(free) {
            let info = WorkerInfo::new(id.clone(), "1", "", 4);
            let mut state = WorkerState::new(info, Presence::Ready, 0);
            state.running = (free..4).map(|number| AttemptId { task: task(), number }).collect();
            roster.insert(state);
        }
        (roster, names)
    }

    #[test]
    fn a_task_goes_where_there_is_room_and_it_has_not_failed() {
        // (free slots of a, b, c), failed on, expected
        let cases: [([u32; 3], &[usize], Option<usize>); 7] = [
            ([1, 1, 1], &[], Some(0)),
            ([1, 2, 2], &[], Some(1)),
            ([0, 0, 0], &[], None),
            ([3, 1, 0], &[0], Some(1)),
            ([3, 0, 0], &[0], None),
            ([3, 0, 0], &[0, 1, 2], Some(0)),
            ([0, 0, 1], &[0, 1], Some(2)),
        ];
        for (free, failed, expected) in cases {
            let (roster, names) = roster(free);
            let failed_on = failed.iter().map(|index| names[*index].clone()).collect();
            assert_eq!(roster.place(&failed_on), expected.map(|index| &names[index]), "{free:?} {failed:?}");
        }
    }

    #[test]
    fn the_order_follows_every_change() {
        let (mut roster, names) = roster([1, 2, 3]);
        assert_eq!((roster.place(&BTreeSet::new()), roster.ready_slots()), (Some(&names[2]), 12));
        roster.change(&names[2], |state| state.presence = Presence::Draining { deadline_ms: 1 });
        assert_eq!((roster.place(&BTreeSet::new()), roster.ready_slots()), (Some(&names[1]), 8));
        roster.change(&names[1], |state| state.reserved = Some(task()));
        assert_eq!(roster.place(&BTreeSet::new()), Some(&names[0]));
        roster.remove(&names[0]);
        assert_eq!((roster.place(&BTreeSet::new()), roster.has_free(), roster.ready_slots()), (None, false, 4));
        roster.change(&names[1], |state| (state.reserved, state.disk_full) = (None, true));
        assert_eq!((roster.place(&BTreeSet::new()), roster.place_alone(task())), (None, None));
    }

    #[test]
    fn a_task_that_runs_alone_keeps_the_worker_that_was_cleared_for_it() {
        let (mut roster, names) = roster([1, 3, 2]);
        assert_eq!(roster.place_alone(task()), Some(&names[1]));
        roster.change(&names[2], |state| state.reserved = Some(task()));
        assert_eq!(roster.place_alone(task()), Some(&names[2]));
    }
}
