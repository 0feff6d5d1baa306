//! One turn of leading: the controllers work for as long as the lease is held, and the lease is held for as long as they
//! work.

use std::future::Future;

use shoal_core::{Failure, Reason};

use crate::lease::Held;

/// Lets `work` go on until `stop` completes, and gives the lease up then.
///
/// # Errors
/// [`Reason::NotLeading`] once the lease is lost; an internal one where `work` has ended by itself, which it does not but
/// by a panic: the lease is given up then, so that another operator takes over at once, and whoever called this ends.
pub(crate) async fn lead(
    mut held: Held,
    work: impl Future<Output = ()> + Send + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let mut work = tokio::spawn(work);
    let lost = tokio::select! {
        () = held.keep() => true,
        () = stop => false,
        // One that leads and does nothing would keep all others from the work.
        end = &mut work => {
            held.give_up().await;
            return Err(Failure::internal(format!("the controllers have ended: {end:?}")));
        }
    };
    // Before the lease is anyone else's.
    work.abort();
    let _ = work.await;
    if lost {
        return Err(Failure::new(Reason::NotLeading, "the lease is lost: another operator may lead")
            .next("nothing, where Kubernetes starts this one again"));
    }
    held.give_up().await;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;
    use std::sync::{Arc, Mutex};

    use http::{Method, Request, Response, StatusCode};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower::service_fn;

    use super::*;
    use crate::lease::acquire;

    /// An API server that has one lease and nothing else.
    #[derive(Clone, Default)]
    struct Server(Arc<Mutex<Option<Value>>>);

    impl Server {
        fn client(&self) -> Client {
            let server = self.clone();
            let answer = move |request: Request<Body>| {
                let server = server.clone();
                async move { Ok::<_, Infallible>(server.answer(request).await) }
            };
            Client::new(service_fn(answer), "shoal")
        }

        async fn answer(&self, request: Request<Body>) -> Response<Body> {
            let (head, body) = request.into_parts();
            if head.method != Method::GET {
                let mut lease: Value = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
                lease["metadata"]["resourceVersion"] = "1".into();
                *self.0.lock().unwrap() = Some(lease);
            }
            let (status, answer) = match self.0.lock().unwrap().clone() {
                Some(lease) => (StatusCode::OK, lease),
                None => {
                    let not_found = json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "none"});
                    (StatusCode::NOT_FOUND, not_found)
                }
            };
            Response::builder().status(status).body(Body::from(serde_json::to_vec(&answer).unwrap())).unwrap()
        }

        fn holder(&self) -> Value {
            self.0.lock().unwrap().as_ref().unwrap()["spec"]["holderIdentity"].clone()
        }
    }

    #[tokio::test]
    async fn controllers_that_panic_end_the_turn_and_the_next_operator_leads_at_once() {
        let server = Server::default();
        let first = acquire(server.client(), "shoal", "first").await;
        assert_eq!((server.holder(), first.transitions()), (json!("first"), 0));
        let failure = lead(first, async { panic!("a mistake") }, pending()).await.unwrap_err();
        assert!(failure.reason == Reason::Internal && failure.message.contains("a mistake"), "{failure:?}");
        assert_eq!(server.holder(), Value::Null, "nobody has to wait until it runs out");

        // What the first was told may be on its way still: heads obey the newer one.
        let second = acquire(server.client(), "shoal", "second").await;
        assert_eq!((server.holder(), second.transitions()), (json!("second"), 1));
        lead(second, pending(), async {}).await.unwrap();
        assert_eq!(server.holder(), Value::Null, "and in good order");
    }
}
