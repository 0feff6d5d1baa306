//! One stream to the head, from opening it to its end.

use std::future::Future;
use std::sync::Arc;

use shoal_core::{Failure, Reason};
use shoal_wire::failure::from_status;
use shoal_wire::limits::MESSAGE_BYTES_MAX;
use shoal_wire::proto::membership_client::MembershipClient;
use shoal_wire::proto::worker_message::Message;
use shoal_wire::proto::{HeadMessage, Register, WorkerMessage};
use shoal_wire::token::SendToken;
use shoal_wire::transport;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::limits::{OUTGOING_MAX, WELCOME_WAIT_MAX};
use crate::shared::Shared;

/// The worker's side of a stream that is not open yet: `Register` already waits in it.
pub(super) fn outgoing(shared: &Shared) -> (mpsc::Sender<WorkerMessage>, mpsc::Receiver<WorkerMessage>) {
    let (sender, receiver) = mpsc::channel(OUTGOING_MAX);
    let running = shared.running_attempts();
    let register = Register { leaves_within_ms: shared.leaves_within_ms(), running, ..shared.identity.clone() };
    let register = WorkerMessage { message: Some(Message::Register(register)) };
    sender.try_send(register).expect("a new channel has room");
    (sender, receiver)
}

/// Opens a stream and hands over what the head says, one after the other, until the stream ends; says why it did.
pub(super) async fn run<F: Future<Output = bool>>(
    shared: Arc<Shared>,
    head: usize,
    outgoing: mpsc::Receiver<WorkerMessage>,
    hand_over: impl Fn(HeadMessage) -> F,
) -> Failure {
    let ended = || Failure::new(Reason::Io, "the head closed the stream");
    let opened = timeout(WELCOME_WAIT_MAX, open(&shared, head, outgoing)).await;
    let (mut messages, mut next) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(failure)) => return failure,
        Err(_) => return Failure::new(Reason::Io, "the head does not answer"),
    };
    loop {
        match next {
            Ok(Some(message)) => {
                // Nobody is there to hear of it.
                if !hand_over(message).await {
                    return ended();
                }
            }
            Ok(None) => return ended(),
            Err(status) => return from_status(&status),
        }
        next = messages.message().await;
    }
}

type Next = Result<Option<HeadMessage>, tonic::Status>;

async fn open(
    shared: &Shared,
    head: usize,
    outgoing: mpsc::Receiver<WorkerMessage>,
) -> Result<(Streaming<HeadMessage>, Next), Failure> {
    let url = shared.heads.workers_url(head).await?;
    let channel = transport::connect_to_head(&url, shared.tls.as_ref()).await?;
    let mut client = MembershipClient::with_interceptor(channel, SendToken(shared.token.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let answer = client.join(ReceiverStream::new(outgoing)).await.map_err(|status| from_status(&status))?;
    let mut messages = answer.into_inner();
    // The first answer is part of opening: a head that is stopped accepts connections and says nothing.
    let first = messages.message().await;
    Ok((messages, first))
}
