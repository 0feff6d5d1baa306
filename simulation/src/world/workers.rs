//! Workers as processes: how they find a head, what they tell it, what they keep for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shoal_core::control::WorkerInfo;
use shoal_core::lease::EpochGate;
use shoal_core::task::TaskOutput;
use shoal_core::{AttemptId, Failure, JobUid, WorkerId};

use super::tasks::Run;
use super::{World, note};
use crate::invariants::{hold, slots_are_never_exceeded};
use crate::message::{Action, ToHead, ToWorker, WorkerInput, WorkerKey};

/// How often a worker says that it lives.
const BEAT_MS: u64 = 1_000;

/// A head that does not answer a registration within this time is tried no longer.
const WELCOME_MAX_MS: u64 = 10_000;

/// A worker without a head for this long ends: shorter than by default, so that it is met.
const HEAD_GONE_MAX_MS: u64 = 30_000;

/// Results that are kept to be sent again.
const RESULTS_KEPT_MAX: usize = 512;

/// A worker that ended is started again by whoever watches over it.
const RESTART_MS: u64 = 2_000;

pub(crate) struct Process {
    pub(super) name: WorkerId,
    pub(super) slots: u32,
    pub(super) life: u32,
    pub(super) up: bool,
    pub(super) paused: bool,
    pub(super) pile: VecDeque<WorkerInput>,
    /// A second process of the same name: it is not started again.
    pub(super) twin: bool,
    /// When it leaves, where it is to.
    pub(super) leaves_ms: Option<u64>,
    pub(super) slow_until_ms: u64,
    pub(super) disk_full_until_ms: u64,
    gate: EpochGate,
    stream: Option<u64>,
    joined: bool,
    down_since_ms: u64,
    tries: u32,
    next_head: usize,
    pub(super) running: BTreeMap<AttemptId, Run>,
    /// Attempts whose partitions it holds.
    pub(super) holds: BTreeSet<AttemptId>,
    results: VecDeque<Kept>,
}

struct Kept {
    attempt: AttemptId,
    result: Result<TaskOutput, Failure>,
    sent: bool,
}

impl Process {
    pub(super) fn new(index: usize, slots: u32) -> Self {
        Self {
            name: WorkerId(format!("w{index}")),
            slots,
            life: 0,
            up: false,
            paused: false,
            pile: VecDeque::new(),
            twin: false,
            leaves_ms: None,
            slow_until_ms: 0,
            disk_full_until_ms: 0,
            gate: EpochGate::default(),
            stream: None,
            joined: false,
            down_since_ms: 0,
            tries: 0,
            next_head: 0,
            running: BTreeMap::new(),
            holds: BTreeSet::new(),
            results: VecDeque::new(),
        }
    }
}

impl Process {
    /// The stream to the head that it belongs to.
    pub(super) fn joined_stream(&self) -> Option<u64> {
        self.stream.filter(|_| self.joined)
    }
}

impl World {
    /// Which start of a worker that is; peers reach it under the same name.
    /// Begins with its time, as the real ones do.
    pub(super) fn instance(&self, key: WorkerKey) -> String {
        let started = self.started.get(&key).copied().unwrap_or(0);
        format!("{started:08}.{}.{}", key.worker, key.life)
    }

    pub(super) fn start_worker(&mut self, worker: usize) {
        let gate = EpochGate::new(0).mutated(self.mutation);
        let place = &mut self.workers[worker];
        if place.up {
            return;
        }
        let next_head = self.random.index(self.heads.len());
        *place = Process {
            name: place.name.clone(),
            life: place.life,
            twin: place.twin,
            slow_until_ms: place.slow_until_ms,
            disk_full_until_ms: place.disk_full_until_ms,
            up: true,
            gate,
            down_since_ms: self.now_ms,
            next_head,
            ..Process::new(worker, place.slots)
        };
        let key = self.worker_key(worker);
        self.started.insert(key, self.now_ms);
        note!(self, "worker {} starts as {}", self.workers[worker].name, self.instance(key));
        self.after(0, Action::Worker(key, WorkerInput::Open));
    }

    /// The process is gone and all that it held.
    pub(super) fn end_worker(&mut self, worker: usize, why: &str) {
        if !self.workers[worker].up {
            return;
        }
        let key = self.worker_key(worker);
        note!(self, "worker {} ends: {why}", self.instance(key));
        self.end_streams_of_worker(key);
        let place = &mut self.workers[worker];
        place.life += 1;
        place.up = false;
        place.paused = false;
        place.pile.clear();
        place.running.clear();
        place.holds.clear();
        place.results.clear();
        if !place.twin {
            let pause = RESTART_MS / 4 + self.random.below(RESTART_MS);
            self.after(pause, Action::StartWorker(worker));
        }
    }

    pub(super) fn worker_hears(&mut self, key: WorkerKey, input: WorkerInput) {
        let place = &mut self.workers[key.worker];
        if place.life != key.life || !place.up {
            return;
        }
        if place.paused {
            return place.pile.push_back(input);
        }
        match input {
            WorkerInput::Open => self.open(key),
            WorkerInput::FromHead(stream, message) => {
                if place.stream == Some(stream) {
                    self.head_says(key, stream, message);
                }
            }
            WorkerInput::StreamEnded(stream) => {
                if self.workers[key.worker].stream == Some(stream) {
                    self.reopen(key);
                }
            }
            WorkerInput::WelcomeOverdue(stream) => {
                if place.stream == Some(stream) && !place.joined {
                    self.reopen(key);
                }
            }
            WorkerInput::Beat(stream) => {
                if place.stream == Some(stream) && place.joined {
                    let running = place.running.keys().copied().collect();
                    self.send_to_head(stream, ToHead::Heartbeat(running));
                    self.after(BEAT_MS, Action::Worker(key, WorkerInput::Beat(stream)));
                }
            }
            WorkerInput::Fetch { attempt, since_ms } => self.fetch(key, attempt, since_ms),
            WorkerInput::Ended(attempt) => self.task_ended(key, attempt),
            WorkerInput::CancelOverdue(attempt) => self.cancel_overdue(key, attempt),
            WorkerInput::Leave => self.say_that_it_leaves(key),
            WorkerInput::Overdue => self.end_worker(key.worker, "its time to leave is over"),
            WorkerInput::Adopted(source) => self.adopted(key, &source),
        }
    }

    fn open(&mut self, key: WorkerKey) {
        let heads = self.heads.len();
        let instance = self.instance(key);
        let place = &mut self.workers[key.worker];
        if place.stream.is_some() {
            return;
        }
        let head = place.next_head % heads;
        place.next_head += 1;
        let running = place.running.keys().copied().collect();
        let leaves_by_ms = place.leaves_ms;
        let info = WorkerInfo::new(place.name.clone(), instance.clone(), instance, place.slots);
        let head = self.head_key(head);
        let number = self.open_stream(key, head);
        self.workers[key.worker].stream = Some(number);
        if matches!(self.heads[head.head].state, super::heads::HeadState::Down) {
            let at_ms = self.now_ms + self.delay();
            return self.break_stream(number, self.now_ms, at_ms);
        }
        self.send_to_head(number, ToHead::Register(WorkerInfo { running, leaves_by_ms, ..info }));
        self.after(WELCOME_MAX_MS, Action::Worker(key, WorkerInput::WelcomeOverdue(number)));
    }

    /// Gives the stream up and tries the next head after a pause.
    fn reopen(&mut self, key: WorkerKey) {
        let now_ms = self.now_ms;
        let place = &mut self.workers[key.worker];
        if let Some(number) = place.stream.take() {
            let at_ms = now_ms + self.delay();
            if let Some(stream) = self.streams.get_mut(&number) {
                stream.ended_in_order = true;
            }
            self.break_stream(number, at_ms, now_ms);
        }
        let place = &mut self.workers[key.worker];
        if place.joined {
            (place.down_since_ms, place.tries, place.joined) = (now_ms, 0, false);
        }
        if now_ms - place.down_since_ms >= HEAD_GONE_MAX_MS {
            return self.end_worker(key.worker, "no head has answered for too long");
        }
        place.tries += 1;
        let pause = (100 << place.tries.min(5)).min(2_000) / 2 + self.random.below(500);
        self.after(pause, Action::Worker(key, WorkerInput::Open));
    }

    fn head_says(&mut self, key: WorkerKey, stream: u64, message: ToWorker) {
        match message {
            ToWorker::Welcome(epoch) => {
                if !self.workers[key.worker].gate.admit(epoch) {
                    self.meet("an old head's welcome is refused");
                    return self.reopen(key);
                }
                let checked = self.ledger.fenced_worker(key, epoch);
                self.check(checked);
                self.workers[key.worker].joined = true;
                self.workers[key.worker].results.iter_mut().for_each(|kept| kept.sent = false);
                self.after(0, Action::Worker(key, WorkerInput::Beat(stream)));
                self.send_results(key);
            }
            ToWorker::Refused => self.end_worker(key.worker, "the head refuses it"),
            ToWorker::Close => self.reopen(key),
            ToWorker::Adopt(sources) => {
                // All of one attempt: what the model holds of it is one thing.
                if let Some(source) = sources.into_iter().next() {
                    self.adopt(key, source);
                }
            }
            ToWorker::Dismiss => {
                self.meet("a drained worker is dismissed");
                self.end_worker(key.worker, "it is drained");
            }
            ToWorker::Assign(epoch, assignment) => {
                if !self.workers[key.worker].gate.admit(epoch) {
                    return self.meet("an old head's assignment is refused");
                }
                let name = self.workers[key.worker].name.0.clone();
                let instance = self.instance(key);
                let checked = self.ledger.fenced_worker(key, epoch).and(self.ledger.assigned_means_stored(
                    assignment.attempt,
                    &name,
                    &instance,
                ));
                self.check(checked);
                self.run_task(key, *assignment);
            }
            ToWorker::Cancel(attempt) => self.cancel_task(key, attempt),
            ToWorker::Release(job) => self.release(key, job),
        }
    }

    fn release(&mut self, key: WorkerKey, job: JobUid) {
        let running: Vec<AttemptId> =
            self.workers[key.worker].running.keys().filter(|attempt| attempt.task.job == job).copied().collect();
        for attempt in running {
            self.cancel_task(key, attempt);
        }
        let place = &mut self.workers[key.worker];
        place.holds.retain(|attempt| attempt.task.job != job);
        place.results.retain(|kept| !kept.sent || kept.attempt.task.job != job);
    }

    /// Sends the result of an attempt again, where it is still there.
    pub(super) fn repeat(&mut self, key: WorkerKey, attempt: AttemptId) -> bool {
        let found = self.workers[key.worker].results.iter_mut().find(|kept| kept.attempt == attempt);
        let Some(kept) = found else { return false };
        kept.sent = false;
        self.send_results(key);
        true
    }

    pub(super) fn keep_result(&mut self, key: WorkerKey, attempt: AttemptId, result: Result<TaskOutput, Failure>) {
        let results = &mut self.workers[key.worker].results;
        results.push_back(Kept { attempt, result, sent: false });
        if results.len() > RESULTS_KEPT_MAX
            && let Some(oldest) = results.iter().position(|kept| kept.sent)
        {
            results.remove(oldest);
        }
        let kept = results.len();
        self.check(hold("queues_are_bounded", kept <= RESULTS_KEPT_MAX, || format!("{kept} results are kept")));
        self.send_results(key);
    }

    fn send_results(&mut self, key: WorkerKey) {
        let place = &mut self.workers[key.worker];
        let Some(stream) = place.stream.filter(|_| place.joined) else { return };
        let unsent: Vec<(AttemptId, Result<TaskOutput, Failure>)> = place
            .results
            .iter_mut()
            .filter(|kept| !kept.sent)
            .map(|kept| {
                kept.sent = true;
                (kept.attempt, kept.result.clone())
            })
            .collect();
        for (attempt, result) in unsent {
            self.send_to_head(stream, ToHead::Finished(attempt, Box::new(result)));
        }
    }

    pub(super) fn check_slots(&mut self, worker: usize) {
        let place = &self.workers[worker];
        let checked = slots_are_never_exceeded(place.running.len(), place.slots);
        self.check(checked);
    }
}
