//! Who gets a connection, and what whoever gets none is told.

use std::net::SocketAddr;

use futures::StreamExt;
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use shoal_core::{Failure, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tonic::transport::Uri;
use tower::Service;

use super::authority::{Authority, Folder, Valid, local};
use super::within;
use crate::limits::TLS_HANDSHAKES_MAX;
use crate::tls::{Tls, connector, incoming, trusting};
use crate::transport;

/// A server that sends back what it is sent.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    server: JoinHandle<()>,
}

impl Echo {
    pub(super) async fn start(tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(incoming(listener, tls).for_each(|connection| async {
            let (mut from, mut to) = tokio::io::split(connection.unwrap());
            tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
        }));
        Self { address, server }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(super) type Stream = tokio_rustls::client::TlsStream<TcpStream>;

pub(super) async fn open(tls: &Tls, address: SocketAddr) -> std::io::Result<Stream> {
    let uri: Uri = format!("http://{address}").parse().unwrap();
    Ok(within("a connection", connector(tls.clone()).call(uri)).await?.into_inner())
}

pub(super) async fn echo(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), text: &str) -> std::io::Result<()> {
    let mut back = vec![0; text.len()];
    stream.write_all(text.as_bytes()).await?;
    within("an echo", stream.read_exact(&mut back)).await?;
    assert_eq!(back, text.as_bytes());
    Ok(())
}

/// How connecting to a server fails.
async fn failure(url: &str, client: &Tls) -> Failure {
    let failure = within("a refusal", transport::connect(url, Some(client))).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Io);
    assert!(failure.next.is_some() && failure.location.file.as_deref() == Some(url), "{failure:?}");
    failure
}

#[tokio::test]
async fn processes_of_one_authority_reach_each_other() {
    let authority = Authority::new("one");
    let ((_server_files, server), (_client_files, client)) = (local(&authority), local(&authority));
    let echo_server = Echo::start(Some(server)).await;
    let mut stream = open(&client, echo_server.address).await.unwrap();
    echo(&mut stream, "both trust").await.unwrap();
    // By name as well as by address.
    let named = format!("https://localhost:{}", echo_server.address.port());
    transport::connect(&named, Some(&client)).await.unwrap();

    let plain = Echo::start(None).await;
    echo(&mut TcpStream::connect(plain.address).await.unwrap(), "nobody asks").await.unwrap();
}

#[tokio::test]
async fn a_name_that_all_have_counts_in_the_place_of_addresses() {
    let authority = Authority::new("us");
    let of = |host: &str| Folder::new(&authority, &[host]);
    let ours = of("a.research.shoal");
    let server = Echo::start(Some(ours.tls().named("a.research.shoal").unwrap())).await;
    let mut stream = open(&ours.tls().named("a.research.shoal").unwrap(), server.address).await.unwrap();
    echo(&mut stream, "hello").await.unwrap();
    // Without it the address counts, which no certificate here names.
    assert!(open(&ours.tls(), server.address).await.is_err());
    // Another cluster of the same authority is another one.
    let other = of("b.research.shoal").tls().named("b.research.shoal").unwrap();
    assert!(open(&other, server.address).await.is_err());
    let refused = of("b.research.shoal").tls().named("a.research.shoal").unwrap_err();
    assert_eq!(refused.reason, Reason::InvalidValue);
}

#[tokio::test]
async fn what_is_in_memory_is_as_good_as_files() {
    let authority = Authority::new("us");
    let signed = authority.sign(&["127.0.0.1"]);
    let of = |cert: &str, key: &str| {
        Tls::fixed(cert.as_bytes().to_vec(), key.as_bytes().to_vec(), authority.pem.as_bytes().to_vec())
    };
    let tls = of(&signed.cert, &signed.key).unwrap();
    let server = Echo::start(Some(tls.clone())).await;
    echo(&mut open(&tls, server.address).await.unwrap(), "hello").await.unwrap();
    let refused = of(&signed.cert, &authority.sign(&["127.0.0.1"]).key).unwrap_err();
    assert!(refused.message.contains("tls.key"), "{refused}");
}

#[tokio::test]
async fn a_server_that_cannot_be_trusted_is_refused_with_the_reason() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (_client_files, client) = local(&own);

    let (_files, stranger) = local(&other);
    let server = Echo::start(Some(stranger)).await;
    let stranger = failure(&format!("https://{}", server.address), &client).await;
    assert!(stranger.message.contains("not signed by the authority"), "{stranger:?}");
    assert!(stranger.next.unwrap().contains("--tls-ca"));

    let elsewhere = Folder::new(&own, &["other.example"]);
    let server = Echo::start(Some(elsewhere.tls())).await;
    let elsewhere = failure(&format!("https://{}", server.address), &client).await;
    assert!(elsewhere.message.contains("other hosts") && elsewhere.message.contains("other.example"), "{elsewhere:?}");

    let old = Folder::new(&own, &["127.0.0.1"]);
    old.write(&own.sign_as(&["127.0.0.1"], Valid::InJanuary2020, &[ServerAuth, ClientAuth]), &own.pem);
    let server = Echo::start(Some(old.tls_of_2020())).await;
    let url = format!("https://{}", server.address);
    let old = failure(&url, &client).await;
    assert_eq!(old.message, format!("the certificate of {url} has expired"));

    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", plain.local_addr().unwrap());
    let answers =
        tokio::spawn(async move { plain.accept().await.unwrap().0.write_all(b"HTTP/1.1 400 No\r\n\r\n").await });
    let plain = failure(&url, &client).await;
    assert!(plain.message.contains("speaks no TLS"), "{plain:?}");
    answers.await.unwrap().unwrap();
}

/// How a server treats a client that trusts it: the handshake ends for the client before it is judged.
async fn is_refused(server: &Echo, client: &Tls) -> String {
    let mut stream = open(client, server.address).await.unwrap();
    let error = echo(&mut stream, "let me in").await.unwrap_err();
    crate::tls::refusal("the server", Reason::Io, &error).map(|failure| failure.message).unwrap_or_default()
}

#[tokio::test]
async fn a_client_that_cannot_be_trusted_is_refused() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (_files, server) = local(&own);
    let server = Echo::start(Some(server)).await;

    // It trusts both, as while one replaces the other; the server does not.
    let stranger = Folder::new(&other, &["127.0.0.1"]);
    stranger.write(&other.sign(&["127.0.0.1"]), &format!("{}{}", own.pem, other.pem));
    let told = is_refused(&server, &stranger.tls()).await;
    assert!(told.starts_with("the server refuses the certificate of this process"), "{told}");

    let old = Folder::new(&own, &["127.0.0.1"]);
    old.write(&own.sign_as(&["127.0.0.1"], Valid::InJanuary2020, &[ServerAuth, ClientAuth]), &own.pem);
    let told = is_refused(&server, &old.tls_of_2020()).await;
    assert!(told.contains("CertificateExpired"), "{told}");

    // Knowing the authority is not enough without a certificate.
    let bare = trusting(&old.files().ca).unwrap();
    let bare = tokio_rustls::TlsConnector::from(std::sync::Arc::new(bare));
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    let refused = async { echo(&mut bare.connect(name, stream).await?, "let me in").await };
    within("a refusal", refused).await.unwrap_err();
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_refused_and_holds_up_nobody() {
    let authority = Authority::new("one");
    let (_files, tls) = local(&authority);
    let server = Echo::start(Some(tls.clone())).await;
    // Silent ones, one fewer than there are places.
    let mut silent = Vec::new();
    for _ in 1..TLS_HANDSHAKES_MAX {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // What comes back is an alert of TLS at most, and then the end.
    let _ = within("the end", plain.read_to_end(&mut answer)).await;
    assert!(!answer.windows(4).any(|part| part == b"HTTP" || part == b"GET "), "{answer:?}");

    echo(&mut open(&tls, server.address).await.unwrap(), "still there").await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn urls_say_the_same_as_the_process() {
    let authority = Authority::new("one");
    let (_files, tls) = local(&authority);
    transport::endpoint("https://a:1", Some(&tls)).unwrap();
    transport::endpoint("https://[::1]:1", Some(&tls)).unwrap();
    for url in ["http://a:1", "a:1", "https://", "ftp://a"] {
        let failure = transport::endpoint(url, Some(&tls)).unwrap_err();
        assert!(failure.reason == Reason::InvalidValue && failure.next.unwrap().contains("https://"), "{url}");
    }
    let failure = transport::endpoint("https://a:1", None).unwrap_err();
    assert!(failure.next.unwrap().contains("--tls-cert"));
}
