//! The coordinator actor: core's state machine behind one mailbox.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use shoal_core::control::{Control, Effect, EffectLoop, Event, SubmitOptions, WorkerInfo, WorkerPhase, WorkerStatus};
use shoal_core::journal::JobChange;
use shoal_core::report::JobStatus;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{AttemptId, Failure, JobUid, Reason, WorkerId};
use shoal_wire::proto::{Drain, HeadMessage, Shutdown, head_message};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::effects::{Interpreter, Outside};
use crate::links::{Link, StreamId};
use crate::newcomers::{Newcomer, Newcomers};

/// How often time passes for the machine: a fraction of the shortest pause that it waits for.
const TICK: Duration = Duration::from_millis(100);

/// What callers wait for.
pub(crate) type Answer = oneshot::Sender<Result<JobStatus, Failure>>;

/// A look at the machine, at a time in milliseconds since 1970-01-01 UTC.
pub(crate) type View = Box<dyn FnOnce(&Control, u64) + Send>;

/// The same, where what it gives may be told only once it is stored: that is done by what it returns.
pub(crate) type Reading = Box<dyn FnOnce(&Control, u64) -> Reveal + Send>;

/// Tells what was read.
pub(crate) type Reveal = Box<dyn FnOnce() + Send>;

/// What the coordinator is told.
pub(crate) enum Message {
    /// Something has happened. The permit keeps the number of waiting events bounded.
    Event(Box<Event>, Option<OwnedSemaphorePermit>),
    /// A job is submitted, under a uid that is new or that tells it again.
    Submit { uid: JobUid, spec: Arc<ShoalJob>, options: SubmitOptions, answer: Answer },
    /// Somebody looks at a job.
    Show { name: String, answer: Answer },
    /// A job is cancelled.
    Cancel { name: String, answer: Answer },
    /// What may be changed of a job is changed.
    Change { name: String, change: JobChange, answer: Answer },
    /// A worker opened a stream.
    Join { worker: WorkerInfo, link: Link, answer: oneshot::Sender<Result<(), Failure>> },
    /// A worker ended a stream in good order: it has left, unless it came back on another meanwhile.
    Left { worker: WorkerKey, stream: StreamId },
    /// A worker is to leave within that time.
    Drain { worker: WorkerId, within: Duration, answer: oneshot::Sender<Result<WorkerStatus, Failure>> },
    /// Somebody wants to look at the machine.
    Look(View),
    /// Somebody wants to be told what the machine knows.
    Read(Reading),
    /// The append in flight has ended.
    Stored(Result<(), Failure>),
    /// Tell all workers to end.
    EndWorkers,
}

/// The actor; its state is made before it starts.
pub(crate) struct Coordinator;

/// The machine in its loop, and what its effects reach.
pub(crate) struct State {
    effect_loop: EffectLoop,
    outside: Outside,
    newcomers: Newcomers,
}

/// What the actor starts from.
pub(crate) struct Start {
    pub(crate) control: Control,
    pub(crate) effects: Vec<Effect>,
    pub(crate) interpreter: Interpreter,
}

impl Actor for Coordinator {
    type Msg = Message;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, myself: ActorRef<Message>, start: Start) -> Result<State, ActorProcessingErr> {
        let Start { control, effects, interpreter } = start;
        let mut outside = Outside::new(myself.clone(), interpreter);
        let effect_loop = EffectLoop::start(control, effects, &mut outside);
        myself.send_interval(TICK, || Message::Event(Box::new(Event::Tick), None));
        Ok(State { effect_loop, outside, newcomers: Newcomers::default() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Event(event, permit) => {
                let is_tick = matches!(*event, Event::Tick);
                let recalled = match *event {
                    Event::Recalled { job, .. } => Some(job),
                    _ => None,
                };
                if let Event::Heartbeat { worker, instance, .. } = &*event {
                    state.newcomers.holder_lives(worker, instance);
                }
                state.handle(*event);
                if let Some(job) = recalled {
                    state.outside.forget_recalled(job);
                }
                if is_tick {
                    state.admit_newcomers();
                }
                drop(permit);
            }
            Message::Submit { uid, spec, options, answer } => {
                let reply = state.outside.expect_reply(answer);
                state.handle(Event::Submit { uid, spec, options, reply });
            }
            Message::Show { name, answer } => {
                let reply = state.outside.expect_reply(answer);
                state.handle(Event::Show { name, reply });
            }
            Message::Cancel { name, answer } => {
                let reply = state.outside.expect_reply(answer);
                state.handle(Event::Cancel { name, reply });
            }
            Message::Change { name, change, answer } => {
                let reply = state.outside.expect_reply(answer);
                state.handle(Event::Change { name, change, reply });
            }
            Message::Join { worker, link, answer } => state.join(Newcomer { worker, link, answer }),
            Message::Left { worker, stream } => state.left(worker, stream),
            Message::Drain { worker, within, answer } => {
                let _ = answer.send(state.drain(&worker, within));
            }
            Message::Look(look) => look(state.effect_loop.control(), now_ms()),
            Message::Read(reading) => {
                let reveal = reading(state.effect_loop.control(), now_ms());
                let reply = state.outside.expect_flush(reveal);
                state.handle(Event::Flush { reply });
            }
            Message::Stored(result) => {
                if let Err(failure) = state.effect_loop.stored(result, &mut state.outside) {
                    tracing::error!(%failure, causes = ?failure.causes, "the journal cannot be written: the head stops leading");
                    myself.stop(Some(failure.to_string()));
                }
            }
            Message::EndWorkers => state
                .outside
                .links
                .send_all(&HeadMessage { message: Some(head_message::Message::Shutdown(Shutdown {})) }),
        }
        Ok(())
    }
}

impl State {
    fn handle(&mut self, event: Event) {
        self.effect_loop.handle(event, now_ms(), &mut self.outside);
    }

    /// Lets a worker in; one whose name another process has waits until it is known whether that one lives.
    fn join(&mut self, newcomer: Newcomer) {
        if self.outside.links.is_held_by_another(&newcomer.worker.id, &newcomer.worker.instance) {
            return self.newcomers.wait(newcomer, Instant::now());
        }
        let Newcomer { worker, link, answer } = newcomer;
        self.outside.links.open(worker.id.clone(), link);
        self.handle(Event::WorkerJoined { worker });
        let _ = answer.send(Ok(()));
    }

    fn left(&mut self, WorkerKey { id: worker, instance }: WorkerKey, stream: StreamId) {
        if self.outside.links.is_current(&worker, &instance, stream) {
            let failure = Failure::new(Reason::WorkerLost, format!("worker `{worker}` left"));
            self.handle(Event::WorkerLeft { worker, instance, failure });
        }
    }

    fn admit_newcomers(&mut self) {
        let links = &self.outside.links;
        let free = self
            .newcomers
            .whose_name_is_free(Instant::now(), |worker| !links.is_held_by_another(&worker.id, &worker.instance));
        free.into_iter().for_each(|newcomer| self.join(newcomer));
    }

    /// Starts to drain a worker, and tells it so: another head would hear it from the worker.
    fn drain(&mut self, worker: &WorkerId, within: Duration) -> Result<WorkerStatus, Failure> {
        let status = |control: &Control| control.workers().into_iter().find(|status| status.name == worker.0);
        let before = status(self.effect_loop.control());
        let instance = self.effect_loop.control().worker_instance(worker).map(str::to_owned);
        let (Some(mut shown), Some(instance)) = (before, instance) else {
            return Err(Failure::new(Reason::WorkerNotFound, format!("no worker is called `{worker}`"))
                .next("`/api/v1/cluster` lists those that there are"));
        };
        let leaves_within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        self.outside.send(worker, head_message::Message::Drain(Drain { leaves_within_ms }));
        let leaves_by_ms = now_ms().saturating_add(leaves_within_ms);
        self.handle(Event::DrainRequested { worker: worker.clone(), instance, leaves_by_ms });
        // One that had nothing to hand over is gone already.
        shown.state = WorkerPhase::Draining;
        Ok(status(self.effect_loop.control()).unwrap_or(shown))
    }
}

/// The one place where the head reads the clock, in milliseconds since 1970-01-01 UTC. The wall clock says when the
/// process began, and the monotonic one how long ago that is: a wall clock that is set later changes nothing.
pub(crate) fn now_ms() -> u64 {
    static START: OnceLock<(Instant, Duration)> = OnceLock::new();
    let (instant, wall) =
        START.get_or_init(|| (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()));
    u64::try_from((*wall + instant.elapsed()).as_millis()).unwrap_or(u64::MAX)
}

/// Looks at the machine from outside, also while the journal hangs.
///
/// # Errors
/// [`Reason::NotLeading`] once the coordinator has stopped.
pub(crate) async fn look<T: Send + 'static>(
    coordinator: &ActorRef<Message>,
    view: impl FnOnce(&Control, u64) -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    let look = Message::Look(Box::new(move |control, now_ms| {
        let _ = sender.send(view(control, now_ms));
    }));
    coordinator.send_message(look).map_err(|_| stopped())?;
    receiver.await.map_err(|_| stopped())
}

/// Reads the machine; gives what is found once all that it may rest on is stored.
///
/// # Errors
/// As [`look`].
pub(crate) async fn read<T: Send + 'static>(
    coordinator: &ActorRef<Message>,
    view: impl FnOnce(&Control, u64) -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    let reading = Message::Read(Box::new(move |control, now_ms| {
        let found = view(control, now_ms);
        Box::new(move || drop(sender.send(found)))
    }));
    coordinator.send_message(reading).map_err(|_| stopped())?;
    receiver.await.map_err(|_| stopped())
}

/// The coordinator has stopped: this head does not lead any more, its journal failed, or it is being shut down.
pub(crate) fn stopped() -> Failure {
    Failure::new(Reason::NotLeading, "the head stopped leading before it could answer")
        .next("ask again: whether it did what was asked is known then; the head's log says why it stopped")
}

/// What a worker's stream is about.
#[derive(Clone, Debug)]
pub(crate) struct WorkerKey {
    pub(crate) id: WorkerId,
    pub(crate) instance: String,
}

/// Attempts from their written form; what is none is left out.
pub(crate) fn parse_attempts(texts: &[String]) -> Vec<AttemptId> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// What of their time has passed, of those attempts that can tell.
pub(crate) fn parse_permille(attempts: &[String], permille: &[u32]) -> Vec<(AttemptId, u16)> {
    let known = attempts.iter().zip(permille).filter(|(_, permille)| **permille > 0);
    known.filter_map(|(attempt, permille)| Some((attempt.parse().ok()?, u16::try_from(*permille).ok()?))).collect()
}
