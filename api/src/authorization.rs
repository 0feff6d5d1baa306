//! Who may ask: everybody where nobody is asked for, else who is known to one of those that know callers. The two probes are
//! open, since a kubelet has no token and they tell nothing.

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError};
use shoal_core::Failure;
use shoal_wire::Token;
use shoal_wire::callers::Authenticator;

use crate::actions;
use crate::refusal::Refusal;

/// What is answered to everybody.
pub(crate) const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Those that know callers. Each is asked in turn, until one knows who asks.
#[derive(Clone)]
pub(crate) struct Doorkeepers(Vec<Arc<dyn Authenticator>>);

impl Doorkeepers {
    /// The token, and whoever else there is. The token first: it is at hand.
    pub(crate) fn new(token: Option<Token>, callers: Option<Arc<dyn Authenticator>>) -> Self {
        let token = token.map(|token| Arc::new(token) as Arc<dyn Authenticator>);
        Self(token.into_iter().chain(callers).collect())
    }

    async fn admit(&self, request: &ServiceRequest) -> Result<(), Failure> {
        if OPEN.contains(&request.path()) {
            return Ok(());
        }
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let action = actions::of(request.method().as_str(), request.match_pattern().as_deref());
        let mut outcome = Ok(());
        for keeper in &self.0 {
            outcome = keeper.admit(header, action).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// Middleware that lets a request pass or refuses it, before any handler or the lack of one is seen.
pub(crate) async fn admit(
    keepers: Data<Doorkeepers>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match keepers.admit(&request).await {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(failure) => Ok(request.into_response(Refusal(failure).error_response())),
    }
}
