//! The door that workers come in by: one gRPC stream each.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use ractor::ActorRef;
use shoal_core::calling::CallsSoFar;
use shoal_core::control::{Event, WorkerInfo};
use shoal_core::{AttemptId, Failure, Reason, WorkerId, limits};
use shoal_wire::failure::to_status;
use shoal_wire::proto::membership_server::Membership;
use shoal_wire::proto::{
    AttemptFinished, Draining, HeadMessage, LogLevel, LogLine, PartitionsAdopted, Register, RunningAttempt, Welcome,
    WorkerMessage, attempt_finished, head_message, worker_message,
};
use shoal_wire::{WIRE_VERSION, WIRE_VERSION_DRAINS, WIRE_VERSION_OLDEST, json};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::coordinator::{Message, WorkerKey, now_ms, parse_attempts, parse_permille, stopped};
use crate::history::{AttemptLog, Histories, LogOf};
use crate::links::{LINK_QUEUE_MAX, Link, StreamId};
use crate::metrics::HeadMetrics;
use crate::standing::{Leading, Standing};

/// A worker that opened a stream and says nothing holds a connection for no use.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(10);

/// The service; one per head.
pub(crate) struct MembershipService {
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) admission: Arc<Semaphore>,
    pub(crate) metrics: HeadMetrics,
}

type HeadStream = Pin<Box<dyn Stream<Item = Result<HeadMessage, Status>> + Send>>;

#[tonic::async_trait]
impl Membership for MembershipService {
    type JoinStream = HeadStream;

    async fn join(&self, request: Request<Streaming<WorkerMessage>>) -> Result<Response<HeadStream>, Status> {
        let mut incoming = request.into_inner();
        let first = tokio::time::timeout(REGISTER_TIMEOUT, incoming.message())
            .await
            .map_err(|_| Status::deadline_exceeded("the worker did not register"))??;
        let Some(worker_message::Message::Register(register)) = first.and_then(|message| message.message) else {
            return Err(Status::invalid_argument("the first message of a worker must be its registration"));
        };
        // As a status and not as a refusal: the worker goes on, and tries the next head.
        let leading = self.standing.borrow().leading(None).map_err(|failure| to_status(&failure))?;
        let (sender, receiver) = mpsc::channel(LINK_QUEUE_MAX);
        let stream = StreamId::next();
        match admit(&leading, &register, stream, sender.clone()).await {
            Ok(key) => {
                tokio::spawn(
                    Incoming {
                        key,
                        stream,
                        coordinator: leading.coordinator,
                        admission: self.admission.clone(),
                        metrics: self.metrics.clone(),
                        histories: leading.histories,
                        disk_full: false,
                    }
                    .run(incoming),
                );
            }
            // Its term has ended meanwhile: another head may take the worker in, or this one in its next term.
            Err(failure) if failure.reason == Reason::NotLeading => return Err(to_status(&failure)),
            Err(failure) => {
                tracing::warn!(worker = %register.worker_id, %failure, "a worker was refused");
                let refused = shoal_wire::proto::Refused {
                    failure_json: json::encode(&failure).map_err(|failure| to_status(&failure))?,
                };
                let _ = sender.send(HeadMessage { message: Some(head_message::Message::Refused(refused)) }).await;
            }
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver).map(Ok))))
    }
}

async fn admit(
    leading: &Leading,
    register: &Register,
    stream: StreamId,
    sender: mpsc::Sender<HeadMessage>,
) -> Result<WorkerKey, Failure> {
    check_version(register)?;
    let worker = worker_info(register);
    let key = WorkerKey { id: worker.id.clone(), instance: worker.instance.clone() };
    // The welcome is the first message on the stream: nothing can be assigned before the link is open.
    let welcome =
        Welcome { epoch: leading.epoch, heartbeat_interval_ms: limits::HEARTBEAT_INTERVAL.as_millis() as u64 };
    sender
        .send(HeadMessage { message: Some(head_message::Message::Welcome(welcome)) })
        .await
        .map_err(|_| Failure::new(Reason::WorkerLost, "the worker hung up while it registered"))?;
    let (answer, joined) = oneshot::channel();
    let link = Link { instance: key.instance.clone(), stream, wire_version: register.wire_version, sender };
    leading.coordinator.send_message(Message::Join { worker, link, answer }).map_err(|_| stopped())?;
    joined.await.map_err(|_| stopped())??;
    tracing::info!(worker = %key.id, slots = register.slots, build = %register.build, "a worker joined");
    Ok(key)
}

fn worker_info(register: &Register) -> WorkerInfo {
    WorkerInfo {
        adopts: register.wire_version >= WIRE_VERSION_DRAINS,
        running: parse_attempts(&register.running),
        leaves_by_ms: register.leaves_within_ms.map(|within_ms| now_ms().saturating_add(within_ms)),
        ..WorkerInfo::new(
            WorkerId(register.worker_id.clone()),
            register.instance.clone(),
            register.flight_url.clone(),
            register.slots,
        )
    }
}

fn check_version(register: &Register) -> Result<(), Failure> {
    if (WIRE_VERSION_OLDEST..=WIRE_VERSION).contains(&register.wire_version) {
        return Ok(());
    }
    Err(Failure::new(
        Reason::IncompatibleVersion,
        format!(
            "worker `{}` speaks wire version {}; this head takes {WIRE_VERSION_OLDEST} to {WIRE_VERSION}",
            register.worker_id, register.wire_version
        ),
    )
    .next("run the same version of shoal in the whole cluster"))
}

/// Turns what a worker says into events, as fast as the coordinator takes them.
struct Incoming {
    key: WorkerKey,
    stream: StreamId,
    coordinator: ActorRef<Message>,
    admission: Arc<Semaphore>,
    metrics: HeadMetrics,
    histories: Histories,
    /// Whether the worker's disk was full at its last heartbeat.
    disk_full: bool,
}

impl Incoming {
    async fn run(mut self, mut incoming: Streaming<WorkerMessage>) {
        loop {
            match incoming.message().await {
                Ok(Some(message)) => {
                    self.metrics.received_bytes.inc_by(message.encoded_len() as u64);
                    for event in self.events(message) {
                        if self.send(event).await.is_err() {
                            return;
                        }
                    }
                }
                // The worker ended the stream in good order: it is gone for good, unless it has opened another.
                Ok(None) => {
                    let _ = self.coordinator.send_message(Message::Left { worker: self.key, stream: self.stream });
                    return;
                }
                // A broken stream may be taken up again; if not, silence will tell.
                Err(status) => {
                    tracing::info!(worker = %self.key.id, %status, "the stream of a worker broke");
                    return;
                }
            }
        }
    }

    async fn send(&self, event: Event) -> Result<(), Failure> {
        let permit = self.admission.clone().acquire_owned().await.map_err(|_| stopped())?;
        self.coordinator.send_message(Message::Event(Box::new(event), Some(permit))).map_err(|_| stopped())
    }

    fn events(&mut self, message: WorkerMessage) -> Vec<Event> {
        let full = match &message.message {
            Some(worker_message::Message::Heartbeat(heartbeat)) if heartbeat.disk_full != self.disk_full => {
                self.disk_full = heartbeat.disk_full;
                let WorkerKey { id: worker, instance } = self.key.clone();
                Some(Event::DiskFull { worker, instance, full: self.disk_full })
            }
            _ => None,
        };
        full.into_iter().chain(self.event(message)).collect()
    }

    /// Takes the lines that a running attempt has written, and gives what became of the function that it calls.
    fn calls_of(&self, told: RunningAttempt) -> Option<(AttemptId, CallsSoFar)> {
        let RunningAttempt { attempt, calls_json, log, log_before } = told;
        let attempt = attempt.parse().ok()?;
        if !log.is_empty() {
            let log = attempt_log(log, log_before);
            self.histories.take_lines(attempt, &self.key.id, log, LogOf::Running, now_ms());
        }
        let calls = (!calls_json.is_empty()).then(|| json::decode(&calls_json, "what a function is at").ok());
        Some((attempt, calls.flatten()?))
    }

    fn event(&self, message: WorkerMessage) -> Option<Event> {
        let WorkerKey { id: worker, instance } = self.key.clone();
        match message.message? {
            worker_message::Message::Draining(Draining { leaves_within_ms }) => Some(Event::DrainRequested {
                worker,
                instance,
                leaves_by_ms: now_ms().saturating_add(leaves_within_ms),
            }),
            worker_message::Message::PartitionsAdopted(PartitionsAdopted { attempt, failure_json }) => {
                let failure = failure_json.map(|bytes| json::decode(&bytes, "why partitions cannot be taken over"));
                let result = failure.map_or(Ok(()), |failure| Err(failure.unwrap_or_else(|failure| failure)));
                Some(Event::PartitionsMoved { worker, instance, attempt: attempt.parse().ok()?, result })
            }
            worker_message::Message::Register(_) => None,
            worker_message::Message::Heartbeat(heartbeat) => Some(Event::Heartbeat {
                worker,
                instance,
                running: parse_attempts(&heartbeat.running),
                permille: parse_permille(&heartbeat.running, &heartbeat.permille),
                calls: heartbeat.attempts.into_iter().filter_map(|told| self.calls_of(told)).collect(),
                peak_memory_bytes: heartbeat.peak_memory_bytes,
            }),
            worker_message::Message::AttemptFinished(AttemptFinished { attempt, result, log, log_left_out }) => {
                let attempt = attempt.parse().ok()?;
                let result = match result? {
                    attempt_finished::Result::OutputJson(bytes) => json::decode(&bytes, "a task's result"),
                    attempt_finished::Result::FailureJson(bytes) => {
                        Err(json::decode(&bytes, "a task's failure").unwrap_or_else(|failure| failure))
                    }
                };
                let of = if result.is_err() { LogOf::Failed } else { LogOf::Succeeded };
                // Before the machine hears of the end, after which the attempt has no log any more.
                self.histories.take_lines(attempt, &worker, attempt_log(log, log_left_out), of, now_ms());
                Some(Event::AttemptFinished { worker, instance, attempt, result })
            }
        }
    }
}

fn attempt_log(lines: Vec<LogLine>, before: u32) -> AttemptLog {
    let lines = lines.into_iter().map(|line| (line.at_ms, level(line.level()), line.text)).collect();
    AttemptLog { lines, left_out: u64::from(before) }
}

fn level(level: LogLevel) -> shoal_core::task::LogLevel {
    match level {
        LogLevel::Info => shoal_core::task::LogLevel::Info,
        LogLevel::Warn => shoal_core::task::LogLevel::Warn,
        LogLevel::Error => shoal_core::task::LogLevel::Error,
    }
}
