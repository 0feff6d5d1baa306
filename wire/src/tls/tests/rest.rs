//! An HTTP server with TLS, as users and monitoring see it.

use std::net::TcpListener;

use prometheus::Registry;
use reqwest::tls::TlsInfo;
use shoal_core::{Failure, Reason};

use super::authority::{Authority, local};
use super::within;
use crate::probes::{Probes, serve_probes};
use crate::tls::{ClientConfig, refusal, trusting};

fn client(trusts: ClientConfig) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).tls_info(true);
    builder.tls_backend_preconfigured(trusts).build().unwrap()
}

/// The certificate that a server shows over HTTP.
async fn shown(client: &reqwest::Client, url: &str) -> Vec<u8> {
    let answer = within("an answer", client.get(url).send()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
}

#[tokio::test]
async fn a_client_needs_the_authority_and_no_certificate() {
    let authority = Authority::new("own");
    let (folder, tls) = local(&authority);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("https://{address}/healthz");
    let probes = Probes::new(|| Ok(()), Registry::new(), None);
    let (handle, server) = serve_probes(listener, probes, Some(&tls)).unwrap();
    let server = tokio::spawn(server);

    let trusting_it = client(trusting(&folder.files().ca).unwrap());
    let first = shown(&trusting_it, &url).await;
    assert_eq!(shown(&client(tls.https_client()), &url).await, first);

    let refused = within("a refusal", reqwest::Client::new().get(&url).send()).await.unwrap_err();
    let failure: Failure = refusal(&url, Reason::HeadUnreachable, &refused).unwrap();
    assert!(failure.reason == Reason::HeadUnreachable && failure.message.contains("not signed by"), "{failure:?}");
    let plain = within("a refusal", reqwest::Client::new().get(format!("http://{address}/healthz")).send()).await;
    plain.unwrap_err();

    // What it shows is what the file holds.
    folder.write(&authority.sign(&["127.0.0.1"]), &authority.pem);
    let replaced = async {
        while shown(&trusting_it, &url).await == first {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    within("the new certificate", replaced).await;
    handle.stop(false).await;
    server.await.unwrap().unwrap();
}
