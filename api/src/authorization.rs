//! Who may ask: everybody where there is no token, else who shows it. The two probes are open, since a kubelet has no
//! token and they tell nothing.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError};
use shoal_core::Failure;
use shoal_wire::Token;

use crate::refusal::Refusal;

/// What is answered without a token.
pub(crate) const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Middleware that lets a request pass or refuses it, before any handler or the lack of one is seen.
pub(crate) async fn require_token(
    token: Data<Option<Token>>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match check(token.as_ref().as_ref(), &request) {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(failure) => Ok(request.into_response(Refusal(failure).error_response())),
    }
}

fn check(token: Option<&Token>, request: &ServiceRequest) -> Result<(), Failure> {
    match token {
        Some(token) if !OPEN.contains(&request.path()) => {
            token.check_header(request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()))
        }
        _ => Ok(()),
    }
}
