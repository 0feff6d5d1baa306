//! A worker as it was before version 2 of the protocol, written down by hand: what a build of that time sends, and all
//! that it can read.

use prost::{Message, Oneof};
use shoal_core::Failure;
use shoal_core::task::{Assignment, TaskOutput};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use crate::within;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ToHead {
    #[prost(oneof = "Says", tags = "1, 2, 3")]
    pub(crate) says: Option<Says>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Says {
    #[prost(message, tag = "1")]
    Register(Register),
    #[prost(message, tag = "2")]
    Heartbeat(Heartbeat),
    #[prost(message, tag = "3")]
    AttemptFinished(AttemptFinished),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Register {
    #[prost(uint32, tag = "1")]
    pub(crate) wire_version: u32,
    #[prost(string, tag = "2")]
    pub(crate) worker_id: String,
    #[prost(string, tag = "3")]
    pub(crate) instance: String,
    #[prost(string, tag = "4")]
    pub(crate) flight_url: String,
    #[prost(uint32, tag = "5")]
    pub(crate) slots: u32,
    #[prost(uint64, tag = "6")]
    pub(crate) memory_bytes: u64,
    #[prost(string, tag = "7")]
    pub(crate) build: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Heartbeat {
    #[prost(string, repeated, tag = "1")]
    pub(crate) running: Vec<String>,
    #[prost(uint64, tag = "2")]
    pub(crate) peak_memory_bytes: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) held_bytes: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AttemptFinished {
    #[prost(string, tag = "1")]
    pub(crate) attempt: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) output_json: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FromHead {
    #[prost(oneof = "Hears", tags = "1, 2, 3, 4, 5, 6")]
    pub(crate) hears: Option<Hears>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Hears {
    #[prost(message, tag = "1")]
    Welcome(Welcome),
    #[prost(message, tag = "2")]
    Refused(Refused),
    #[prost(message, tag = "3")]
    Assign(Assign),
    #[prost(message, tag = "4")]
    CancelAttempt(Named),
    #[prost(message, tag = "5")]
    Release(Named),
    #[prost(message, tag = "6")]
    Shutdown(Shutdown),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Welcome {
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) heartbeat_interval_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Refused {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) failure_json: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Assign {
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) assignment_json: Vec<u8>,
}

/// An attempt or a job, by its name.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Named {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Shutdown {}

/// Its end of the stream.
pub(crate) struct OldWorker {
    to: mpsc::Sender<ToHead>,
    from: Streaming<FromHead>,
}

impl OldWorker {
    /// Opens a stream and registers with that version.
    pub(crate) async fn register(url: &str, wire_version: u32, name: &str, instance: &str) -> Self {
        let channel = Channel::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
        let mut client = Grpc::new(channel);
        client.ready().await.unwrap();
        let (to, outgoing) = mpsc::channel(16);
        let register = Register {
            wire_version,
            worker_id: name.into(),
            instance: instance.into(),
            flight_url: "http://127.0.0.1:1".into(),
            slots: 1,
            memory_bytes: 1 << 20,
            build: "0.0.1".into(),
        };
        to.send(ToHead { says: Some(Says::Register(register)) }).await.unwrap();
        let request = Request::new(ReceiverStream::new(outgoing));
        let path = PathAndQuery::from_static("/shoal.v1.Membership/Join");
        let codec = ProstCodec::<ToHead, FromHead>::default();
        let from = within("an answer", client.streaming(request, path, codec)).await.unwrap().into_inner();
        Self { to, from }
    }

    pub(crate) async fn say(&self, says: Says) {
        self.to.send(ToHead { says: Some(says) }).await.unwrap();
    }

    pub(crate) async fn beat(&self) {
        self.say(Says::Heartbeat(Heartbeat::default())).await;
    }

    /// The next that the head says; none at the end of the stream.
    pub(crate) async fn hear(&mut self) -> Option<Hears> {
        let message = within("a message of the head", self.from.message()).await.unwrap()?;
        Some(message.hears.expect("an old worker is told nothing that it cannot know"))
    }

    pub(crate) async fn welcomed(&mut self) -> bool {
        matches!(self.hear().await, Some(Hears::Welcome(_)))
    }

    /// Does the next task that it is given; whatever else it hears is nothing to it.
    pub(crate) async fn do_one_task(&mut self) {
        loop {
            match self.hear().await {
                Some(Hears::Assign(assign)) => return self.say_done(&assign).await,
                Some(_) => {}
                None => panic!("the stream ended"),
            }
        }
    }

    pub(crate) async fn say_done(&self, assign: &Assign) {
        let assignment: Assignment = serde_json::from_slice(&assign.assignment_json).unwrap();
        let output_json = serde_json::to_vec(&TaskOutput::default()).unwrap();
        let finished = AttemptFinished { attempt: assignment.attempt.to_string(), output_json };
        self.say(Says::AttemptFinished(finished)).await;
    }

    /// Ends what it says in good order, and gives back what it could still hear.
    pub(crate) fn say_goodbye(self) -> impl Sized {
        self.from
    }

    /// Why the head does not want it. The welcome may have been on its way already.
    pub(crate) async fn refused(&mut self) -> Failure {
        loop {
            match self.hear().await {
                Some(Hears::Welcome(_)) => {}
                Some(Hears::Refused(refused)) => return serde_json::from_slice(&refused.failure_json).unwrap(),
                other => panic!("not refused: {other:?}"),
            }
        }
    }
}
