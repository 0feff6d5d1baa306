//! Makes things go wrong, and right again.

use super::heads::HeadState;
use super::{World, note};
use crate::fault::{Fault, Healing, Moment};
use crate::message::{Action, HeadKey, WorkerKey};

/// Connections that nobody has answered on for this long are given up.
const KEEP_ALIVE_MS: u64 = 12_000;

/// Half an hour is more than every pause of a head's machine together.
const CLOCK_FORWARD_MAX_MS: u64 = 3_600_000;

/// A step back holds pauses up for as long as it is wide.
const CLOCK_BACK_MAX_MS: u64 = 20_000;

impl World {
    /// Carries a fault out, on that head where it is one of heads.
    pub(super) fn fault(&mut self, fault: Fault, head: Option<usize>) {
        if self.healed {
            return;
        }
        let head = head.unwrap_or_else(|| self.any_head());
        let worker = self.random.index(self.workers.len());
        let length = self.random.between(200, 12_000);
        let until_ms = self.now_ms + length;
        let met = match fault {
            Fault::HeadCrash => {
                let up = !matches!(self.heads[head].state, HeadState::Down);
                if up {
                    let pause = self.random.between(100, 6_000);
                    self.end_head(head, "killed", pause);
                }
                up
            }
            Fault::HeadPause => self.pause_head(head, length),
            Fault::HeadResigns => self.resign(head),
            Fault::HeadClockForward => {
                self.heads[head].clock_jumped_ms += self.random.between(1_000, CLOCK_FORWARD_MAX_MS) as i64;
                true
            }
            Fault::HeadClockBack => {
                self.heads[head].clock_jumped_ms -= self.random.between(1_000, CLOCK_BACK_MAX_MS) as i64;
                true
            }
            Fault::HeadCutFromStore => {
                self.store_cuts.insert(head, until_ms);
                true
            }
            Fault::WorkerCrash | Fault::WorkerMemoryFull => {
                let up = self.workers[worker].up;
                self.end_worker(worker, fault.name());
                up
            }
            Fault::WorkerPause => self.pause_worker(worker, length),
            Fault::WorkerSlow => {
                self.workers[worker].slow_until_ms = until_ms;
                true
            }
            Fault::WorkerDrain => self.drain(worker, length * 2),
            Fault::WorkerTwin => self.start_twin(worker),
            Fault::WorkerDiskFull => {
                self.workers[worker].disk_full_until_ms = until_ms;
                true
            }
            Fault::WorkerLosesPartition => self.workers[worker].holds.pop_first().is_some(),
            Fault::StreamBreak => {
                let stream = self.any_stream();
                if let Some(stream) = stream {
                    let (head_ms, worker_ms) = (self.now_ms + self.delay(), self.now_ms + self.delay());
                    self.break_stream(stream, head_ms, worker_ms);
                }
                stream.is_some()
            }
            Fault::CutHeadFromWorker => {
                self.cuts.insert((head, worker), until_ms);
                self.after(KEEP_ALIVE_MS / 2, Action::Heal(Healing::KeepAliveLink(head, worker)));
                true
            }
            Fault::CutWorkers => {
                let other = self.random.index(self.workers.len());
                self.peer_cuts.insert((worker.min(other), worker.max(other)), until_ms);
                worker != other
            }
            Fault::NetworkSlow => {
                self.slow_network_until_ms = until_ms;
                true
            }
            Fault::JournalSlow => {
                self.store.slow_until_ms = until_ms;
                true
            }
            Fault::JournalFull => {
                self.store.full_until_ms = until_ms;
                true
            }
            Fault::JournalLosesAnswers => {
                self.store.loses_answers_until_ms = until_ms;
                true
            }
            Fault::LakeSlow => {
                self.lake.slow_until_ms = until_ms;
                true
            }
            Fault::LakeFails => {
                self.lake.fails_until_ms = until_ms;
                true
            }
            Fault::LakeLosesAnswers => {
                self.lake.loses_answers_until_ms = until_ms;
                true
            }
            Fault::ForeignCommit => {
                let table = self.random.index(8);
                self.lake.put_foreign(table);
                true
            }
        };
        if met {
            note!(self, "FAULT: {} (head {head}, worker {worker}, {length} ms)", fault.name());
            self.meet(fault.name());
        }
    }

    /// Most faults of heads are to hit the one that leads.
    fn any_head(&mut self) -> usize {
        let leading = (0..self.heads.len()).find(|head| self.leads(*head));
        match leading {
            Some(head) if self.random.percent(75) => head,
            _ => self.random.index(self.heads.len()),
        }
    }

    /// A head is at a moment that an ambush may wait for.
    pub(super) fn moment(&mut self, moment: Moment, key: HeadKey) {
        if self.healed || self.heads[key.head].life != key.life {
            return;
        }
        let waiting = self.ambushes.iter().find(|(at, _)| *at == moment).copied();
        if let Some((moment, fault)) = waiting {
            self.ambushes.remove(&(moment, fault));
            self.meet(format!("{} {}", fault.name(), moment.name()));
            // After what is being done now, before anything else.
            self.queue.put(self.now_ms, Action::FaultAt(fault, key.head));
        }
    }

    fn pause_head(&mut self, head: usize, length: u64) -> bool {
        let key = self.head_key(head);
        let place = &mut self.heads[head];
        if place.paused || matches!(place.state, HeadState::Down) {
            return false;
        }
        place.paused = true;
        self.after(length, Action::Heal(Healing::ResumeHead(key)));
        self.after(KEEP_ALIVE_MS, Action::Heal(Healing::KeepAliveHead(key)));
        true
    }

    fn pause_worker(&mut self, worker: usize, length: u64) -> bool {
        let key = self.worker_key(worker);
        let place = &mut self.workers[worker];
        if place.paused || !place.up {
            return false;
        }
        place.paused = true;
        self.after(length, Action::Heal(Healing::ResumeWorker(key)));
        self.after(KEEP_ALIVE_MS, Action::Heal(Healing::KeepAliveWorker(key)));
        true
    }

    fn start_twin(&mut self, worker: usize) -> bool {
        if self.workers.iter().any(|process| process.twin) {
            return false;
        }
        let mut twin = super::Process::new(self.workers.len(), self.scenario.slots);
        twin.name = self.workers[worker].name.clone();
        twin.twin = true;
        self.workers.push(twin);
        self.start_worker(self.workers.len() - 1);
        true
    }

    pub(super) fn heal(&mut self, healing: Healing) {
        match healing {
            Healing::ResumeHead(key) => self.resume_head(key),
            Healing::ResumeWorker(key) => self.resume_worker(key),
            Healing::KeepAliveHead(key) => {
                if self.heads[key.head].life == key.life && self.heads[key.head].paused {
                    self.give_up_streams(|stream| stream.head == key);
                }
            }
            Healing::KeepAliveWorker(key) => {
                if self.workers[key.worker].life == key.life && self.workers[key.worker].paused {
                    self.give_up_streams(|stream| stream.worker == key);
                }
            }
            Healing::KeepAliveLink(head, worker) => {
                if self.cuts.get(&(head, worker)).is_some_and(|until| *until > self.now_ms) {
                    self.give_up_streams(|stream| stream.head.head == head && stream.worker.worker == worker);
                }
            }
        }
    }

    fn resume_head(&mut self, key: HeadKey) {
        let place = &mut self.heads[key.head];
        if place.life != key.life || !place.paused {
            return;
        }
        place.paused = false;
        let pile = std::mem::take(&mut place.pile);
        note!(self, "head {} goes on with {} inputs", key.head, pile.len());
        for input in pile {
            self.queue.put(self.now_ms, Action::Head(key, input));
        }
    }

    fn resume_worker(&mut self, key: WorkerKey) {
        let place = &mut self.workers[key.worker];
        if place.life != key.life || !place.paused {
            return;
        }
        place.paused = false;
        let pile = std::mem::take(&mut place.pile);
        note!(self, "worker {} goes on with {} inputs", self.instance(key), pile.len());
        for input in pile {
            self.queue.put(self.now_ms, Action::Worker(key, input));
        }
    }

    pub(super) fn heal_all(&mut self) {
        note!(self, "faults are over");
        self.healed = true;
        self.cuts.clear();
        self.peer_cuts.clear();
        self.store_cuts.clear();
        self.slow_network_until_ms = 0;
        (self.store.slow_until_ms, self.store.full_until_ms, self.store.loses_answers_until_ms) = (0, 0, 0);
        (self.lake.slow_until_ms, self.lake.fails_until_ms, self.lake.loses_answers_until_ms) = (0, 0, 0);
        for head in 0..self.heads.len() {
            self.resume_head(self.head_key(head));
            self.after(0, Action::StartHead(head));
        }
        for worker in 0..self.workers.len() {
            self.resume_worker(self.worker_key(worker));
            let process = &mut self.workers[worker];
            (process.slow_until_ms, process.disk_full_until_ms) = (0, 0);
            if process.twin {
                self.end_worker(worker, "the twin is stopped");
            } else {
                self.after(0, Action::StartWorker(worker));
            }
        }
        self.forget_streams();
    }
}
