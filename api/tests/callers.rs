//! Who is let in where the token is not all that counts.

#![allow(clippy::unwrap_used)]

mod fake;
mod support;

use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use reqwest::{Client, Method};
use shoal_api::ApiConfig;
use shoal_core::{Failure, Reason};
use shoal_wire::Token;
use shoal_wire::callers::{Action, Authenticator};
use support::Server;

const TOKEN: &str = "0123456789abcdef";

/// Lets in whoever says that he may, and notes what everybody wants.
#[derive(Default)]
struct Keeper(Mutex<Vec<String>>);

impl Authenticator for Keeper {
    fn admit<'a>(&'a self, header: Option<&'a str>, action: Action) -> BoxFuture<'a, Result<(), Failure>> {
        self.0.lock().unwrap().push(format!("{} {}", action.verb.name(), action.resource.name()));
        let answer = match header {
            Some("Bearer i-may") => Ok(()),
            Some("Bearer i-may-not") => Err(Failure::new(Reason::Forbidden, "he may not")),
            Some("Bearer nobody-knows") => Err(Failure::new(Reason::Io, "nobody answers")),
            _ => Err(Failure::new(Reason::Unauthorized, "who is this")),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_known_by_the_token_is_asked_about() {
    let server = Server::start(None).await;
    let keeper = Arc::new(Keeper::default());
    let api = shoal_api::start(ApiConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        token: Some(Token::new(TOKEN).unwrap()),
        callers: Some(keeper.clone()),
        tls: None,
        head: server.head.clone(),
    });
    let api = api.await.unwrap();
    let client = Client::new();
    let ask = async |method: Method, path: &str, token: Option<&str>| {
        let request = client.request(method, format!("http://{}{path}", api.address()));
        let request = token.into_iter().fold(request.body(""), |request, token| request.bearer_auth(token));
        request.send().await.unwrap().status().as_u16()
    };
    let noted = || std::mem::take(&mut *keeper.0.lock().unwrap());

    for (token, status) in [
        (Some("i-may"), 200),
        (Some("i-may-not"), 403),
        (Some("nobody-knows"), 503),
        (Some("somebody-else"), 401),
        (None, 401),
    ] {
        assert_eq!(ask(Method::GET, "/api/v1/jobs", token).await, status, "{token:?}");
    }
    assert_eq!(noted(), vec!["list shoaljobs"; 5]);

    for (method, path, status, action) in [
        (Method::POST, "/api/v1/jobs", 422, "create shoaljobs"),
        (Method::GET, "/api/v1/jobs/a", 404, "get shoaljobs"),
        (Method::GET, "/api/v1/jobs/a/logs", 404, "get shoaljobs"),
        (Method::POST, "/api/v1/jobs/a/cancel", 404, "delete shoaljobs"),
        (Method::GET, "/metrics", 200, "get shoalclusters"),
        (Method::GET, "/nowhere", 404, "get shoalclusters"),
        (Method::DELETE, "/api/v1/jobs/a", 404, "patch shoalclusters"),
    ] {
        let answered = ask(method.clone(), path, Some("i-may")).await;
        // What each handler says of an empty body is not for here.
        assert!(answered == status || (status == 422 && [400, 422].contains(&answered)), "{method} {path}: {answered}");
        assert_eq!(noted(), [action], "{method} {path}");
    }

    assert_eq!(ask(Method::GET, "/metrics", Some(TOKEN)).await, 200);
    assert_eq!(ask(Method::GET, "/healthz", None).await, 200);
    assert_eq!(noted(), [""; 0], "of the token's holders and of probes nobody is asked");
    api.shutdown().await;
    server.stop().await;
}
