//! Users: each submits a job, asks how it goes, and some cancel it. They try the next head when one does not answer.

use std::collections::VecDeque;
use std::sync::Arc;

use shoal_core::journal::JobChange;
use shoal_core::report::{JobStatus, Phase};
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, Reason};

use super::{World, note};
use crate::kind;
use crate::message::{Action, ClientInput, HeadInput, Request};
use crate::scenario::{Scenario, Wish};

/// A user who hears nothing for this long asks again, somebody else.
const PATIENCE_MS: u64 = 2_000;

/// How often a user looks.
const LOOK_MS: u64 = 800;

/// Of so many looks one is at the list of all jobs.
const LISTS_PER_LOOK: u64 = 4;

/// When to come back, as a refusal says it.
const RETRY_AFTER_MS: u64 = 1_000;

pub(super) struct Client {
    spec: Arc<ShoalJob>,
    head: usize,
    calls: u64,
    acknowledged: bool,
    wishes: VecDeque<(u64, Wish)>,
    resubmits: u32,
    request: Request,
    ended: Option<Phase>,
    /// Its entry was not kept any longer.
    is_forgotten: bool,
}

impl Client {
    pub(super) fn new(index: usize, scenario: &Scenario) -> Self {
        let job = &scenario.jobs[index];
        let table = if job.shares_table { "/shared".to_owned() } else { format!("/table-{index}") };
        Self {
            spec: kind::spec(&format!("job-{index}"), job, &table),
            head: 0,
            calls: 0,
            acknowledged: false,
            wishes: job.wishes.iter().copied().collect(),
            resubmits: job.resubmits,
            request: Request::Submit,
            ended: None,
            is_forgotten: false,
        }
    }

    pub(super) fn spec(&self) -> Arc<ShoalJob> {
        self.spec.clone()
    }

    pub(super) fn name(&self) -> &str {
        &self.spec.metadata.name
    }

    pub(super) fn table(&self) -> &str {
        self.spec.spec.grouped_training.as_ref().map_or("", |training| &training.output.table)
    }

    pub(super) fn is_done(&self) -> bool {
        match self.ended {
            Some(Phase::Failed) => self.resubmits == 0,
            Some(_) => true,
            None => self.is_forgotten,
        }
    }

    fn next_request(&mut self, now_ms: u64) -> Request {
        if self.ended == Some(Phase::Failed) && self.resubmits > 0 {
            self.resubmits -= 1;
            self.acknowledged = false;
            self.ended = None;
            self.is_forgotten = false;
        }
        if !self.acknowledged {
            return Request::Submit;
        }
        match self.wishes.front().filter(|(at_ms, _)| *at_ms <= now_ms && self.ended.is_none()) {
            None if self.calls.is_multiple_of(LISTS_PER_LOOK) => Request::List,
            None => Request::Show,
            Some((_, Wish::Cancel)) => Request::Cancel,
            Some((_, wish)) => Request::Change(change(*wish)),
        }
    }

    /// The head did what it was asked for, or said that it cannot be done.
    fn is_served(&mut self) {
        match self.request {
            Request::Submit => self.acknowledged = true,
            Request::Cancel | Request::Change(_) => drop(self.wishes.pop_front()),
            Request::Show | Request::List => {}
        }
    }
}

/// The change that a user wishes for.
fn change(wish: Wish) -> JobChange {
    let mut change = JobChange::default();
    match wish {
        Wish::Cancel => {}
        Wish::Suspend => change.suspend = Some(true),
        Wish::GoOn => change.suspend = Some(false),
        Wish::Prefer(priority) => change.priority = Some(priority),
        Wish::Allow(seconds) => change.active_deadline_seconds = Some(seconds),
        Wish::Keep(seconds) => change.ttl_seconds_after_finished = Some(seconds),
    }
    change
}

impl World {
    pub(super) fn client_hears(&mut self, client: usize, input: ClientInput) {
        let user = &mut self.clients[client];
        match input {
            ClientInput::Next => self.call(client),
            ClientInput::Unreachable(call) | ClientInput::Overdue(call) if user.calls == call => {
                user.head += 1;
                user.calls += 1;
                self.after(200, Action::Client(client, ClientInput::Next));
            }
            ClientInput::Answered(call, epoch, answer) if user.calls == call => {
                user.calls += 1;
                let is_busy = answer.as_ref().as_ref().is_err_and(|failure| failure.reason == Reason::Busy);
                self.answered(client, epoch, *answer);
                let after_ms = if is_busy { RETRY_AFTER_MS } else { LOOK_MS / 2 };
                let pause = after_ms + self.random.below(LOOK_MS);
                self.after(pause, Action::Client(client, ClientInput::Next));
            }
            ClientInput::Unreachable(_) | ClientInput::Overdue(_) | ClientInput::Answered(..) => {}
        }
    }

    fn call(&mut self, client: usize) {
        let heads = self.heads.len();
        let now_ms = self.now_ms;
        let user = &mut self.clients[client];
        user.calls += 1;
        user.request = user.next_request(now_ms);
        let (call, request, head) = (user.calls, user.request.clone(), user.head % heads);
        let key = self.head_key(head);
        let delay = self.delay();
        if matches!(self.heads[head].state, super::heads::HeadState::Down) {
            return self.after(delay, Action::Client(client, ClientInput::Unreachable(call)));
        }
        self.after(delay, Action::Head(key, HeadInput::Call { client, call, request }));
        self.after(PATIENCE_MS, Action::Client(client, ClientInput::Overdue(call)));
    }

    fn answered(&mut self, client: usize, epoch: u64, answer: Result<JobStatus, Failure>) {
        match answer {
            Ok(status) => {
                let user = &mut self.clients[client];
                user.is_served();
                // An old head shows what was true once, or what nobody will ever store.
                let only_looks = matches!(user.request, Request::Show | Request::List);
                if only_looks && epoch != self.store.epoch() {
                    return;
                }
                let ended = status.phase.is_final().then_some(status.phase);
                let before = std::mem::replace(&mut user.ended, ended);
                if before != ended {
                    note!(self, "{} is told to be {:?}", status.name, status.phase);
                }
                let checked = self.ledger.told(client, &status);
                self.check(checked);
            }
            Err(failure) => {
                note!(self, "{} gets an answer: {failure}", self.clients[client].name());
                match failure.reason {
                    Reason::NotPossible => self.clients[client].is_served(),
                    Reason::Busy => {}
                    _ => self.clients[client].head += 1,
                }
                // What an old head does not know yet is another matter.
                if failure.reason == Reason::JobNotFound && epoch == self.store.epoch() {
                    let user = &mut self.clients[client];
                    user.is_forgotten = user.acknowledged;
                    let checked = self.ledger.not_found(client, &failure.message);
                    self.check(checked);
                }
            }
        }
    }
}
