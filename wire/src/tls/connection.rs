//! Connections between processes: plain, or inside TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::Uri;
use tonic::transport::server::Connected;

use super::Tls;
use super::identity::server_name;
use super::refusal::find;
use crate::limits::{TLS_HANDSHAKE_TIMEOUT, TLS_HANDSHAKES_MAX};

/// Pause after a connection could not be accepted: most often the process has no file handle left, and trying again at
/// once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What reads and writes.
trait Io: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// One accepted connection.
pub struct Connection(Pin<Box<dyn Io>>);

/// Accepted connections; those over TLS once both sides trust each other. Never ends and never fails: who cannot open
/// TLS is no reason to turn others away.
pub(crate) fn incoming(
    listener: TcpListener,
    tls: Option<Tls>,
) -> impl Stream<Item = io::Result<Connection>> + Send + 'static {
    let accepted = stream::unfold(listener, |listener| async {
        let next = accept(&listener).await;
        Some((next, listener))
    });
    // Side by side, so that somebody who connects and says nothing holds up nobody.
    let opened =
        accepted.map(move |(stream, peer)| open(stream, peer, tls.clone())).buffer_unordered(TLS_HANDSHAKES_MAX);
    opened.filter_map(|opened| std::future::ready(opened.map(Ok)))
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        // Small messages that somebody waits for: none is held back to be sent together with others.
        let accepted =
            listener.accept().await.and_then(|(stream, peer)| stream.set_nodelay(true).map(|()| (stream, peer)));
        match accepted {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn open(stream: TcpStream, peer: SocketAddr, tls: Option<Tls>) -> Option<Connection> {
    let Some(tls) = tls else { return Some(Connection(Box::pin(stream))) };
    let acceptor = TlsAcceptor::from(tls.current.identity().server.clone());
    match timeout(TLS_HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(Connection(Box::pin(stream))),
        Ok(Err(error)) => {
            // Who only looks whether the port is open is nothing to tell; who is refused is.
            match find(&error) {
                Some(error) => tracing::warn!(%peer, %error, "a connection is refused"),
                None => tracing::debug!(%peer, %error, "a connection ended before it was opened"),
            }
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "a connection was never opened");
            None
        }
    }
}

/// A connection that a client has opened inside TLS, as hyper takes it.
type Opened = TokioIo<TlsStream<TcpStream>>;

/// How a client connects inside TLS, with the files as they are then.
pub(crate) fn connector(
    tls: Tls,
) -> impl tower::Service<Uri, Response = Opened, Error = io::Error, Future = impl Future<Output = io::Result<Opened>> + Send>
+ Send {
    tower::service_fn(move |uri: Uri| {
        let connector = TlsConnector::from(tls.current.identity().client.clone());
        let of_all = tls.name.clone();
        async move {
            let host = bare(&uri);
            let name = of_all.map_or_else(|| host_name(host), Ok)?;
            let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(HTTPS_PORT))).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(connector.connect(name, stream).await?))
        }
    })
}

/// The port that an `https` URL means when it names none.
const HTTPS_PORT: u16 = 443;

fn host_name(host: &str) -> io::Result<ServerName<'static>> {
    server_name(host).map_err(|failure| io::Error::new(io::ErrorKind::InvalidInput, failure))
}

/// The host of a URL without the brackets of an IPv6 address.
fn bare(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}
