//! What heads do in the object store: commits, withdrawals, sweeps. Each is a few requests, and the head may be gone or
//! paused between any two of them.

use shoal_core::control::Event;
use shoal_core::publish::{CommitIntent, PublishedTable, Settled, found_mutated};
use shoal_core::{Failure, JobUid, Reason};

use super::{World, note};
use crate::fault::Moment;
use crate::invariants::no_committed_file_is_deleted;
use crate::lake::{Commit, published};
use crate::message::{Action, HeadInput, HeadKey, LakeAnswer, LakeRequest};

/// A request to the object store that is not answered within this time counts as failed.
const LAKE_PATIENCE_MS: u64 = 5_000;

/// Another writer got ahead so often that the head gives this try up.
const CONFLICTS_MAX: u32 = 10;

pub(super) struct Operation {
    kind: Kind,
    /// Numbers its requests: an answer to an earlier one comes too late.
    step: u32,
    conflicts: u32,
    committed: Option<PublishedTable>,
    writing: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Publish(CommitIntent),
    Withdraw(CommitIntent),
    Discard { job: JobUid, tables: Vec<String> },
}

/// What an operation does next.
enum Next {
    Ask(LakeRequest),
    Tell(Event),
}

impl Operation {
    fn first(&mut self) -> Next {
        match &self.kind {
            Kind::Publish(intent) | Kind::Withdraw(intent) => self.look(intent.clone()),
            Kind::Discard { .. } => self.sweep_next(),
        }
    }

    fn look(&mut self, intent: CommitIntent) -> Next {
        self.writing = false;
        self.step += 1;
        Next::Ask(LakeRequest::Look { step: self.step, job: intent.job, table: intent.table })
    }

    fn put(&mut self, intent: &CommitIntent, version: u64, withdrawn: bool) -> Next {
        self.writing = true;
        self.step += 1;
        let files = if withdrawn { Vec::new() } else { intent.files.clone() };
        let commit = Commit { job: Some(intent.job), files };
        Next::Ask(LakeRequest::Put { step: self.step, table: intent.table.clone(), version, commit })
    }

    fn sweep_next(&mut self) -> Next {
        self.writing = false;
        self.step += 1;
        match &mut self.kind {
            Kind::Publish(intent) => {
                let keep = intent.files.iter().map(|file| file.path.clone()).collect();
                Next::Ask(LakeRequest::Sweep { step: self.step, job: intent.job, table: intent.table.clone(), keep })
            }
            Kind::Discard { job, tables } => match tables.pop() {
                Some(table) => Next::Ask(LakeRequest::Sweep { step: self.step, job: *job, table, keep: Vec::new() }),
                None => Next::Tell(Event::Discarded { job: *job }),
            },
            Kind::Withdraw(intent) => Next::Tell(Event::Withdrawn { job: intent.job, result: Ok(Settled::Withdrawn) }),
        }
    }

    fn fail(&mut self, failure: Failure) -> Next {
        match &self.kind {
            Kind::Publish(intent) => match self.committed.take() {
                // It is published; what others left behind is not worth a failure.
                Some(table) => Next::Tell(Event::Published { job: intent.job, result: Ok(table) }),
                None => Next::Tell(Event::Published { job: intent.job, result: Err(failure) }),
            },
            Kind::Withdraw(intent) => Next::Tell(Event::Withdrawn { job: intent.job, result: Err(failure) }),
            Kind::Discard { .. } => self.sweep_next(),
        }
    }

    fn answered(&mut self, answer: LakeAnswer, world_mutation: Option<shoal_core::control::Mutation>) -> Next {
        match (answer, self.kind.clone()) {
            (LakeAnswer::Failed, _) => self.fail(Failure::new(Reason::Io, "the object store fails")),
            (LakeAnswer::Found { version, entry }, Kind::Publish(intent)) => {
                match found_mutated(entry, world_mutation) {
                    None => self.put(&intent, version + 1, false),
                    Some(Settled::Published(table)) => {
                        self.committed = Some(table);
                        self.sweep_next()
                    }
                    Some(Settled::Withdrawn) => self.fail(Failure::new(Reason::Cancelled, "the commit was withdrawn")),
                }
            }
            (LakeAnswer::Found { version, entry }, Kind::Withdraw(intent)) => match entry {
                Some(settled) => Next::Tell(Event::Withdrawn { job: intent.job, result: Ok(settled) }),
                None => self.put(&intent, version + 1, true),
            },
            (LakeAnswer::Written(table), Kind::Publish(_)) => {
                self.committed = Some(table);
                self.sweep_next()
            }
            (LakeAnswer::Conflict, Kind::Publish(intent) | Kind::Withdraw(intent)) => {
                self.conflicts += 1;
                if self.conflicts > CONFLICTS_MAX {
                    return self.fail(Failure::new(Reason::CommitConflict, "other writers are always first"));
                }
                self.look(intent)
            }
            (LakeAnswer::Swept, Kind::Publish(_)) => self.fail(Failure::internal("swept without a commit")),
            (LakeAnswer::Swept, Kind::Discard { .. }) | (LakeAnswer::Written(_), Kind::Withdraw(_)) => {
                self.sweep_next()
            }
            (answer, kind) => self.fail(Failure::internal(format!("{answer:?} answers {kind:?}"))),
        }
    }
}

impl World {
    pub(super) fn start_operation(&mut self, key: HeadKey, kind: Kind) {
        note!(self, "head {} begins: {}", key.head, title(&kind));
        let Some(leading) = self.leading(key.head) else { return };
        leading.operations_started += 1;
        let number = leading.operations_started;
        let mut operation = Operation { kind, step: 0, conflicts: 0, committed: None, writing: false };
        let next = operation.first();
        leading.operations.insert(number, operation);
        self.go_on(key, number, next);
    }

    fn go_on(&mut self, key: HeadKey, number: u64, next: Next) {
        match next {
            Next::Ask(request) => {
                let step = request.step();
                let is_put = matches!(request, LakeRequest::Put { .. });
                let is_sweep = matches!(request, LakeRequest::Sweep { .. });
                let mut delay = self.delay();
                if self.now_ms < self.lake.slow_until_ms {
                    delay += self.random.below(6_000);
                }
                self.after(delay, Action::Lake(key, number, request));
                self.after(LAKE_PATIENCE_MS, Action::Head(key, HeadInput::LakeOverdue(number, step)));
                if is_put {
                    self.moment(Moment::CommitSent, key);
                }
                if is_sweep {
                    self.moment(Moment::SweepSent, key);
                }
            }
            Next::Tell(event) => {
                if let Some(leading) = self.leading(key.head) {
                    leading.operations.remove(&number);
                }
                self.drive(key, event);
            }
        }
    }

    pub(super) fn operation_answered(&mut self, key: HeadKey, number: u64, step: u32, answer: LakeAnswer) {
        let mutation = self.mutation;
        let Some(leading) = self.leading(key.head) else { return };
        let operation = leading.operations.get_mut(&number).filter(|operation| operation.step == step);
        let Some(operation) = operation else { return };
        let next = operation.answered(answer, mutation);
        self.go_on(key, number, next);
    }

    pub(super) fn operation_overdue(&mut self, key: HeadKey, number: u64, step: u32) {
        let look_again = self.random.percent(50);
        let Some(leading) = self.leading(key.head) else { return };
        let operation = leading.operations.get_mut(&number).filter(|operation| operation.step == step);
        let Some(operation) = operation else { return };
        let next = match operation.kind.clone() {
            // Whether it was written is not known: some stores are asked again at once, others fail the call.
            Kind::Publish(intent) | Kind::Withdraw(intent) if operation.writing && look_again => operation.look(intent),
            _ => operation.fail(Failure::new(Reason::Io, "the object store does not answer")),
        };
        self.meet("a call to the object store times out");
        self.go_on(key, number, next);
    }

    /// A request reaches the object store, whatever has become of the head that sent it.
    pub(super) fn lake_hears(&mut self, key: HeadKey, number: u64, request: LakeRequest) {
        let step = request.step();
        let answer = if self.now_ms < self.lake.fails_until_ms && self.random.percent(70) {
            LakeAnswer::Failed
        } else {
            self.lake_does(key, request)
        };
        if self.now_ms < self.lake.loses_answers_until_ms && self.random.percent(60) {
            note!(self, "the object store's answer to head {} is lost", key.head);
            return;
        }
        let mut delay = self.delay();
        if self.now_ms < self.lake.slow_until_ms {
            delay += self.random.below(6_000);
        }
        self.after(delay, Action::Head(key, HeadInput::LakeAnswered(number, step, answer)));
    }

    fn lake_does(&mut self, key: HeadKey, request: LakeRequest) -> LakeAnswer {
        match request {
            LakeRequest::Look { job, table, .. } => {
                let (version, entry) = self.lake.look(&table, job);
                LakeAnswer::Found { version, entry }
            }
            LakeRequest::Put { table, version, commit, .. } => {
                if !self.lake.put(&table, version, commit.clone()) {
                    note!(self, "version {version} of {table} is there already: head {} is too late", key.head);
                    self.meet("a commit finds another in its place");
                    return LakeAnswer::Conflict;
                }
                let what = if commit.files.is_empty() { "a withdrawal" } else { "a commit" };
                note!(self, "version {version} of {table} is {what} by head {}", key.head);
                if !self.leads(key.head) || self.heads[key.head].life != key.life || self.heads[key.head].paused {
                    self.meet("a write arrives after its head has ended or paused");
                }
                let checked = self.ledger.committed(&table, &commit, &self.lake, &self.scenario);
                self.check(checked);
                let moment = if commit.files.is_empty() { Moment::WithdrawalWritten } else { Moment::CommitWritten };
                self.moment(moment, key);
                LakeAnswer::Written(published(&table, version, &commit))
            }
            LakeRequest::Sweep { job, table, keep, .. } => {
                let gone = self.lake.sweep(&table, job, &keep);
                note!(self, "head {} deletes {} files of job {}", key.head, gone.len(), job.0.as_u128() & 0xFFFF);
                let checked = no_committed_file_is_deleted(job, &gone, &self.lake);
                self.check(checked);
                LakeAnswer::Swept
            }
        }
    }
}

fn title(kind: &Kind) -> String {
    match kind {
        Kind::Publish(intent) => format!("publish job {}", intent.job.0.as_u128() & 0xFFFF),
        Kind::Withdraw(intent) => format!("withdraw job {}", intent.job.0.as_u128() & 0xFFFF),
        Kind::Discard { job, .. } => format!("discard job {}", job.0.as_u128() & 0xFFFF),
    }
}
