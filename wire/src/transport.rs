//! gRPC connections, set up the same way everywhere.

use std::io;

use futures::Stream;
use shoal_core::{Failure, Reason};
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint, Server, Uri};

use crate::limits::{
    CONNECT_TIMEOUT, FRAME_BYTES_MAX, HEAD_KEEPALIVE_INTERVAL, HEAD_KEEPALIVE_TIMEOUT, KEEPALIVE_INTERVAL,
    KEEPALIVE_TIMEOUT,
};
use crate::tls::{self, Connection, Tls};

/// How to reach a URL like `http://HOST:PORT`; nothing is connected yet. A process with TLS takes `https` URLs only, and
/// one without it `http` URLs only: it would not be able to show a certificate.
///
/// # Errors
/// [`Reason::InvalidValue`] where it is no such URL.
pub fn endpoint(url: &str, tls: Option<&Tls>) -> Result<Endpoint, Failure> {
    let scheme = tls::scheme(tls);
    let refuse = |why: String| Failure::new(Reason::InvalidValue, why).file(url);
    let no_url = || refuse(format!("`{url}` is no {scheme} URL")).next(format!("write it as {scheme}://HOST:PORT"));
    let uri: Uri = url.parse().map_err(|error| no_url().because(&error))?;
    match (uri.scheme_str(), tls) {
        (Some("http"), None) | (Some("https"), Some(_)) => {}
        (Some("https"), None) => {
            return Err(refuse(format!("`{url}` takes TLS, and this process has none")).next(
                "start it with --tls-cert, --tls-key and --tls-ca, or write http:// where the other side has no TLS",
            ));
        }
        (Some("http"), Some(_)) => {
            return Err(refuse(format!("`{url}` is without TLS, and this process has it"))
                .next("write https://, and switch TLS on in all processes of the cluster"));
        }
        _ => return Err(no_url()),
    }
    let authority = uri.authority().ok_or_else(no_url)?.as_str();
    // TLS is opened by our own connector. The library would refuse an https URL that it has no certificates for itself,
    // so it is told of the scheme as what requests name only.
    let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(|error| no_url().because(&error))?;
    Ok(endpoint
        .origin(uri)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

/// Connects to a URL.
///
/// # Errors
/// As [`endpoint`], and [`Reason::Io`] where nobody answers or no certificate that can be trusted is shown; the caller
/// knows who that means.
pub async fn connect(url: &str, tls: Option<&Tls>) -> Result<Channel, Failure> {
    open(url, endpoint(url, tls)?, tls).await
}

/// As [`connect`], for a worker's stream to its head: noticed within seconds when the head falls silent.
///
/// # Errors
/// As [`connect`].
pub async fn connect_to_head(url: &str, tls: Option<&Tls>) -> Result<Channel, Failure> {
    let endpoint = endpoint(url, tls)?
        .http2_keep_alive_interval(HEAD_KEEPALIVE_INTERVAL)
        .keep_alive_timeout(HEAD_KEEPALIVE_TIMEOUT);
    open(url, endpoint, tls).await
}

async fn open(url: &str, endpoint: Endpoint, tls: Option<&Tls>) -> Result<Channel, Failure> {
    let connected = match tls {
        None => endpoint.connect().await,
        Some(tls) => endpoint.connect_with_connector(tls::connector(tls.clone())).await,
    };
    connected.map_err(|error| {
        tls::refusal(url, Reason::Io, &error)
            .unwrap_or_else(|| Failure::new(Reason::Io, format!("nobody answers at {url}")).because(&error).file(url))
    })
}

/// A gRPC server that notices connections whose other end is gone. It is given connections by [`incoming`].
pub fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}

/// Connections for a gRPC server; with TLS, of clients whose certificate the cluster's authority has signed.
pub fn incoming(
    listener: TcpListener,
    tls: Option<Tls>,
) -> impl Stream<Item = io::Result<Connection>> + Send + 'static {
    tls::incoming(listener, tls)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_are_taken_without_tls() {
        endpoint("http://127.0.0.1:80", None).unwrap();
        for url in ["", "127.0.0.1:80", "https://a:1", "http://", "ftp://a", "not a url"] {
            let failure = endpoint(url, None).unwrap_err();
            assert_eq!(failure.reason, Reason::InvalidValue, "{url}");
            assert!(failure.next.is_some());
        }
    }

    #[tokio::test]
    async fn nobody_there_is_a_typed_failure() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let failure = connect(&format!("http://127.0.0.1:{port}"), None).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Io);
        assert!(!failure.causes.is_empty());
    }
}
