//! gRPC connections, set up the same way everywhere.

use shoal_core::{Failure, Reason};
use tonic::transport::{Channel, Endpoint, Server};

use crate::limits::{CONNECT_TIMEOUT, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};

/// How to reach a URL like `http://HOST:PORT`; nothing is connected yet.
///
/// # Errors
/// [`Reason::InvalidValue`] where it is no such URL.
pub fn endpoint(url: &str) -> Result<Endpoint, Failure> {
    let refuse = |failure: Failure| failure.file(url).next("write it as http://HOST:PORT");
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|error| refuse(Failure::new(Reason::InvalidValue, format!("`{url}` is no URL")).because(&error)))?;
    if endpoint.uri().scheme_str() != Some("http") {
        return Err(refuse(Failure::new(Reason::InvalidValue, format!("`{url}` is no http URL"))));
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

/// Connects to a URL.
///
/// # Errors
/// As [`endpoint`], and [`Reason::Io`] where nobody answers; the caller knows who that means.
pub async fn connect(url: &str) -> Result<Channel, Failure> {
    endpoint(url)?
        .connect()
        .await
        .map_err(|error| Failure::new(Reason::Io, format!("nobody answers at {url}")).because(&error).file(url))
}

/// A gRPC server that notices connections whose other end is gone. `TCP_NODELAY` is set where it listens.
pub fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_are_taken() {
        endpoint("http://127.0.0.1:80").unwrap();
        for url in ["", "127.0.0.1:80", "https://a:1", "http://", "ftp://a", "not a url"] {
            let failure = endpoint(url).unwrap_err();
            assert_eq!(failure.reason, Reason::InvalidValue, "{url}");
            assert!(failure.next.is_some());
        }
    }

    #[tokio::test]
    async fn nobody_there_is_a_typed_failure() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let failure = connect(&format!("http://127.0.0.1:{port}")).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Io);
        assert!(!failure.causes.is_empty());
    }
}
