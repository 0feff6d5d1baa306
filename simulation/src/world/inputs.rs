//! What a head's process does about what it hears, and what its machine's effects reach.

use shoal_core::Payload;
use shoal_core::control::{Effect, Event, ReplyId, SubmitOptions, WorkerInfo};
use shoal_core::journal::decode;
use shoal_core::report::JobStatus;
use shoal_core::{Failure, JobUid, Reason, limits};
use uuid::Uuid;

use super::heads::{HeadState, STORE_PATIENCE_MS, TICK_MS, Waiting, short};
use super::operations::Kind;
use super::{World, note};
use crate::message::{Action, ClientInput, HeadInput, HeadKey, Request, StoreRequest, ToHead, ToWorker};

impl World {
    pub(super) fn head_hears(&mut self, key: HeadKey, input: HeadInput) {
        let place = &mut self.heads[key.head];
        if place.life != key.life {
            return;
        }
        if place.paused {
            // A timer that fires many times while nobody looks fires once.
            let known = matches!(input, HeadInput::Tick | HeadInput::Renew)
                && place.pile.iter().any(|piled| std::mem::discriminant(piled) == std::mem::discriminant(&input));
            if !known {
                place.pile.push_back(input);
            }
            return;
        }
        match input {
            HeadInput::Campaign => self.campaign(key),
            HeadInput::Campaigned(won) => self.campaigned(key, won),
            HeadInput::Load => self.load(key),
            HeadInput::Loaded(records) => self.loaded(key, &records),
            HeadInput::Recall(job) => self.recall(key, job),
            HeadInput::Recalled(job, bytes) => {
                if self.leading(key.head).is_some_and(|leading| leading.recalling.remove(&job)) {
                    let result = bytes.iter().map(|bytes| decode(bytes)).collect();
                    self.drive(key, Event::Recalled { job, result });
                }
            }
            HeadInput::Renew => self.renew(key),
            HeadInput::Renewed(renewed) => self.renewed(key, renewed),
            HeadInput::Tick => {
                self.drive(key, Event::Tick);
                self.after(TICK_MS, Action::Head(key, HeadInput::Tick));
            }
            HeadInput::AppendAnswered(append, result) => self.append_answered(key, append, result),
            HeadInput::AppendOverdue { append, tries } => self.send_append(key, append, tries + 1),
            HeadInput::FactsGathered(job) => {
                self.drive(key, Event::FactsGathered { job, result: Ok(Payload::default()) });
            }
            HeadInput::FromWorker(stream, message) => self.worker_says(key, stream, message),
            HeadInput::StreamEnded(stream) => self.stream_ended(key, stream),
            HeadInput::Call { client, call, request } => self.take_call(key, client, call, &request),
            HeadInput::LakeAnswered(operation, step, answer) => self.operation_answered(key, operation, step, answer),
            HeadInput::LakeOverdue(operation, step) => self.operation_overdue(key, operation, step),
        }
    }

    /// Asks the journal for what it has of a job, until it answers.
    fn recall(&mut self, key: HeadKey, job: JobUid) {
        if self.leading(key.head).is_some_and(|leading| leading.recalling.contains(&job)) {
            self.ask_store(key, StoreRequest::Recall(job));
            self.after(STORE_PATIENCE_MS, Action::Head(key, HeadInput::Recall(job)));
        }
    }

    fn worker_says(&mut self, key: HeadKey, stream: u64, message: ToHead) {
        let Some(who) = self.streams.get(&stream).map(|stream| stream.worker) else { return };
        let (worker, instance) = (self.workers[who.worker].name.clone(), self.instance(who));
        match message {
            ToHead::Register(info) => {
                let Some(leading) = self.leading(key.head) else { return self.send_to_worker(stream, ToWorker::Close) };
                let epoch = leading.epoch;
                self.send_to_worker(stream, ToWorker::Welcome(epoch));
                let Some(leading) = self.leading(key.head) else { return };
                if leading.links.get(&worker).is_some_and(|(held, _)| *held != instance) {
                    note!(self, "head {} refuses {instance}: another {worker} is connected", key.head);
                    self.meet("a second worker of a name is refused");
                    return self.send_to_worker(stream, ToWorker::Refused);
                }
                leading.links.insert(worker, (instance.clone(), stream));
                note!(self, "{instance} joins head {}", key.head);
                let leaves_by_ms = info.leaves_by_ms.map(|leaves_ms| self.shown_at(key.head, leaves_ms));
                if leaves_by_ms.is_some() {
                    self.drains_from_now(key, &instance);
                }
                self.drive(key, Event::WorkerJoined { worker: WorkerInfo { leaves_by_ms, ..info } });
            }
            ToHead::Heartbeat(running) => {
                self.drive(
                    key,
                    Event::Heartbeat {
                        worker,
                        instance,
                        running,
                        permille: Vec::new(),
                        calls: Vec::new(),
                        peak_memory_bytes: 0,
                    },
                );
            }
            ToHead::Draining(within_ms) => {
                note!(self, "head {} hears that {instance} leaves", key.head);
                self.drains_from_now(key, &instance);
                let leaves_by_ms = self.clock(key.head) + within_ms;
                self.drive(key, Event::DrainRequested { worker, instance, leaves_by_ms });
            }
            ToHead::Moved(attempt, result) => {
                self.drive(key, Event::PartitionsMoved { worker, instance, attempt, result });
            }
            ToHead::Finished(attempt, result) => {
                note!(self, "head {} hears of {}: {}", key.head, short(attempt), outcome(&result));
                self.drive(key, Event::AttemptFinished { worker, instance, attempt, result: *result });
            }
        }
    }

    fn stream_ended(&mut self, key: HeadKey, number: u64) {
        let in_order =
            self.scenario.ends_are_told && self.streams.get(&number).is_some_and(|stream| stream.ended_in_order);
        let Some(leading) = self.leading(key.head) else { return };
        let Some((worker, _)) = leading.links.iter().find(|(_, (_, open))| *open == number) else { return };
        let worker = worker.clone();
        let Some((instance, _)) = leading.links.remove(&worker) else { return };
        if in_order {
            self.meet("a worker ends its stream in good order");
            let failure = Failure::new(Reason::WorkerLost, format!("worker `{worker}` left"));
            self.drive(key, Event::WorkerLeft { worker, instance, failure });
        }
    }

    /// Whatever a head decides from now on must leave that worker alone.
    fn drains_from_now(&mut self, key: HeadKey, instance: &str) {
        if let Some(leading) = self.leading(key.head)
            && leading.links.values().any(|(held, _)| held == instance)
        {
            leading.draining.insert(instance.to_owned());
        }
    }

    fn take_call(&mut self, key: HeadKey, client: usize, call: u64, request: &Request) {
        let clock = self.clock(key.head);
        let uid = self.draw_uid(clock);
        let spec = self.clients[client].spec();
        let name = spec.metadata.name.clone();
        let Some(leading) = self.leading(key.head) else {
            let delay = self.delay();
            return self.after(delay, Action::Client(client, ClientInput::Unreachable(call)));
        };
        let is_submission = matches!(request, Request::Submit);
        if let Some(failure) = too_many(leading.replies.values(), is_submission) {
            let epoch = leading.epoch;
            self.meet("a call is refused at the door");
            let checked = self.ledger.refused(uid, &failure);
            self.check(checked);
            return self.answer(client, call, epoch, Err(failure));
        }
        leading.replies_asked += 1;
        let reply = ReplyId(leading.replies_asked);
        let found = matches!(request, Request::List).then(|| leading.effect_loop.control().show(&name, clock));
        let event = match request {
            Request::Submit => Event::Submit { uid, spec, options: SubmitOptions::default(), reply },
            Request::Cancel => Event::Cancel { name, reply },
            Request::Change(change) => Event::Change { name, change: *change, reply },
            Request::Show => Event::Show { name, reply },
            Request::List => Event::Flush { reply },
        };
        leading.replies.insert(reply, Waiting { client, call, request: request.clone(), uid, found });
        if is_submission {
            self.ledger.submitted(client);
        }
        self.drive(key, event);
    }

    /// Answers a call: with what the machine says, or with what was found out before.
    fn reply(&mut self, key: HeadKey, to: ReplyId, answer: Option<Result<JobStatus, Failure>>) {
        let Some(leading) = self.leading(key.head) else { return };
        let epoch = leading.epoch;
        let Some(Waiting { client, call, uid, found, .. }) = leading.replies.remove(&to) else { return };
        let Some(answer) = answer.or(found) else { return };
        let checked = match &answer {
            Ok(status) => self.ledger.answered(status),
            Err(failure) => self.ledger.refused(uid, failure),
        };
        self.check(checked);
        if answer.as_ref().is_err_and(|failure| failure.reason == Reason::Busy) {
            self.meet("a submission is one too many");
        }
        self.answer(client, call, epoch, answer);
    }

    fn answer(&mut self, client: usize, call: u64, epoch: u64, answer: Result<JobStatus, Failure>) {
        let delay = self.delay();
        self.after(delay, Action::Client(client, ClientInput::Answered(call, epoch, Box::new(answer))));
    }

    /// Made of the time first, as the real ones are, and never twice the same.
    fn draw_uid(&mut self, clock_ms: u64) -> JobUid {
        self.jobs_submitted += 1;
        JobUid(Uuid::from_u128(u128::from(clock_ms) << 80 | u128::from(self.jobs_submitted)))
    }

    /// Carries out an effect of a head's machine, as the coordinator does.
    pub(super) fn effect(&mut self, key: HeadKey, effect: Effect) {
        match effect {
            // The effect loop keeps these to itself.
            Effect::Persist { .. } => {}
            Effect::Reply { to, answer } => self.reply(key, to, Some(*answer)),
            Effect::Flushed { to } => self.reply(key, to, None),
            Effect::Recall { job } => {
                if let Some(leading) = self.leading(key.head) {
                    leading.recalling.insert(job);
                }
                self.recall(key, job);
            }
            Effect::GatherFacts { job } => {
                let delay = 5 + self.random.below(200);
                self.after(delay, Action::Head(key, HeadInput::FactsGathered(job.uid)));
            }
            Effect::Assign { worker, instance, assignment } => {
                let Some(leading) = self.leading(key.head) else { return };
                let epoch = leading.epoch;
                let assigned = short(assignment.attempt);
                if leading.links.get(&worker).is_some_and(|(held, _)| *held == instance) {
                    self.send_to(key, &worker, ToWorker::Assign(epoch, assignment));
                    note!(self, "head {} assigns {assigned} to {worker}", key.head);
                }
            }
            Effect::CancelAttempt { worker, attempt } => self.send_to(key, &worker, ToWorker::Cancel(attempt)),
            Effect::Release { worker, job } => self.send_to(key, &worker, ToWorker::Release(job)),
            Effect::Disconnect { worker, instance, failure } => {
                note!(self, "head {} takes {instance} out: {failure}", key.head);
                let Some(leading) = self.leading(key.head) else { return };
                if leading.links.get(&worker).is_some_and(|(held, _)| *held == instance) {
                    self.send_to(key, &worker, ToWorker::Close);
                    if let Some(leading) = self.leading(key.head) {
                        leading.links.remove(&worker);
                    }
                }
            }
            Effect::MovePartitions { worker, instance, sources } => {
                self.send_to_start(key, &worker, &instance, ToWorker::Adopt(sources));
            }
            Effect::Dismiss { worker, instance } => self.send_to_start(key, &worker, &instance, ToWorker::Dismiss),
            Effect::Publish { intent } => self.start_operation(key, Kind::Publish(intent)),
            Effect::Withdraw { intent } => self.start_operation(key, Kind::Withdraw(intent)),
            Effect::Discard { job, tables } => self.start_operation(key, Kind::Discard { job, tables }),
        }
    }

    /// Sends to that start of a worker, and to no other.
    fn send_to_start(&mut self, key: HeadKey, worker: &shoal_core::WorkerId, instance: &str, message: ToWorker) {
        let held = self.leading(key.head).and_then(|leading| leading.links.get(worker));
        if held.is_some_and(|(held, _)| held == instance) {
            self.send_to(key, worker, message);
        }
    }

    fn send_to(&mut self, key: HeadKey, worker: &shoal_core::WorkerId, message: ToWorker) {
        let stream = self.leading(key.head).and_then(|leading| leading.links.get(worker)).map(|(_, stream)| *stream);
        if let Some(stream) = stream {
            self.send_to_worker(stream, message);
        }
    }

    pub(super) fn leads(&self, head: usize) -> bool {
        matches!(self.heads[head].state, HeadState::Leading(_))
    }
}

/// What a head's door says to a call when so many wait for their answers already.
fn too_many<'a>(waiting: impl Iterator<Item = &'a Waiting>, is_submission: bool) -> Option<Failure> {
    let most = if is_submission { limits::SUBMISSIONS_WAITING_MAX } else { limits::CALLS_WAITING_MAX };
    let alike = waiting.filter(|call| matches!(call.request, Request::Submit) == is_submission).count();
    (alike >= most).then(|| Failure::new(Reason::Busy, format!("{alike} calls are waiting already")))
}

fn outcome<T>(result: &Result<T, Failure>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(failure) if failure.reason == Reason::PartitionLost => {
            format!("it misses {:?}", failure.location.attempt.map(short))
        }
        Err(failure) => format!("{:?}", failure.reason),
    }
}
