//! A head that does what a test says.

use serde_json::{Value, json};
use shoal_core::Payload;
use shoal_core::task::{Assignment, PartitionSource, TaskOutput};
use shoal_core::{AttemptId, Failure, JobUid, TaskId};
use shoal_wire::proto::head_message::Message as FromHead;
use shoal_wire::proto::membership_server::{Membership, MembershipServer};
use shoal_wire::proto::worker_message::Message as FromWorker;
use shoal_wire::proto::{
    Adopt, Assign, CancelAttempt, Drain, HeadMessage, Heartbeat, Refused, Register, Release, Shutdown, Welcome,
    WorkerMessage, attempt_finished,
};
use shoal_wire::token::RequireToken;
use shoal_wire::{Token, json as wire_json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::within;

pub(crate) struct FakeHead {
    pub(crate) url: String,
    links: mpsc::Receiver<Link>,
    server: tokio::task::JoinHandle<()>,
}

/// The head's end of a worker's stream. Dropping it breaks the stream.
pub(crate) struct Link {
    pub(crate) register: Register,
    from: Streaming<WorkerMessage>,
    to: mpsc::Sender<Result<HeadMessage, Status>>,
}

struct Service(mpsc::Sender<Link>);

#[tonic::async_trait]
impl Membership for Service {
    type JoinStream = ReceiverStream<Result<HeadMessage, Status>>;

    async fn join(&self, request: Request<Streaming<WorkerMessage>>) -> Result<Response<Self::JoinStream>, Status> {
        let mut from = request.into_inner();
        let first = from.message().await?.and_then(|message| message.message);
        let Some(FromWorker::Register(register)) = first else { return Err(Status::invalid_argument("no register")) };
        let (to, messages) = mpsc::channel(64);
        self.0.send(Link { register, from, to }).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

impl FakeHead {
    pub(crate) async fn start(token: Option<Token>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, links) = mpsc::channel(8);
        let service = MembershipServer::with_interceptor(Service(sender), RequireToken(token));
        let serving = shoal_wire::transport::server()
            .add_service(service)
            .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
        let server = tokio::spawn(async move { serving.await.unwrap() });
        Self { url, links, server }
    }

    pub(crate) async fn accept(&mut self) -> Link {
        within("a worker's register", self.links.recv()).await.unwrap()
    }
}

impl Drop for FakeHead {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Link {
    async fn send(&self, message: FromHead) {
        self.to.send(Ok(HeadMessage { message: Some(message) })).await.unwrap();
    }

    pub(crate) async fn welcome(&self, epoch: u64) {
        self.send(FromHead::Welcome(Welcome { epoch, heartbeat_interval_ms: 50 })).await;
    }

    pub(crate) async fn refuse(&self, failure: &Failure) {
        self.send(FromHead::Refused(Refused { failure_json: wire_json::encode(failure).unwrap() })).await;
    }

    pub(crate) async fn assign(&self, epoch: u64, assignment: &Assignment) {
        let assignment_json = wire_json::encode(assignment).unwrap();
        self.send(FromHead::Assign(Assign { epoch, assignment_json })).await;
    }

    pub(crate) async fn cancel(&self, attempt: AttemptId) {
        self.send(FromHead::CancelAttempt(CancelAttempt { attempt: attempt.to_string() })).await;
    }

    pub(crate) async fn release(&self, job: JobUid) {
        self.send(FromHead::Release(Release { job_uid: job.to_string() })).await;
    }

    pub(crate) async fn drain(&self, leaves_within_ms: u64) {
        self.send(FromHead::Drain(Drain { leaves_within_ms })).await;
    }

    pub(crate) async fn adopt(&self, sources: &[PartitionSource]) {
        let sources_json = serde_json::to_vec(sources).unwrap();
        self.send(FromHead::Adopt(Adopt { sources_json })).await;
    }

    pub(crate) async fn shutdown(&self) {
        self.send(FromHead::Shutdown(Shutdown {})).await;
    }

    async fn next(&mut self) -> FromWorker {
        let message = within("a message of the worker", self.from.message()).await;
        message.unwrap().expect("the worker keeps its stream").message.unwrap()
    }

    /// The next end of an attempt.
    pub(crate) async fn finished(&mut self) -> (AttemptId, Result<TaskOutput, Failure>) {
        let ended = async {
            loop {
                if let FromWorker::AttemptFinished(finished) = self.next().await {
                    return finished;
                }
            }
        };
        let finished = within("the end of an attempt", ended).await;
        let result = match finished.result.unwrap() {
            attempt_finished::Result::OutputJson(json) => Ok(wire_json::decode(&json, "output").unwrap()),
            attempt_finished::Result::FailureJson(json) => Err(wire_json::decode(&json, "failure").unwrap()),
        };
        (finished.attempt.parse().unwrap(), result)
    }

    /// Waits until the worker has given up this stream.
    pub(crate) async fn assert_closed(mut self) {
        let closed = async { while let Ok(Some(_)) = self.from.message().await {} };
        within("the end of the stream", closed).await;
    }

    /// How long the head may take to let the worker go, in milliseconds, once the worker says so.
    pub(crate) async fn draining(&mut self) -> u64 {
        let said = async {
            loop {
                if let FromWorker::Draining(draining) = self.next().await {
                    return draining.leaves_within_ms;
                }
            }
        };
        within("word that the worker leaves", said).await
    }

    /// What came of the next partitions that were to be taken over.
    pub(crate) async fn adopted(&mut self) -> (AttemptId, Result<(), Failure>) {
        let adopted = async {
            loop {
                if let FromWorker::PartitionsAdopted(adopted) = self.next().await {
                    return adopted;
                }
            }
        };
        let adopted = within("word of partitions", adopted).await;
        let failure = adopted.failure_json.map(|json| wire_json::decode(&json, "failure").unwrap());
        (adopted.attempt.parse().unwrap(), failure.map_or(Ok(()), Err))
    }

    /// The next heartbeat that is like that.
    pub(crate) async fn heartbeat(&mut self, is_meant: impl Fn(&Heartbeat) -> bool) -> Heartbeat {
        let beat = async {
            loop {
                match self.next().await {
                    FromWorker::Heartbeat(beat) if is_meant(&beat) => return beat,
                    _ => {}
                }
            }
        };
        within("a heartbeat", beat).await
    }
}

pub(crate) fn attempt(index: u32) -> AttemptId {
    AttemptId { task: TaskId { job: JobUid(Uuid::from_u128(7)), stage: 0, index }, number: 1 }
}

/// An assignment that makes the fake runner do that.
pub(crate) fn task(index: u32, what: &str) -> Assignment {
    task_with(index, json!({ "do": what }))
}

pub(crate) fn task_with(index: u32, payload: Value) -> Assignment {
    Assignment {
        attempt: attempt(index),
        job_name: "job".into(),
        kind: "fake".into(),
        stage: "map".into(),
        common: Payload::default(),
        payload: payload.into(),
        sources: vec![],
        lost_workers: 0,
    }
}
