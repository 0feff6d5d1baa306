//! Heads as processes: how they start, lead, store and end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shoal_core::control::{Control, Effect, EffectLoop, Event, Outside, ReplyId};
use shoal_core::journal::{Record, decode, encode};
use shoal_core::report::JobStatus;
use shoal_core::{AttemptId, Failure, JobUid, WorkerId};

use super::operations::Operation;
use super::{World, note};
use crate::fault::Moment;
use crate::invariants::{
    heads_know_their_slots, hold, jobs_are_bounded, no_task_for_a_draining_worker, queues_are_bounded,
};
use crate::kind;
use crate::message::{Action, HeadInput, HeadKey, Request, StoreRequest};
use crate::store::LEASE_MS;

/// What the head's clock shows when the simulation begins: some time in 2023.
const CLOCK_START_MS: i64 = 1_700_000_000_000;

/// How often time passes for a head's machine.
pub(super) const TICK_MS: u64 = 100;

/// An unanswered request to the journal is repeated after so long.
pub(super) const STORE_PATIENCE_MS: u64 = 1_000;

#[derive(Default)]
pub(crate) struct Head {
    pub(super) life: u32,
    pub(super) state: HeadState,
    pub(super) paused: bool,
    /// What arrived while it was paused.
    pub(super) pile: VecDeque<HeadInput>,
    /// What the wall clock of its machine shows too much.
    pub(super) clock_jumped_ms: i64,
    clock_ahead_ms: i64,
    renewed_ms: u64,
}

#[derive(Default)]
pub(super) enum HeadState {
    #[default]
    Down,
    Candidate,
    Loading {
        epoch: u64,
    },
    Leading(Box<Leading>),
}

pub(super) struct Leading {
    pub(super) epoch: u64,
    pub(super) effect_loop: EffectLoop,
    /// The open stream of each worker, and which start of it that is.
    pub(super) links: BTreeMap<WorkerId, (String, u64)>,
    /// Who waits for an answer.
    pub(super) replies: BTreeMap<ReplyId, Waiting>,
    pub(super) replies_asked: u64,
    append: Option<Append>,
    appends: u64,
    /// Starts of workers that are to leave, as far as the head has heard.
    pub(super) draining: BTreeSet<String>,
    /// Jobs whose records are on their way.
    pub(super) recalling: BTreeSet<JobUid>,
    pub(super) operations: BTreeMap<u64, Operation>,
    pub(super) operations_started: u64,
}

/// A call that is not answered yet.
pub(super) struct Waiting {
    pub(super) client: usize,
    pub(super) call: u64,
    pub(super) request: Request,
    /// What a job would be called by that it makes.
    pub(super) uid: JobUid,
    /// What was found out at once, and is told once that is stored.
    pub(super) found: Option<Result<JobStatus, Failure>>,
}

/// Records on their way to the journal.
struct Append {
    number: u64,
    sent: Vec<Vec<u8>>,
    rest: VecDeque<Vec<u8>>,
}

/// Takes down what the effect loop wants done.
#[derive(Default)]
pub(super) struct Collector {
    wanted: Vec<Wanted>,
    /// Attempts that were decided on, and the start of a worker that is to run each.
    decided: Vec<(AttemptId, String)>,
    /// Jobs whose time begins, and when by the head's clock.
    begun: Vec<(JobUid, u64)>,
}

pub(super) enum Wanted {
    Append(Vec<Record>),
    Effect(Effect),
}

impl Outside for Collector {
    fn append(&mut self, records: Vec<Record>) {
        self.wanted.push(Wanted::Append(records));
    }

    fn carry_out(&mut self, effect: Effect) {
        self.wanted.push(Wanted::Effect(effect));
    }

    fn observe(&mut self, records: &[Record], _: &Control) {
        for record in records {
            if let Record::AttemptStarted { attempt, instance, .. } = record {
                self.decided.push((*attempt, instance.clone()));
            }
            if let Record::Accepted { job, at_ms, .. }
            | Record::Resumed { job, at_ms }
            | Record::Updated { job, at_ms, .. } = record
            {
                self.begun.push((*job, *at_ms));
            }
        }
    }
}

impl World {
    pub(super) fn start_head(&mut self, head: usize) {
        if !matches!(self.heads[head].state, HeadState::Down) {
            return;
        }
        note!(self, "head {head} starts");
        // The wall clock is read once; from then on the head counts.
        self.heads[head].clock_ahead_ms = self.heads[head].clock_jumped_ms;
        self.heads[head].state = HeadState::Candidate;
        let key = self.head_key(head);
        self.after(0, Action::Head(key, HeadInput::Campaign));
    }

    /// The process is gone, whatever it was doing. Requests that it had sent still arrive.
    pub(super) fn end_head(&mut self, head: usize, why: &str, restart_after_ms: u64) {
        note!(self, "head {head} ends: {why}");
        let key = self.head_key(head);
        let place = &mut self.heads[head];
        place.life += 1;
        place.state = HeadState::Down;
        place.paused = false;
        place.pile.clear();
        self.store.ended(key);
        self.end_streams_of_head(key);
        self.after(restart_after_ms, Action::StartHead(head));
    }

    pub(super) fn clock(&self, head: usize) -> u64 {
        self.shown_at(head, self.now_ms)
    }

    /// What a head's clock shows at a time of the world.
    pub(super) fn shown_at(&self, head: usize, time_ms: u64) -> u64 {
        let shown = CLOCK_START_MS + time_ms as i64 + self.heads[head].clock_ahead_ms;
        u64::try_from(shown).unwrap_or(0)
    }

    pub(super) fn leading(&mut self, head: usize) -> Option<&mut Leading> {
        match &mut self.heads[head].state {
            HeadState::Leading(leading) => Some(leading),
            _ => None,
        }
    }

    /// Sends a request to the journal, unless the head cannot reach it.
    pub(super) fn ask_store(&mut self, key: HeadKey, request: StoreRequest) {
        if self.store_cuts.get(&key.head).is_some_and(|until| *until > self.now_ms) {
            return;
        }
        let mut delay = self.delay();
        if self.now_ms < self.store.slow_until_ms {
            delay += self.random.below(2_000);
        }
        self.after(delay, Action::Store(key, request));
    }

    fn store_answers(&mut self, key: HeadKey, input: HeadInput) {
        if self.store_cuts.get(&key.head).is_some_and(|until| *until > self.now_ms) {
            return;
        }
        if self.now_ms < self.store.loses_answers_until_ms && self.random.percent(60) {
            note!(self, "the journal's answer to head {} is lost", key.head);
            return;
        }
        let mut delay = self.delay();
        if self.now_ms < self.store.slow_until_ms {
            delay += self.random.below(2_000);
        }
        self.after(delay, Action::Head(key, input));
    }

    pub(super) fn store_hears(&mut self, key: HeadKey, request: StoreRequest) {
        let now_ms = self.now_ms;
        match request {
            StoreRequest::Campaign => {
                let alive = self.heads[key.head].life == key.life;
                let won = if alive { self.store.campaign(key, now_ms) } else { None };
                self.store_answers(key, HeadInput::Campaigned(won));
            }
            StoreRequest::Renew(epoch) => {
                let renewed = self.store.renew(epoch, now_ms);
                self.store_answers(key, HeadInput::Renewed(renewed));
            }
            StoreRequest::Resign(epoch) => self.store.resign(epoch, now_ms),
            StoreRequest::Load(epoch) => {
                // A head that reads while another leads would go on from what is old at once.
                if self.store.renew(epoch, now_ms) {
                    let records = self.store.load();
                    self.store_answers(key, HeadInput::Loaded(records));
                } else {
                    self.store_answers(key, HeadInput::Renewed(false));
                }
            }
            StoreRequest::Recall(job) => {
                let records = self.store.load_job(job);
                self.store_answers(key, HeadInput::Recalled(job, records));
            }
            StoreRequest::Append { epoch, append, records } => self.store_appends(key, epoch, append, records),
        }
    }

    fn store_appends(&mut self, key: HeadKey, epoch: u64, append: u64, records: Vec<Vec<u8>>) {
        let before = self.store.epoch();
        let result = self.store.append(key, epoch, append, records, self.now_ms);
        let result = match result {
            Ok(stored) => {
                if !stored.is_empty() {
                    note!(self, "the journal stores {} of head {}", names(&stored), key.head);
                    let fenced = self.ledger.fenced_journal(epoch, before);
                    self.check(fenced);
                    let checked = self.ledger.stored(&stored, &self.lake, &self.scenario, self.now_ms);
                    self.check(checked);
                    self.ledger.seconds_met().into_iter().for_each(|what| self.meet(what));
                }
                Ok(())
            }
            Err(failure) => {
                note!(self, "the journal refuses head {}: {failure}", key.head);
                if failure.reason == shoal_core::Reason::NotLeading {
                    self.meet("an old head's append is refused");
                }
                Err(failure)
            }
        };
        if result.is_ok() {
            self.moment(Moment::AppendStored, key);
        }
        self.store_answers(key, HeadInput::AppendAnswered(append, result));
    }

    pub(super) fn campaign(&mut self, key: HeadKey) {
        if matches!(self.heads[key.head].state, HeadState::Candidate) {
            self.ask_store(key, StoreRequest::Campaign);
            let pause = 200 + self.random.below(200);
            self.after(pause, Action::Head(key, HeadInput::Campaign));
        }
    }

    pub(super) fn campaigned(&mut self, key: HeadKey, won: Option<u64>) {
        let place = &mut self.heads[key.head];
        let (HeadState::Candidate, Some(epoch)) = (&place.state, won) else { return };
        place.state = HeadState::Loading { epoch };
        place.renewed_ms = self.now_ms;
        note!(self, "head {} leads with epoch {epoch}", key.head);
        self.load(key);
        self.after(LEASE_MS / 3, Action::Head(key, HeadInput::Renew));
        self.moment(Moment::Elected, key);
    }

    pub(super) fn load(&mut self, key: HeadKey) {
        if let HeadState::Loading { epoch } = self.heads[key.head].state {
            self.ask_store(key, StoreRequest::Load(epoch));
            self.after(STORE_PATIENCE_MS, Action::Head(key, HeadInput::Load));
        }
    }

    pub(super) fn loaded(&mut self, key: HeadKey, bytes: &[Vec<u8>]) {
        let HeadState::Loading { epoch } = self.heads[key.head].state else { return };
        let records: Result<Vec<Record>, Failure> = bytes.iter().map(|bytes| decode(bytes)).collect();
        let (now_ms, mutation) = (self.clock(key.head), self.mutation);
        let recovered = records.and_then(|records| Control::recover_mutated(kind::kinds(), records, now_ms, mutation));
        let (control, effects) = match recovered {
            Ok(recovered) => recovered,
            Err(failure) => {
                self.check(hold("a_stored_journal_can_be_read", false, || failure.to_string()));
                return;
            }
        };
        let known: BTreeSet<_> = control.list(0).into_iter().map(|status| status.uid).collect();
        note!(self, "head {} goes on with {} jobs", key.head, known.len());
        // One that was paused while it read does not know what another has accepted since.
        if epoch == self.store.epoch() {
            let checked = self.ledger.no_accepted_job_is_lost(&known);
            self.check(checked);
        }
        let mut collector = Collector::default();
        let effect_loop = EffectLoop::start(control, effects, &mut collector);
        self.heads[key.head].state = HeadState::Leading(Box::new(Leading {
            epoch,
            effect_loop,
            links: BTreeMap::new(),
            replies: BTreeMap::new(),
            replies_asked: 0,
            append: None,
            appends: 0,
            draining: BTreeSet::new(),
            recalling: BTreeSet::new(),
            operations: BTreeMap::new(),
            operations_started: 0,
        }));
        self.carry_out(key, collector);
        self.after(TICK_MS, Action::Head(key, HeadInput::Tick));
    }

    pub(super) fn renew(&mut self, key: HeadKey) {
        let epoch = match &self.heads[key.head].state {
            HeadState::Loading { epoch } => *epoch,
            HeadState::Leading(leading) => leading.epoch,
            HeadState::Down | HeadState::Candidate => return,
        };
        if self.scenario.heads > 1 && self.now_ms.saturating_sub(self.heads[key.head].renewed_ms) > LEASE_MS {
            return self.end_head(key.head, "it cannot be sure that it leads", 300);
        }
        self.ask_store(key, StoreRequest::Renew(epoch));
        self.after(LEASE_MS / 3, Action::Head(key, HeadInput::Renew));
    }

    pub(super) fn renewed(&mut self, key: HeadKey, renewed: bool) {
        if renewed {
            self.heads[key.head].renewed_ms = self.now_ms;
        } else if !matches!(self.heads[key.head].state, HeadState::Candidate | HeadState::Down) {
            self.meet("a head learns that it leads no more");
            self.end_head(key.head, "another head leads", 300);
        }
    }

    /// A head gives its lead up, and comes back as one that would like to lead. What it had sent still arrives, before
    /// its resignation or after.
    pub(super) fn resign(&mut self, head: usize) -> bool {
        let epoch = match &self.heads[head].state {
            HeadState::Loading { epoch } => *epoch,
            HeadState::Leading(leading) => leading.epoch,
            HeadState::Down | HeadState::Candidate => return false,
        };
        if self.heads[head].paused {
            return false;
        }
        self.ask_store(self.head_key(head), StoreRequest::Resign(epoch));
        let pause = self.random.below(2_000);
        self.end_head(head, "it gives its lead up", pause);
        true
    }

    /// Hands an event to a head's machine and carries out what it wants.
    pub(super) fn drive(&mut self, key: HeadKey, event: Event) {
        let now_ms = self.clock(key.head);
        let Some(leading) = self.leading(key.head) else { return };
        let mut collector = Collector::default();
        let is_submission = matches!(event, Event::Submit { .. });
        leading.effect_loop.handle(event, now_ms, &mut collector);
        let machine = &leading.effect_loop;
        let mut checked = heads_know_their_slots(machine).and(queues_are_bounded(machine, leading.replies.len()));
        if is_submission {
            checked = checked.and(jobs_are_bounded(machine));
        }
        self.check(checked);
        self.carry_out(key, collector);
    }

    pub(super) fn carry_out(&mut self, key: HeadKey, collector: Collector) {
        if let Some(leading) = self.leading(key.head) {
            let checked = no_task_for_a_draining_worker(&collector.decided, &leading.draining);
            self.check(checked);
        }
        self.ledger.decided(&collector.begun, self.now_ms);
        for wanted in collector.wanted {
            match wanted {
                Wanted::Append(records) => self.append(key, &records),
                Wanted::Effect(effect) => self.effect(key, effect),
            }
        }
    }

    fn append(&mut self, key: HeadKey, records: &[Record]) {
        let encoded: Result<VecDeque<Vec<u8>>, Failure> = records.iter().map(encode).collect();
        match encoded {
            Ok(rest) => {
                if let Some(leading) = self.leading(key.head) {
                    leading.append = Some(Append { number: 0, sent: Vec::new(), rest });
                }
                self.send_next_portion(key);
                self.moment(Moment::AppendSent, key);
            }
            Err(failure) => self.check(hold("a_stored_journal_can_be_read", false, || failure.to_string())),
        }
    }

    fn send_next_portion(&mut self, key: HeadKey) {
        let portion = self.scenario.append_portion;
        let Some(leading) = self.leading(key.head) else { return };
        leading.appends += 1;
        let number = leading.appends;
        let Some(append) = &mut leading.append else { return };
        append.number = number;
        append.sent = append.rest.drain(..append.rest.len().min(portion)).collect();
        self.send_append(key, number, 1);
    }

    pub(super) fn send_append(&mut self, key: HeadKey, number: u64, tries: u32) {
        let Some(leading) = self.leading(key.head) else { return };
        let epoch = leading.epoch;
        let Some(append) = leading.append.as_ref().filter(|append| append.number == number) else { return };
        let records = append.sent.clone();
        if tries > 1 {
            self.meet("an append is repeated");
        }
        self.ask_store(key, StoreRequest::Append { epoch, append: number, records });
        self.after(STORE_PATIENCE_MS, Action::Head(key, HeadInput::AppendOverdue { append: number, tries }));
    }

    pub(super) fn append_answered(&mut self, key: HeadKey, number: u64, result: Result<(), Failure>) {
        let Some(leading) = self.leading(key.head) else { return };
        let Some(append) = leading.append.as_ref().filter(|append| append.number == number) else { return };
        if result.is_ok() && !append.rest.is_empty() {
            return self.send_next_portion(key);
        }
        leading.append = None;
        let mut collector = Collector::default();
        let stored = leading.effect_loop.stored(result, &mut collector);
        self.carry_out(key, collector);
        if let Err(failure) = stored {
            self.end_head(key.head, &failure.message, 1_000);
        }
    }
}

/// The kinds of records, for the trace.
fn names(records: &[Record]) -> String {
    let name = |record: &Record| {
        let text = match record {
            Record::AttemptStarted { attempt, worker, .. } => format!("{} on {worker}", short(*attempt)),
            Record::AttemptFinished { attempt, .. } | Record::AttemptFailed { attempt, .. } => short(*attempt),
            _ => format!("job {}", record.job().0.as_u128() & 0xFFFF),
        };
        let debug = format!("{record:?}");
        format!("{} ({text})", debug.split([' ', '{']).next().unwrap_or_default())
    };
    records.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// An attempt as a trace shows it: job, stage, task and number.
pub(super) fn short(attempt: shoal_core::AttemptId) -> String {
    let task = attempt.task;
    format!("{}/{}/{}#{}", task.job.0.as_u128() & 0xFFFF, task.stage, task.index, attempt.number)
}
