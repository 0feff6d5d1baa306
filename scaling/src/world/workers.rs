//! Pods: how they come, what they run, how they go.

use std::cmp::Reverse;

use super::{Chance, Event, TERMINATION, WorkerId, World};
use crate::policy::Phase;
use crate::random::Random;
use crate::time::{Millis, hours, millis};
use crate::trace::{Interruption, Spread};

pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) group: usize,
    /// How many pods its group had before it.
    number: u32,
    pub(super) created: Millis,
    pub(super) phase: Phase,
    /// Since when it has a node.
    node_since: Option<Millis>,
    pub(super) running: Vec<Running>,
    pub(super) idle_since: Millis,
    /// When its node goes, where that was said.
    pub(super) interrupted: Option<Millis>,
    leave_by: Millis,
    /// How often it was told to leave.
    told: u32,
    pub(super) is_deleted: bool,
    is_gone: bool,
}

pub(super) struct Running {
    pub(super) job: usize,
    task: u32,
    pub(super) since: Millis,
}

impl Worker {
    pub(super) fn is_staying(&self) -> bool {
        !self.is_gone && self.phase != Phase::Leaving
    }
}

impl World<'_> {
    /// Creates what is missing, and lets go of what is too much.
    pub(super) fn keep_targets(&mut self) {
        for group in 0..self.targets.len() {
            let mut staying: Vec<WorkerId> =
                self.live.iter().copied().filter(|id| self.is_staying_in(*id, group)).collect();
            let target = self.targets[group] as usize;
            for _ in staying.len()..target {
                self.create(group);
            }
            // As the controller of a ReplicaSet chooses: without a node, then not ready, then the youngest.
            staying.sort_by_key(|id| {
                let phase = self.workers[id.0 as usize].phase;
                (phase == Phase::Ready, phase == Phase::Starting, Reverse(*id))
            });
            for id in staying.iter().take(staying.len().saturating_sub(target)) {
                self.leave(*id, self.now + self.policy.grace());
            }
        }
    }

    fn is_staying_in(&self, id: WorkerId, group: usize) -> bool {
        let worker = &self.workers[id.0 as usize];
        worker.group == group && worker.is_staying()
    }

    fn create(&mut self, group: usize) {
        let id = WorkerId(self.workers.len() as u32);
        let number = self.created[group];
        self.created[group] += 1;
        self.workers.push(Worker {
            id,
            group,
            number,
            created: self.now,
            phase: Phase::Pending,
            node_since: None,
            running: Vec::new(),
            idle_since: self.now,
            interrupted: None,
            leave_by: 0,
            told: 0,
            is_deleted: false,
            is_gone: false,
        });
        self.live.push(id);
        let now = self.now;
        let is_short = self.trace.shortages.iter().any(|it| it.group == group && (it.at..it.until).contains(&now));
        if !is_short {
            self.find_node(id);
        }
    }

    /// Its pod gets a node and begins to start, unless it is one of those that never do.
    fn find_node(&mut self, id: WorkerId) {
        let Worker { group, number, .. } = self.workers[id.0 as usize];
        let never_ready = self.trace.groups[group].never_ready;
        if self.chance(Chance::NeverReady, group, number).share() < never_ready {
            return;
        }
        let Spread { median, spread } = self.trace.groups[group].start;
        let start = self.chance(Chance::Start, group, number).log_normal(median, spread);
        let worker = &mut self.workers[id.0 as usize];
        worker.phase = Phase::Starting;
        worker.node_since = Some(self.now);
        self.at(self.now + millis(start), Event::Starts(id));
        self.count();
    }

    pub(super) fn shortage_ended(&mut self, group: usize) {
        for id in self.live.clone() {
            if self.is_staying_in(id, group) && self.workers[id.0 as usize].phase == Phase::Pending {
                self.find_node(id);
            }
        }
    }

    pub(super) fn started(&mut self, id: WorkerId) {
        let worker = &mut self.workers[id.0 as usize];
        if worker.is_gone || worker.phase != Phase::Starting {
            return;
        }
        worker.phase = Phase::Ready;
        worker.idle_since = self.now;
        let (sum, count) = &mut self.starts[worker.group];
        (*sum, *count) = (*sum + self.now - worker.created, *count + 1);
        self.dispatch();
        self.end_idle(id);
    }

    /// Hands waiting tasks to free slots: to the workers that have the most of them.
    pub(super) fn dispatch(&mut self) {
        while self.jobs.any_waiting() {
            let free = |id: &WorkerId| {
                let worker = &self.workers[id.0 as usize];
                let slots = if worker.phase == Phase::Ready { self.trace.groups[worker.group].slots } else { 0 };
                slots.saturating_sub(worker.running.len() as u32)
            };
            let best = self.live.iter().copied().max_by_key(|id| (free(id), Reverse(*id)));
            let Some(id) = best.filter(|id| free(id) > 0) else { return };
            let Some((job, task)) = self.jobs.next() else { return };
            self.workers[id.0 as usize].running.push(Running { job, task, since: self.now });
            let Spread { median, spread } = self.trace.jobs[job].task;
            let takes = millis(self.chance(Chance::Task, job, task).log_normal(median, spread)).max(1);
            self.at(self.now + takes, Event::Ends { worker: id, job, task });
        }
    }

    pub(super) fn task_ended(&mut self, id: WorkerId, job: usize, task: u32) {
        let worker = &mut self.workers[id.0 as usize];
        let Some(place) = worker.running.iter().position(|running| (running.job, running.task) == (job, task)) else {
            return;
        };
        let took = self.now - worker.running.swap_remove(place).since;
        let slots = self.trace.groups[worker.group].slots;
        self.run.worked += took as f64 / f64::from(slots);
        worker.idle_since = self.now;
        let (phase, is_idle, told) = (worker.phase, worker.running.is_empty(), worker.told);
        self.jobs.finish(job, took, self.now);
        if phase == Phase::Leaving && is_idle && !self.policy.deletes() {
            self.at(self.now + TERMINATION, Event::Leaves { worker: id, time: told });
        }
        self.dispatch();
        self.end_idle(id);
    }

    /// A worker that ends by itself ends where it has nothing to do.
    fn end_idle(&mut self, id: WorkerId) {
        let worker = &self.workers[id.0 as usize];
        let (group, is_idle) = (worker.group, worker.phase == Phase::Ready && worker.running.is_empty());
        if self.policy.leaves_when_idle() && is_idle && !self.jobs.any_waiting() {
            let mut targets = self.targets.clone();
            targets[group] = targets[group].saturating_sub(1);
            self.set_targets(targets);
            self.leave(id, self.now);
        }
    }

    /// Tells a worker that stays to leave, by a time at which it is gone.
    pub(super) fn leave(&mut self, id: WorkerId, by: Millis) {
        let worker = &mut self.workers[id.0 as usize];
        if worker.phase != Phase::Ready {
            self.remove(id);
            return;
        }
        worker.phase = Phase::Leaving;
        worker.leave_by = by;
        worker.told += 1;
        let time = worker.told;
        let is_done = worker.running.is_empty() && !self.policy.deletes();
        self.at(if is_done { self.now + TERMINATION } else { by }, Event::Leaves { worker: id, time });
    }

    /// Deletes a worker's pod: at once where it does not run yet.
    pub(super) fn delete(&mut self, id: WorkerId) {
        let worker = &mut self.workers[id.0 as usize];
        if worker.is_gone {
            return;
        }
        if worker.is_staying() {
            self.leave(id, self.now);
        }
        let worker = &mut self.workers[id.0 as usize];
        if !worker.is_gone && !worker.is_deleted {
            (worker.is_deleted, worker.leave_by) = (true, self.now);
            let time = worker.told;
            self.at(self.now + TERMINATION, Event::Leaves { worker: id, time });
        }
    }

    /// A worker that is leaving goes on, unless its node goes.
    pub(super) fn take_back(&mut self, id: WorkerId) {
        let worker = &mut self.workers[id.0 as usize];
        if !worker.is_gone && worker.phase == Phase::Leaving && worker.interrupted.is_none() && !worker.is_deleted {
            worker.phase = Phase::Ready;
            // What was to end it is not meant any more.
            worker.told += 1;
        }
    }

    pub(super) fn may_leave(&mut self, id: WorkerId, time: u32) {
        let worker = &self.workers[id.0 as usize];
        let is_due = worker.leave_by <= self.now || worker.running.is_empty() && !self.policy.deletes();
        if !worker.is_gone && worker.phase == Phase::Leaving && worker.told == time && is_due {
            self.remove(id);
            self.keep_targets();
            self.dispatch();
        }
    }

    /// Takes a worker out, with what it runs.
    pub(super) fn remove(&mut self, id: WorkerId) {
        let worker = &mut self.workers[id.0 as usize];
        worker.is_gone = true;
        let lost = std::mem::take(&mut worker.running);
        if let Some(since) = worker.node_since {
            self.run.paid += self.now - since;
            self.run.cost += hours(self.now - since) * self.trace.groups[worker.group].cost_per_hour;
        }
        self.live.retain(|live| *live != id);
        for Running { job, task, since } in lost {
            self.run.lost += self.now - since;
            self.jobs.lose(job, task);
        }
        self.count();
    }

    pub(super) fn interrupt(&mut self, index: usize) {
        let Interruption { group, share, notice, .. } = self.trace.interruptions[index];
        let is_ready =
            |id: &WorkerId| self.is_staying_in(*id, group) && self.workers[id.0 as usize].phase == Phase::Ready;
        let mut ready: Vec<WorkerId> = self.live.iter().copied().filter(is_ready).collect();
        let count = (share * ready.len() as f64).round().max(1.0) as usize;
        ready.sort_by_key(|id| self.chance(Chance::Interrupted, index, self.workers[id.0 as usize].number).next());
        let by = self.now + notice;
        for id in ready.into_iter().take(count) {
            self.workers[id.0 as usize].interrupted = Some(by);
            self.leave(id, by);
        }
        self.keep_targets();
    }

    fn chance(&self, chance: Chance, of: usize, number: u32) -> Random {
        Random::of(self.trace.seed, &[chance as u64, of as u64, u64::from(number)])
    }

    /// Notes how many workers there are on nodes.
    fn count(&mut self) {
        let on_nodes = self.live.iter().filter(|id| self.workers[id.0 as usize].node_since.is_some()).count() as u32;
        if self.run.workers.last().is_some_and(|(at, _)| *at == self.now) {
            self.run.workers.pop();
        }
        self.run.workers.push((self.now, on_nodes));
    }
}
