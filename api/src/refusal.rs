//! Failures as HTTP answers. The one place that knows which status a reason has.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use shoal_core::{Actor, Failure, Reason};

/// Seconds after which a client that met a limit may try again: jobs take seconds to minutes, so that sooner is in vain.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Seconds after which a client may ask a head again that does not lead: another one does within seconds.
const LEADS_AFTER_SECONDS: u32 = 1;

/// The status that goes with a reason.
pub(crate) fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::MalformedDocument => StatusCode::BAD_REQUEST,
        Reason::Unauthorized => StatusCode::UNAUTHORIZED,
        Reason::LocalPathRefused | Reason::Forbidden => StatusCode::FORBIDDEN,
        Reason::JobNotFound | Reason::WorkerNotFound | Reason::ClusterNotFound => StatusCode::NOT_FOUND,
        Reason::JobConflict | Reason::NotPossible => StatusCode::CONFLICT,
        Reason::Busy => StatusCode::TOO_MANY_REQUESTS,
        // The rest differ in who has to act, which is all that a client does differently.
        other => match other.actor() {
            Actor::User | Actor::Data => StatusCode::UNPROCESSABLE_ENTITY,
            Actor::Platform => StatusCode::SERVICE_UNAVAILABLE,
            Actor::Shoal => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// A failure on its way out of a handler.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Failure);

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        status(self.0.reason)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self.0.reason {
            Reason::Busy => {
                response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
            }
            Reason::NotLeading => {
                response.insert_header((RETRY_AFTER, LEADS_AFTER_SECONDS));
                if let Some(leader) = &self.0.location.file {
                    response.insert_header((LOCATION, leader.as_str()));
                }
            }
            Reason::Unauthorized => {
                response.insert_header((WWW_AUTHENTICATE, "Bearer"));
            }
            _ => {}
        }
        response.json(&self.0)
    }
}

/// Answers whatever has no handler. Its status says that the address is wrong, which no reason of a job does.
pub(crate) async fn no_such_route(request: HttpRequest) -> HttpResponse {
    let what = format!("there is no {} {}", request.method(), request.path());
    let failure = Failure::new(Reason::InvalidValue, what).next("GET /api/v1/openapi.json lists what there is");
    HttpResponse::NotFound().json(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_the_status_that_a_client_expects() {
        for (reason, expected) in [
            (Reason::MalformedDocument, 400),
            (Reason::Unauthorized, 401),
            (Reason::LocalPathRefused, 403),
            (Reason::Forbidden, 403),
            (Reason::JobNotFound, 404),
            (Reason::WorkerNotFound, 404),
            (Reason::ClusterNotFound, 404),
            (Reason::JobConflict, 409),
            (Reason::NotPossible, 409),
            (Reason::UnknownField, 422),
            (Reason::InvalidValue, 422),
            (Reason::TableEmpty, 422),
            (Reason::Busy, 429),
            (Reason::Internal, 500),
            (Reason::HeadUnreachable, 503),
            (Reason::Io, 503),
        ] {
            assert_eq!(status(reason).as_u16(), expected, "{reason:?}");
        }
    }

    #[test]
    fn a_client_is_told_when_to_come_back_and_how_to_identify_itself() {
        let busy = Refusal(Failure::new(Reason::Busy, "full")).error_response();
        assert!(busy.headers().contains_key(RETRY_AFTER));
        let unauthorized = Refusal(Failure::new(Reason::Unauthorized, "no token")).error_response();
        assert!(unauthorized.headers().contains_key(WWW_AUTHENTICATE));
        assert!(!unauthorized.headers().contains_key(RETRY_AFTER));
        let elsewhere =
            Refusal(Failure::new(Reason::NotLeading, "another head leads").file("http://h:1")).error_response();
        assert_eq!(elsewhere.status().as_u16(), 503);
        assert_eq!(elsewhere.headers().get(LOCATION).map(|url| url.as_bytes()), Some(b"http://h:1".as_slice()));
        assert!(elsewhere.headers().contains_key(RETRY_AFTER));
    }
}
