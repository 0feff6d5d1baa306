//! The actor that keeps the worker a member of its cluster. [`session`] decides, this carries it out.

mod leaving;
mod session;
mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use shoal_core::{AttemptId, Failure, Reason};
use shoal_wire::memory::Memory;
use shoal_wire::proto::worker_message::Message;
use shoal_wire::proto::{Draining, HeadMessage, Heartbeat, PartitionsAdopted, WorkerMessage};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use xxhash_rust::xxh3::xxh3_64;

use crate::pool::{Owed, PoolMessage};
use crate::running::RunningAttempt;
use crate::shared::{AbortOnDrop, Shared};
use session::{Effect, Event, Session};

/// What the actor hears.
pub(crate) enum MembershipMessage {
    /// Opens the stream of that number.
    Open(u64),
    /// The head said something on the stream of that number. The stream waits for the answer, so that a head cannot
    /// fill the mailbox.
    FromHead(u64, HeadMessage, RpcReplyPort<()>),
    /// The stream of that number ended.
    Broken(u64, Box<Failure>),
    /// The time for a heartbeat has come.
    Beat,
    /// There is a result to send.
    ResultReady,
    /// The worker is to leave: when stands in [`Shared`].
    Leave,
    /// Partitions were taken over, or could not be.
    Adopted(PartitionsAdopted),
}

/// The actor.
pub(crate) struct Membership;

/// What it has.
pub(crate) struct State {
    shared: Arc<Shared>,
    session: Session,
    /// Number of the present stream. What earlier ones still say does not count.
    stream: u64,
    connection: Option<Connection>,
    beats: Option<AbortOnDrop<()>>,
    reopening: Option<AbortOnDrop<()>>,
    /// Ends the worker when its time is over, once it is to leave.
    leaving: Option<AbortOnDrop<()>>,
    /// Why there was no stream, as it was last told: hundreds of tries that fail alike are told once.
    complained: Option<String>,
    /// What is being taken over from workers that leave.
    adoptions: JoinSet<()>,
}

struct Connection {
    outgoing: mpsc::Sender<WorkerMessage>,
    _task: AbortOnDrop<()>,
}

impl Actor for Membership {
    type Msg = MembershipMessage;
    type State = State;
    type Arguments = Arc<Shared>;

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, shared: Arc<Shared>) -> Result<State, ActorProcessingErr> {
        let spread = xxh3_64(shared.identity.instance.as_bytes()) as f64 / u64::MAX as f64;
        let epoch = shared.epoch.load(Ordering::Relaxed);
        let session = Session::new(epoch, spread, Instant::now())
            .among(shared.heads.number())
            .without_head_for(shared.head_gone_max);
        myself.cast(MembershipMessage::Open(0))?;
        // Where this actor is started again while the worker leaves.
        let leaving = leaving::end_in_time(&shared);
        Ok(State {
            shared,
            session,
            stream: 0,
            connection: None,
            beats: None,
            reopening: None,
            leaving,
            complained: None,
            adoptions: JoinSet::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            MembershipMessage::Open(stream) if stream == state.stream => state.open(&myself),
            MembershipMessage::FromHead(stream, message, done) => {
                if stream == state.stream {
                    state.step(&myself, Event::FromHead(message));
                }
                // The stream may be gone by now.
                let _ = done.send(());
            }
            MembershipMessage::Broken(stream, failure) if stream == state.stream => {
                state.step(&myself, Event::Broken(failure));
            }
            // Of a stream that was given up.
            MembershipMessage::Open(_) | MembershipMessage::Broken(..) => {}
            MembershipMessage::Beat => state.step(&myself, Event::Beat),
            MembershipMessage::ResultReady => state.step(&myself, Event::ResultReady),
            MembershipMessage::Leave => {
                state.leaving = leaving::end_in_time(&state.shared);
                let empty_handed = state.shared.is_empty_handed();
                state.step(&myself, Event::Leave { empty_handed });
            }
            MembershipMessage::Adopted(adopted) => state.step(&myself, Event::Adopted(adopted)),
        }
        Ok(())
    }
}

impl State {
    fn step(&mut self, myself: &ActorRef<MembershipMessage>, event: Event) {
        let was_joined = self.session.is_joined();
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            if let Event::Broken(failure) = &event
                && self.complained.as_ref() != Some(&failure.message)
            {
                tracing::info!(%failure, causes = ?failure.causes, "no stream to the head");
                self.complained = Some(failure.message.clone());
            }
            let effects = self.session.handle(event, Instant::now());
            // Before anything is done in the name of that epoch.
            self.shared.epoch.store(self.session.epoch(), Ordering::Relaxed);
            for effect in effects {
                if let Err(failure) = self.carry_out(myself, effect) {
                    events.push_back(Event::Broken(Box::new(failure)));
                }
            }
        }
        if !was_joined && self.session.is_joined() {
            tracing::info!(epoch = self.session.epoch(), "joined the cluster");
            self.complained = None;
            self.shared.metrics.welcomed();
            self.shared.ready.store(true, Ordering::Relaxed);
        }
    }

    /// # Errors
    /// What makes the stream useless.
    fn carry_out(&mut self, myself: &ActorRef<MembershipMessage>, effect: Effect) -> Result<(), Failure> {
        match effect {
            Effect::Reopen(pause) => self.reopen(myself, pause),
            Effect::HeartbeatEvery(interval) => {
                self.beats = Some(beat_every(myself.clone(), interval, self.shared.running.subscribe()));
            }
            Effect::Heartbeat => self.send(Message::Heartbeat(self.heartbeat()))?,
            Effect::SendAllResults => {
                self.shared.results().send_again();
                self.send_results()?;
            }
            Effect::SendResults => self.send_results()?,
            Effect::LeaveWithin(within) => {
                self.shared.leave_within(within);
                self.leaving = leaving::end_in_time(&self.shared);
            }
            Effect::SendDraining => {
                if let Some(leaves_within_ms) = self.shared.leaves_within_ms() {
                    self.send(Message::Draining(Draining { leaves_within_ms }))?;
                }
            }
            Effect::Adopt(sources) => {
                while self.adoptions.try_join_next().is_some() {}
                let adoption = leaving::adopt(self.shared.clone(), sources);
                self.adoptions.spawn_on(adoption, &self.shared.task_runtime);
            }
            Effect::SendAdopted(adopted) => self.send(Message::PartitionsAdopted(adopted))?,
            Effect::Assign(assignment) => {
                let owed = Owed::new(self.shared.clone(), assignment.attempt);
                self.shared.tell_pool(PoolMessage::Run(assignment, owed));
            }
            // A pool that is just being started again has dropped every attempt.
            Effect::Cancel(attempt) => self.shared.tell_pool(PoolMessage::Cancel(attempt)),
            Effect::Release(job) => {
                self.shared.tell_pool(PoolMessage::CancelJob(job));
                self.shared.store.release(job);
                self.shared.results().forget(job);
            }
            Effect::End(result) => {
                if let Err(failure) = &result {
                    tracing::error!(%failure, causes = ?failure.causes, "the worker ends");
                }
                self.shared.end(result.map_err(|failure| *failure));
                myself.stop(None);
            }
        }
        Ok(())
    }

    fn open(&mut self, myself: &ActorRef<MembershipMessage>) {
        let (outgoing, receiver) = stream::outgoing(&self.shared);
        let (shared, actor, number, head) = (self.shared.clone(), myself.clone(), self.stream, self.session.head());
        let task = async move {
            let hand_over = |message| {
                let actor = actor.clone();
                async move {
                    let call = actor.call(|done| MembershipMessage::FromHead(number, message, done), None);
                    call.await.is_ok_and(|answer| answer.is_success())
                }
            };
            let failure = stream::run(shared, head, receiver, hand_over).await;
            // Without an actor nobody needs to know.
            let _ = actor.cast(MembershipMessage::Broken(number, Box::new(failure)));
        };
        self.connection = Some(Connection { outgoing, _task: AbortOnDrop(tokio::spawn(task)) });
    }

    fn reopen(&mut self, myself: &ActorRef<MembershipMessage>, pause: Duration) {
        (self.connection, self.beats) = (None, None);
        self.stream += 1;
        let (actor, number) = (myself.clone(), self.stream);
        let task = async move {
            tokio::time::sleep(pause).await;
            let _ = actor.cast(MembershipMessage::Open(number));
        };
        self.reopening = Some(AbortOnDrop(tokio::spawn(task)));
    }

    fn send(&self, message: Message) -> Result<(), Failure> {
        let Some(connection) = &self.connection else { return Ok(()) };
        connection.outgoing.try_send(WorkerMessage { message: Some(message) }).map_err(|error| {
            // A head that does not read is as good as none; the next one gets every result again.
            Failure::new(Reason::Io, "the head does not take messages").because(&error)
        })
    }

    fn send_results(&self) -> Result<(), Failure> {
        let unsent = self.shared.results().take_unsent();
        unsent.into_iter().try_for_each(|result| self.send(Message::AttemptFinished(result)))
    }

    fn heartbeat(&self) -> Heartbeat {
        let now = Instant::now();
        let (running, permille) = self.shared.running_and_permille(now);
        let (peak_memory_bytes, held_bytes) = (Memory::now().peak, self.shared.store.held_bytes());
        let disk_full = self.shared.disk.is_full(now);
        let attempts = self.shared.told_of_running();
        Heartbeat { running, peak_memory_bytes, held_bytes, disk_full, permille, attempts }
    }
}

/// Beats at once and then in that interval, more often while a task runs that has ended workers before.
fn beat_every(
    actor: ActorRef<MembershipMessage>,
    interval: Duration,
    mut running: watch::Receiver<BTreeMap<AttemptId, RunningAttempt>>,
) -> AbortOnDrop<()> {
    let beats = async move {
        let mut ticks = tokio::time::interval(interval);
        // After a pause of the whole process one heartbeat says as much as many.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut beaten = Instant::now();
        loop {
            let closest = running.borrow_and_update().values().filter_map(RunningAttempt::beat).min();
            let sooner = async {
                match closest {
                    Some(beat) => tokio::time::sleep_until((beaten + beat).into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = ticks.tick() => {}
                () = sooner => ticks.reset(),
                changed = running.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            }
            if actor.cast(MembershipMessage::Beat).is_err() {
                return;
            }
            beaten = Instant::now();
        }
    };
    AbortOnDrop(tokio::spawn(beats))
}
