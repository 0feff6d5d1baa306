//! Until when this process may write.
//!
//! A process that was paused goes on in the middle of what it did, and may get to a write before it gets to its lease, which
//! is another's by then. So each write looks at the clock first. What is on its way at that moment is not stopped: see
//! [`crate::lease`] for why it does no harm.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request};
use kube::client::Body;
use tokio::time::Instant;
use tower::filter::FilterLayer;

/// The end of a leader's time, which moves with each renewal.
#[derive(Clone, Debug)]
pub(crate) struct Term(Arc<Mutex<Instant>>);

/// Why a request was not sent.
#[derive(Debug, thiserror::Error)]
#[error("the lease may be another operator's by now: nothing is written")]
pub(crate) struct IsOver;

impl Term {
    pub(crate) fn until(end: Instant) -> Self {
        Self(Arc::new(Mutex::new(end)))
    }

    pub(crate) fn move_to(&self, end: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    fn lasts_at(&self, now: Instant) -> bool {
        now < *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client write within this term only.
    pub(crate) fn layer(
        &self,
    ) -> FilterLayer<impl FnMut(Request<Body>) -> Result<Request<Body>, IsOver> + Clone + use<>> {
        let term = self.clone();
        FilterLayer::new(move |request: Request<Body>| {
            let may_pass = request.method() == Method::GET || term.lasts_at(Instant::now());
            may_pass.then_some(request).ok_or(IsOver)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use http::Response;
    use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test]
    async fn writes_end_with_the_term_and_reads_go_on() {
        let hour = Duration::from_secs(3600);
        let term = Term::until(Instant::now() + hour);
        let answer = |_: Request<Body>| async { Ok::<_, Infallible>(Response::new(())) };
        let mut client = term.layer().layer(service_fn(answer));
        let mut passes = async |method: Method| {
            let request = Request::builder().method(method).body(Body::empty()).unwrap();
            client.ready().await.unwrap().call(request).await.is_ok()
        };
        assert!(passes(Method::PATCH).await);
        term.move_to(Instant::now());
        for write in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
            assert!(!passes(write.clone()).await, "{write}");
        }
        assert!(passes(Method::GET).await);
        term.move_to(Instant::now() + hour);
        assert!(passes(Method::DELETE).await);
    }
}
