//! What workers there are, counted by what they are good for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::constants::{STARTUP_PRIOR, ms};
use super::facts::{GroupFacts, WorkerFacts, WorkerState};
use super::history::GroupHistory;
use super::policy::{GroupPolicy, Policy};

/// A group, counted.
pub(super) struct Group<'a> {
    pub(super) policy: &'a GroupPolicy,
    pub(super) facts: &'a GroupFacts,
    /// Those that take part: all but who leaves.
    pub(super) working: Vec<&'a WorkerFacts>,
    /// Workers that run tasks.
    pub(super) busy: u32,
    /// Of those: slots in which tasks run.
    pub(super) busy_slots: u64,
    /// Workers that are ready and run none.
    pub(super) idle: u32,
    /// Workers that start, by how many seconds that still takes.
    pub(super) starting: BTreeMap<u64, u32>,
    /// Workers that were asked for and have no pod yet.
    pub(super) unborn: u32,
    /// Workers that should have been ready by now, those without a pod included that the API server refuses.
    pub(super) stuck: u32,
    /// Of those: without a pod, which the API server refuses.
    pub(super) refused: u32,
    /// Workers that leave and could take tasks again at once.
    pub(super) returning: u32,
    /// Workers that leave.
    pub(super) leaving: u32,
    /// How long a worker takes to start.
    pub(super) startup: Duration,
}

impl<'a> Group<'a> {
    pub(super) fn count(
        policy: &Policy,
        group: &'a GroupPolicy,
        facts: &'a GroupFacts,
        history: &GroupHistory,
        now_ms: u64,
    ) -> Self {
        let startup = facts.startup.unwrap_or(STARTUP_PRIOR);
        let workers = facts.workers.value().map(Vec::as_slice).unwrap_or_default();
        let mut counted = Self {
            policy: group,
            facts,
            working: Vec::with_capacity(workers.len()),
            busy: 0,
            busy_slots: 0,
            idle: 0,
            starting: BTreeMap::new(),
            unborn: 0,
            stuck: 0,
            refused: 0,
            returning: 0,
            leaving: 0,
            startup,
        };
        for worker in workers {
            match history.leaving.get(&worker.id).filter(|leaving| !leaving.works()) {
                Some(leaving) => {
                    counted.leaving += 1;
                    counted.returning += u32::from(leaving.can_return());
                }
                None => counted.add(worker, policy.provisioning_timeout, now_ms),
            }
        }
        counted.add_unborn(workers.len(), history, policy.provisioning_timeout, now_ms);
        counted
    }

    fn add(&mut self, worker: &'a WorkerFacts, provisioning_timeout: Duration, now_ms: u64) {
        self.working.push(worker);
        match worker.state {
            WorkerState::Unschedulable { since_ms } | WorkerState::Starting { since_ms } => {
                self.add_starting(1, since_ms, provisioning_timeout, now_ms);
            }
            WorkerState::Busy { busy_slots } | WorkerState::Draining { busy_slots } if busy_slots > 0 => {
                self.busy += 1;
                self.busy_slots += u64::from(busy_slots);
            }
            WorkerState::Idle { .. }
            | WorkerState::Busy { .. }
            | WorkerState::Draining { .. }
            | WorkerState::Drained => self.idle += 1,
        }
    }

    /// Whether a worker is late that was asked for then.
    pub(super) fn is_late(since_ms: u64, provisioning_timeout: Duration, now_ms: u64) -> bool {
        now_ms.saturating_sub(since_ms) >= ms(provisioning_timeout)
    }

    fn add_starting(&mut self, workers: u32, since_ms: u64, provisioning_timeout: Duration, now_ms: u64) {
        if Self::is_late(since_ms, provisioning_timeout, now_ms) {
            self.stuck += workers;
        } else if workers > 0 {
            let left = ms(self.startup).saturating_sub(now_ms.saturating_sub(since_ms));
            *self.starting.entry(left / 1_000).or_default() += workers;
        }
    }

    fn add_unborn(&mut self, pods: usize, history: &GroupHistory, provisioning_timeout: Duration, now_ms: u64) {
        // One that nobody wants any more is not made, though the group may not have been told yet.
        let wanted = history.target.map_or(u32::MAX, |target| target.saturating_add(self.leaving));
        let replicas = self.facts.replicas.min(wanted);
        self.unborn = replicas.saturating_sub(u32::try_from(pods).unwrap_or(u32::MAX));
        if self.facts.refused_since_ms.is_some() {
            self.stuck += self.unborn;
            self.refused = self.unborn;
        } else {
            self.add_starting(self.unborn, history.grown_ms.unwrap_or(now_ms), provisioning_timeout, now_ms);
        }
    }

    /// Workers that there are, or are about to be, without those that leave.
    pub(super) fn current(&self) -> u32 {
        self.busy + self.idle + self.starting.values().sum::<u32>() + self.stuck
    }

    /// Whether it may get more workers: its pods get nodes, and are made.
    pub(super) fn can_grow(&self, history: &GroupHistory, now_ms: u64) -> bool {
        let is_blocked = history.blocked.is_some_and(|blocked| now_ms < blocked.until_ms);
        !is_blocked && self.facts.refused_since_ms.is_none()
    }
}
