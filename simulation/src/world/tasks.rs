//! Attempts on workers: they take their time, read from peers, write files, fail, and some end their process.

use shoal_core::task::{Assignment, PartitionMeta, TaskOutput};
use shoal_core::{AttemptId, Failure, Reason};

use super::heads::short;
use super::{World, note};
use crate::kind::{MAP, file_of};
use crate::message::{Action, WorkerInput, WorkerKey};

/// A peer that does not answer for this long is lost.
const FETCH_PATIENCE_MS: u64 = 10_000;

/// A cancelled attempt is dropped after this long at the latest.
const CANCEL_GRACE_MS: u64 = 1_000;

/// Attempts that fail for no reason of their own, of a thousand.
const HICCUPS_PERMILLE: u64 = 15;

pub(crate) struct Run {
    assignment: Assignment,
    /// The splits whose rows it has read, and what kept it from reading more.
    read: Result<Vec<u32>, Failure>,
}

impl World {
    pub(super) fn run_task(&mut self, key: WorkerKey, assignment: Assignment) {
        let attempt = assignment.attempt;
        if self.repeat(key, attempt) || self.workers[key.worker].running.contains_key(&attempt) {
            return;
        }
        let place = &mut self.workers[key.worker];
        if place.running.len() >= place.slots as usize {
            self.meet("a worker has no slot for an assignment");
            let busy = Failure::new(Reason::Busy, "all slots of the worker are used");
            return self.keep_result(key, attempt, Err(located(busy, attempt)));
        }
        let read = Ok(if assignment.sources.is_empty() { vec![attempt.task.index] } else { Vec::new() });
        let reads_nothing = assignment.sources.is_empty();
        place.running.insert(attempt, Run { assignment, read });
        self.check_slots(key.worker);
        let (low, high) = self.scenario.task_ms;
        let mut time = self.random.between(low, high);
        if self.now_ms < self.workers[key.worker].slow_until_ms {
            time *= 10;
        }
        if reads_nothing {
            self.after(time, Action::Worker(key, WorkerInput::Ended(attempt)));
        } else {
            let since_ms = self.now_ms + time / 2;
            self.after(time / 2, Action::Worker(key, WorkerInput::Fetch { attempt, since_ms }));
        }
    }

    /// Reads what the attempt needs, from whoever holds it.
    pub(super) fn fetch(&mut self, key: WorkerKey, attempt: AttemptId, since_ms: u64) {
        let Some(run) = self.workers[key.worker].running.get(&attempt) else { return };
        let sources = run.assignment.sources.clone();
        let mut read = Vec::new();
        for source in sources {
            match self.peer(key, &source.flight_url) {
                // It may answer yet.
                Peer::Silent if self.now_ms < since_ms + FETCH_PATIENCE_MS => {
                    return self.after(1_000, Action::Worker(key, WorkerInput::Fetch { attempt, since_ms }));
                }
                Peer::There(holder) if self.workers[holder].holds.contains(&source.attempt) => {
                    read.push(source.attempt.task.index);
                }
                Peer::There(_) | Peer::Silent | Peer::Gone => {
                    let mut lost =
                        located(Failure::new(Reason::PartitionLost, "the partition is gone"), source.attempt);
                    lost.location.worker = Some(source.worker.0.clone());
                    return self.read(key, attempt, Err(lost));
                }
            }
        }
        self.read(key, attempt, Ok(read));
    }

    fn read(&mut self, key: WorkerKey, attempt: AttemptId, read: Result<Vec<u32>, Failure>) {
        let time = self.scenario.task_ms.1 / 2;
        let time = if read.is_ok() { self.random.below(time) } else { 0 };
        if let Some(run) = self.workers[key.worker].running.get_mut(&attempt) {
            run.read = read;
        }
        self.after(time, Action::Worker(key, WorkerInput::Ended(attempt)));
    }

    pub(super) fn peer(&self, key: WorkerKey, instance: &str) -> Peer {
        let holder = (0..self.workers.len())
            .find(|worker| self.workers[*worker].up && self.instance(self.worker_key(*worker)) == instance);
        let Some(holder) = holder else { return Peer::Gone };
        let pair = (key.worker.min(holder), key.worker.max(holder));
        let cut = self.peer_cuts.get(&pair).is_some_and(|until| *until > self.now_ms);
        if cut || self.workers[holder].paused { Peer::Silent } else { Peer::There(holder) }
    }

    pub(super) fn task_ended(&mut self, key: WorkerKey, attempt: AttemptId) {
        let hiccup = !self.healed && self.random.below(1_000) < HICCUPS_PERMILLE;
        let Some(run) = self.workers[key.worker].running.remove(&attempt) else { return };
        if run.assignment.payload.read().unwrap_or(false) {
            self.meet("a poison task ends its worker");
            return self.end_worker(key.worker, "a poison task");
        }
        let result = match run.read {
            Err(failure) => Err(failure),
            Ok(_) if hiccup => Err(located(Failure::new(Reason::Io, "a disk hiccup"), attempt)),
            Ok(_) if self.now_ms < self.workers[key.worker].disk_full_until_ms => {
                self.meet("a task finds no room on the disk");
                Err(located(Failure::new(Reason::ResourcesExhausted, "the disk is full"), attempt))
            }
            Ok(read) => Ok(self.output(key, &run.assignment, read)),
        };
        self.keep_result(key, attempt, result);
    }

    fn output(&mut self, key: WorkerKey, assignment: &Assignment, read: Vec<u32>) -> TaskOutput {
        let attempt = assignment.attempt;
        if assignment.stage == MAP {
            self.workers[key.worker].holds.insert(attempt);
            let buckets = assignment.common.read().unwrap_or(0);
            let partition = |bucket| PartitionMeta { bucket, rows: 1, bytes: 1, checksum: 0 };
            return TaskOutput { partitions: (0..buckets).map(partition).collect(), ..TaskOutput::default() };
        }
        let file = file_of(attempt, read.len());
        let table = self.table_of(assignment);
        note!(self, "{} writes the file of {}", self.instance(key), short(attempt));
        self.lake.write(&table, &file.path, read);
        TaskOutput { files: vec![file], ..TaskOutput::default() }
    }

    fn table_of(&self, assignment: &Assignment) -> String {
        let client = crate::invariants::job_index(&assignment.job_name).and_then(|index| self.clients.get(index));
        client.map_or_else(String::new, |client| client.table().to_owned())
    }

    pub(super) fn cancel_task(&mut self, key: WorkerKey, attempt: AttemptId) {
        if self.workers[key.worker].running.contains_key(&attempt) {
            let grace = self.random.below(CANCEL_GRACE_MS);
            self.after(grace, Action::Worker(key, WorkerInput::CancelOverdue(attempt)));
        }
    }

    pub(super) fn cancel_overdue(&mut self, key: WorkerKey, attempt: AttemptId) {
        if self.workers[key.worker].running.remove(&attempt).is_some() {
            let cancelled = located(Failure::new(Reason::Cancelled, "the attempt was cancelled"), attempt);
            self.keep_result(key, attempt, Err(cancelled));
        }
    }
}

pub(super) enum Peer {
    There(usize),
    Silent,
    Gone,
}

/// A failure of, or about, an attempt.
pub(super) fn located(mut failure: Failure, attempt: AttemptId) -> Failure {
    failure.location.attempt = Some(attempt);
    failure
}
