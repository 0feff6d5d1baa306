//! The HTTP server: started beside the head, stopped before it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, PayloadConfig, ServiceConfig, to};
use actix_web::{App, HttpServer};
use shoal_coordinator::Head;
use shoal_core::limits::JOB_FILE_BYTES_MAX;
use shoal_core::{Failure, Reason};
use shoal_wire::callers::Authenticator;
use shoal_wire::listen::check_listen;
use shoal_wire::probes::Probes;
use shoal_wire::{Tls, Token};
use tokio::task::JoinHandle;

use crate::authorization::{Doorkeepers, admit};
use crate::refusal::no_such_route;
use crate::routes;

/// Threads that serve requests. They wait for the coordinator, which is one: a second keeps probes answered while the
/// first writes a long list.
const SERVER_THREADS: usize = 2;

/// How long a stopping server waits for requests that it has begun to answer.
const SHUTDOWN_SECONDS: u64 = 1;

/// How long a client may take to send what its request begins with. Far above what a machine takes that is asked for too
/// much: whoever comes then is to hear 429 and when to come back, not that he was slow.
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(30);

/// What the interface is started with.
pub struct ApiConfig {
    /// Where it listens; port 0 takes one that is free.
    pub listen: SocketAddr,
    /// What every request must carry; required beyond loopback.
    pub token: Option<Token>,
    /// Who else is let in, beside whoever shows the token.
    pub callers: Option<Arc<dyn Authenticator>>,
    /// Whose certificate it shows; without it requests are read and answered in the clear.
    pub tls: Option<Tls>,
    /// The head that answers.
    pub head: Head,
}

/// A running interface.
pub struct Api {
    address: SocketAddr,
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
}

/// Starts the interface. Signals are left to the process.
///
/// # Errors
/// [`Reason::InvalidValue`] for an address beyond loopback without a token; [`Reason::Io`] where the address cannot be
/// listened on.
pub async fn start(config: ApiConfig) -> Result<Api, Failure> {
    let ApiConfig { listen, token, callers, tls, head } = config;
    check_listen(listen, token.as_ref())?;
    let cannot_listen = |error: &std::io::Error| {
        Failure::new(Reason::Io, format!("{listen} cannot be listened on"))
            .next("another process may have the port: name another, or 0 for any")
            .because(error)
    };
    let listener = TcpListener::bind(listen).map_err(|error| cannot_listen(&error))?;
    let address = listener.local_addr().map_err(|error| cannot_listen(&error))?;
    let probes = probes(head.clone()).await?;
    let keepers = Data::new(Doorkeepers::new(token, callers));
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(admit))
            .configure(|app| configure(app, &head, &keepers))
            .configure(|app| probes.configure(app))
    })
    .workers(SERVER_THREADS)
    .disable_signals()
    .client_request_timeout(REQUEST_WAIT_MAX)
    .shutdown_timeout(SHUTDOWN_SECONDS);
    let server = match tls {
        None => server.listen(listener),
        Some(tls) => server.listen_rustls_0_23(listener, tls.rest_server()?),
    };
    let server = server.map_err(|error| cannot_listen(&error))?.run();
    Ok(Api { address, handle: server.handle(), server: tokio::spawn(server) })
}

fn configure(app: &mut ServiceConfig, head: &Head, keepers: &Data<Doorkeepers>) {
    app.app_data(Data::new(head.clone()))
        .app_data(keepers.clone())
        .app_data(PayloadConfig::new(JOB_FILE_BYTES_MAX))
        .configure(routes::configure)
        .default_service(to(no_such_route));
}

async fn probes(head: Head) -> Result<Probes, Failure> {
    let metrics = head.metrics().await;
    let ready = head.clone();
    // The registry stays the same; asking for it sets its gauges to what they are now.
    let refresh = Arc::new(move || {
        let head = head.clone();
        Box::pin(async move {
            head.metrics().await;
            Ok(())
        }) as _
    });
    // Whoever gets here has been let in.
    Ok(Probes::new(move || ready.readiness(), metrics, None).refreshed_by(refresh))
}

impl Api {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and ends, once those that it has begun are answered.
    pub async fn shutdown(self) {
        self.handle.stop(true).await;
        if let Ok(Err(error)) = self.server.await {
            tracing::warn!(%error, "the HTTP server ended with an error");
        }
    }
}
