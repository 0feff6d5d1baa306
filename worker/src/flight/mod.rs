//! The Flight server: hands this worker's partitions to others.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult, Ticket,
};
use async_trait::async_trait;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use shoal_core::Failure;
use shoal_wire::failure::to_status;
use shoal_wire::limits::MESSAGE_BYTES_MAX;
use shoal_wire::ticket::{self, Mark};
use shoal_wire::token::RequireToken;
use shoal_wire::{Tls, Token, transport};
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use crate::metrics::StoreMetrics;
use crate::store::{Partition, Store};

/// Hands out the partitions of a store until it is dropped.
///
/// # Errors
/// What makes the server end, which nothing should.
pub async fn serve_partitions(
    listener: TcpListener,
    store: Arc<Store>,
    metrics: StoreMetrics,
    token: Option<Token>,
    tls: Option<Tls>,
) -> Result<(), Failure> {
    let service = FlightServiceServer::new(Exchange { store, metrics })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    transport::server()
        .add_service(InterceptedService::new(service, RequireToken(token)))
        .serve_with_incoming(transport::incoming(listener, tls))
        .await
        .map_err(|error| Failure::new(shoal_core::Reason::Io, "the Flight server ended").because(&error))
}

/// Gives out sealed partitions; every other call of Flight is refused.
struct Exchange {
    store: Arc<Store>,
    metrics: StoreMetrics,
}

type Answer<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// One thing to send.
enum Step {
    /// The schema of what follows.
    Schema(bytes::Bytes),
    /// A message: of which partition, its place in the ticket, and which message.
    Message(Arc<Partition>, u32, usize),
}

impl Exchange {
    /// Everything that a ticket asks for, found before the first byte is sent: a partition that is gone is the answer
    /// to the call, with its type, and not the end of a stream.
    fn find(&self, ticket: &Ticket) -> Result<Vec<Arc<Partition>>, Failure> {
        let wanted = ticket::decode(ticket)?;
        wanted.iter().map(|wanted| self.store.partition(wanted.attempt, wanted.bucket)).collect()
    }

    fn send(&self, partitions: Vec<Arc<Partition>>) -> Answer<FlightData> {
        let served = self.metrics.served_bytes.clone();
        let answer = stream::iter(steps(partitions)).map(Ok).and_then(move |step| {
            let served = served.clone();
            async move {
                match step {
                    Step::Schema(header) => Ok(FlightData::new().with_data_header(header)),
                    Step::Message(partition, source, index) => {
                        let (message, checksum) = partition.load(index).await.map_err(|f| to_status(&f))?;
                        served.inc_by((message.header.len() + message.body.len()) as u64);
                        Ok(FlightData::new()
                            .with_data_header(message.header)
                            .with_data_body(message.body)
                            .with_app_metadata(Mark { source, checksum }.to_bytes()))
                    }
                }
            }
        });
        answer.boxed()
    }
}

/// What to send for some partitions, in order: a schema wherever it changes, which is once for attempts of one stage.
fn steps(partitions: Vec<Arc<Partition>>) -> impl Iterator<Item = Step> {
    let mut schema = bytes::Bytes::new();
    (0..).zip(partitions).flat_map(move |(source, partition)| {
        let is_new = schema != partition.schema;
        schema = partition.schema.clone();
        let first = is_new.then(|| Step::Schema(partition.schema.clone()));
        let messages = (0..partition.len()).map(move |index| Step::Message(partition.clone(), source, index));
        first.into_iter().chain(messages)
    })
}

fn unknown<T>() -> Result<T, Status> {
    Err(Status::unimplemented("a worker's Flight server knows DoGet with Shoal's tickets only"))
}

#[async_trait]
impl FlightService for Exchange {
    type HandshakeStream = Answer<HandshakeResponse>;
    type ListFlightsStream = Answer<FlightInfo>;
    type DoGetStream = Answer<FlightData>;
    type DoPutStream = Answer<PutResult>;
    type DoExchangeStream = Answer<FlightData>;
    type DoActionStream = Answer<arrow_flight::Result>;
    type ListActionsStream = Answer<ActionType>;

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        let partitions = self.find(request.get_ref()).map_err(|failure| to_status(&failure))?;
        Ok(Response::new(self.send(partitions)))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        unknown()
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        unknown()
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        unknown()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        unknown()
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        unknown()
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        unknown()
    }

    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoExchangeStream>, Status> {
        unknown()
    }

    async fn do_action(&self, _: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        unknown()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        unknown()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
