//! The three questions that every process answers over HTTP: does it live, can it work, what does it count.

use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, ServiceConfig, get};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use prometheus::{Registry, TextEncoder};
use shoal_core::{Failure, Reason};

use crate::tls::Tls;
use crate::token::Token;

/// Brings metrics up to date before they are read.
pub type Refresh = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> + Send + Sync>;

/// What the probes answer from.
#[derive(Clone)]
pub struct Probes {
    ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    metrics: Registry,
    refresh: Option<Refresh>,
    token: Option<Token>,
}

impl Probes {
    /// Probes of a process that can work whenever `ready` says so, or else why it cannot. `/metrics` asks for the token
    /// where there is one; the other two are open, since a kubelet has no token: `ready` tells no secrets.
    pub fn new(
        ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
        metrics: Registry,
        token: Option<Token>,
    ) -> Self {
        Self { ready: Arc::new(ready), metrics, refresh: None, token }
    }

    /// Has something done before the metrics are read: gauges of a state that an actor holds are set when asked for.
    #[must_use]
    pub fn refreshed_by(mut self, refresh: Refresh) -> Self {
        self.refresh = Some(refresh);
        self
    }

    /// Adds `/healthz`, `/readyz` and `/metrics` to an application.
    pub fn configure(&self, app: &mut ServiceConfig) {
        app.app_data(Data::new(self.clone()))
            .route("/healthz", get().to(health))
            .route("/readyz", get().to(ready))
            .route("/metrics", get().to(metrics));
    }
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

async fn ready(probes: Data<Probes>) -> HttpResponse {
    match (probes.ready)() {
        Ok(()) => HttpResponse::Ok().body("ready\n"),
        Err(why) => HttpResponse::ServiceUnavailable().body(format!("not ready: {why}\n")),
    }
}

async fn metrics(request: HttpRequest, probes: Data<Probes>) -> HttpResponse {
    if let Some(token) = &probes.token {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Err(failure) = token.check_header(header) {
            return HttpResponse::Unauthorized().json(failure);
        }
    }
    if let Some(refresh) = &probes.refresh
        && let Err(failure) = refresh().await
    {
        return HttpResponse::ServiceUnavailable().json(failure);
    }
    match TextEncoder::new().encode_to_string(&probes.metrics.gather()) {
        Ok(text) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
        Err(error) => {
            let failure = Failure::internal("the metrics cannot be written").because(&error);
            HttpResponse::InternalServerError().json(failure)
        }
    }
}

/// Serves nothing but probes, for a process without an HTTP interface of its own. The server runs while it is awaited or
/// spawned, until its handle stops it.
///
/// # Errors
/// [`Reason::Io`] where the listener cannot be used.
pub fn serve_probes(
    listener: TcpListener,
    probes: Probes,
    tls: Option<&Tls>,
) -> Result<(ServerHandle, Server), Failure> {
    let server = HttpServer::new(move || App::new().configure(|app| probes.configure(app)))
        // A few requests a minute.
        .workers(1)
        // Signals belong to the process, and probes hold nothing that a slow shutdown would save.
        .disable_signals()
        .shutdown_timeout(0);
    let server = match tls {
        None => server.listen(listener),
        Some(tls) => server.listen_rustls_0_23(listener, tls.rest_server()?),
    };
    let server = server.map_err(|error| Failure::new(Reason::Io, "the probes cannot be served").because(&error))?.run();
    Ok((server.handle(), server))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use prometheus::IntCounter;

    use super::*;

    #[tokio::test]
    async fn probes_are_open_and_metrics_ask_for_the_token() {
        let token = Token::new("0123456789abcdef").unwrap();
        let registry = Registry::new();
        let counter = IntCounter::new("shoal_test_total", "Counts.").unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        counter.inc_by(3);
        let is_ready = Arc::new(AtomicBool::new(false));
        let flag = is_ready.clone();
        let is_in = move || flag.load(Ordering::Relaxed).then_some(()).ok_or("no head".to_owned());
        let probes = Probes::new(is_in, registry, Some(token.clone()));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (handle, server) = serve_probes(listener, probes, None).unwrap();
        let server = tokio::spawn(server);
        let client = reqwest::Client::new();
        let status = async |path: &str| client.get(format!("{url}{path}")).send().await.unwrap().status().as_u16();

        assert_eq!(status("/healthz").await, 200);
        assert_eq!(status("/readyz").await, 503);
        let told = client.get(format!("{url}/readyz")).send().await.unwrap().text().await.unwrap();
        assert_eq!(told, "not ready: no head\n");
        is_ready.store(true, Ordering::Relaxed);
        assert_eq!(status("/readyz").await, 200);

        let refused = client.get(format!("{url}/metrics")).send().await.unwrap();
        assert_eq!(refused.status().as_u16(), 401);
        let failure: Failure = refused.json().await.unwrap();
        assert_eq!(failure.reason, Reason::Unauthorized);
        let request = client.get(format!("{url}/metrics")).header("authorization", token.header());
        let text = request.send().await.unwrap().text().await.unwrap();
        assert!(text.contains("shoal_test_total 3"), "{text}");

        handle.stop(false).await;
        server.await.unwrap().unwrap();
    }
}
