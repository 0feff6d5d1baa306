//! Reads partitions of another worker over Flight: one `DoGet` for all that a task needs from there.

use arrow::array::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::flight_service_client::FlightServiceClient;
use bytes::Bytes;
use futures::stream;
use prometheus::IntCounter;
use shoal_core::{Failure, Reason};
use shoal_wire::failure::from_status;
use shoal_wire::limits::MESSAGE_BYTES_MAX;
use shoal_wire::ticket::{self, Mark};
use shoal_wire::token::SendToken;
use shoal_wire::{Tls, Token, transport};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::codec::Encoded;
use super::in_order::{Placed, PlacedStream};
use super::receive::Receiver;
use crate::limits::FETCH_SILENCE_MAX;

/// What a fetch needs besides its sources.
pub(super) struct Peer {
    pub(super) token: Option<Token>,
    pub(super) tls: Option<Tls>,
    pub(super) fetched: IntCounter,
}

/// What arrives of partitions.
pub(super) enum Arrived {
    /// The schema of what follows.
    Schema(Bytes),
    /// A message of the partition at that place among the sources.
    Message {
        source: usize,
        message: Encoded,
        /// The partition's up to and including this message.
        checksum: u64,
        /// The rows in it; none in a dictionary.
        batch: Option<RecordBatch>,
    },
}

/// Partitions of one other worker on their way.
pub(super) struct Fetch {
    peer: Peer,
    receiver: Receiver,
    messages: Option<Streaming<FlightData>>,
}

impl Fetch {
    pub(super) fn new(peer: Peer, receiver: Receiver) -> Self {
        Self { peer, receiver, messages: None }
    }

    pub(super) fn into_stream(self) -> PlacedStream {
        Box::pin(stream::try_unfold(self, |mut fetch| async { Ok(fetch.next().await?.map(|placed| (placed, fetch))) }))
    }

    async fn next(&mut self) -> Result<Option<Placed>, Failure> {
        loop {
            match self.arrive().await? {
                Some(Arrived::Message { source, batch: Some(batch), .. }) => return Ok(Some((source, batch))),
                Some(Arrived::Schema(_) | Arrived::Message { .. }) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next that arrives, checked. After the last, everything has arrived as it was written.
    pub(super) async fn arrive(&mut self) -> Result<Option<Arrived>, Failure> {
        let Some(data) = self.message().await? else {
            self.receiver.finish()?;
            return Ok(None);
        };
        let FlightData { flight_descriptor: _, data_header: header, app_metadata, data_body: body } = data;
        let Some(Mark { source, checksum }) = Mark::from_bytes(&app_metadata) else {
            self.receiver.schema(&header)?;
            return Ok(Some(Arrived::Schema(header)));
        };
        self.peer.fetched.inc_by((header.len() + body.len()) as u64);
        let source = source as usize;
        let batch = self.receiver.take(source, &header, body.clone(), checksum)?;
        Ok(Some(Arrived::Message { source, message: Encoded { header, body }, checksum, batch }))
    }

    async fn message(&mut self) -> Result<Option<FlightData>, Failure> {
        let silent = |_| self.receiver.lost("its worker does not answer");
        let messages = match &mut self.messages {
            Some(messages) => messages,
            None => {
                let opened = timeout(FETCH_SILENCE_MAX, open(&self.peer, &self.receiver)).await.map_err(silent)??;
                self.messages.insert(opened)
            }
        };
        let message = timeout(FETCH_SILENCE_MAX, messages.message()).await.map_err(silent)?;
        message.map_err(|status| refused(&self.receiver, &status))
    }
}

async fn open(peer: &Peer, receiver: &Receiver) -> Result<Streaming<FlightData>, Failure> {
    let sources = receiver.sources();
    let Some(first) = sources.first() else { return Err(Failure::internal("nothing is fetched")) };
    let channel = transport::connect(&first.flight_url, peer.tls.as_ref())
        .await
        .map_err(|failure| with_cause(receiver.lost("its worker cannot be reached"), failure))?;
    let mut client = FlightServiceClient::with_interceptor(channel, SendToken(peer.token.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let ticket = ticket::encode(first.attempt.task.job, sources);
    let answer = client.do_get(ticket).await.map_err(|status| refused(receiver, &status))?;
    Ok(answer.into_inner())
}

/// What a refusal means for the task: most say that the partitions have to be made again; some say that it would not
/// help.
fn refused(receiver: &Receiver, status: &Status) -> Failure {
    let failure = from_status(status);
    match failure.reason {
        Reason::PartitionLost | Reason::PartitionCorrupt if failure.location.attempt.is_some() => failure,
        Reason::Unauthorized | Reason::IncompatibleVersion | Reason::Internal => failure,
        _ => with_cause(receiver.lost("its worker broke off"), failure),
    }
}

fn with_cause(mut failure: Failure, cause: Failure) -> Failure {
    failure.causes = [vec![cause.message], cause.causes].concat();
    failure
}
