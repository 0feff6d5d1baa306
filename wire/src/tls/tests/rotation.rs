//! Certificates and authorities that are replaced while processes run.

use std::time::Duration;

use super::authority::{Authority, Folder, local};
use super::connections::{Echo, Stream, echo, open};
use super::within;

fn shown(stream: &Stream) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test]
async fn new_connections_see_a_new_certificate_and_old_ones_go_on() {
    let authority = Authority::new("one");
    let ((files, server), (_client_files, client)) = (local(&authority), local(&authority));
    let server = Echo::start(Some(server)).await;
    let mut old = open(&client, server.address).await.unwrap();
    echo(&mut old, "before").await.unwrap();

    files.write(&authority.sign(&["127.0.0.1"]), &authority.pem);
    let replaced = async {
        loop {
            let stream = open(&client, server.address).await.unwrap();
            if shown(&stream) != shown(&old) {
                return stream;
            }
            pause().await;
        }
    };
    echo(&mut within("the new certificate", replaced).await, "new").await.unwrap();
    echo(&mut old, "after").await.unwrap();
}

/// Waits until a client gets through, or does not any more.
async fn until(what: &str, is_through: bool, client: &crate::Tls, server: &Echo) {
    let changed = async {
        loop {
            let through = match open(client, server.address).await {
                Ok(mut stream) => echo(&mut stream, "hello").await.is_ok(),
                Err(_) => false,
            };
            if through == is_through {
                return;
            }
            pause().await;
        }
    };
    within(what, changed).await;
}

#[tokio::test]
async fn an_authority_is_replaced_without_a_gap_and_then_counts_no_more() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let both = format!("{}{}", old.pem, new.pem);
    let hosts = ["127.0.0.1"];
    let (server_files, server) = local(&old);
    let (client_files, client) = local(&old);
    let left_behind = Folder::new(&old, &hosts);
    let left_behind = left_behind.tls();
    let server = Echo::start(Some(server)).await;

    // First everybody trusts both, then certificates are replaced, then the old one is trusted no more.
    for files in [&server_files, &client_files] {
        std::fs::write(files.files().ca, &both).unwrap();
    }
    client_files.write(&new.sign(&hosts), &both);
    server_files.write(&new.sign(&hosts), &both);
    until("the server is unknown to who was left behind", false, &left_behind, &server).await;
    client_files.write(&new.sign(&hosts), &new.pem);
    server_files.write(&new.sign(&hosts), &new.pem);
    let late = Folder::new(&old, &hosts);
    late.write(&old.sign(&hosts), &both);
    until("a certificate of the old authority is refused", false, &late.tls(), &server).await;
    until("both are new", true, &client, &server).await;
}

#[tokio::test]
async fn the_watch_ends_with_what_it_is_for() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (_files, tls) = local(&Authority::new("one"));
    let server = tls.rest_server().unwrap();
    drop(tls);
    assert_eq!(tasks(), before + 1, "a server still shows the certificate");
    drop(server);
    let ended = async {
        while tasks() > before {
            pause().await;
        }
    };
    within("the end of the watch", ended).await;
}
