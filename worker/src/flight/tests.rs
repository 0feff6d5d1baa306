//! Stores that exchange partitions over real connections.

use arrow_flight::flight_service_client::FlightServiceClient;
use shoal_core::task::PartitionSource;
use shoal_core::{Reason, WorkerId};
use shoal_wire::failure::from_status;
use tonic::Code;

use super::*;
use crate::shared::AbortOnDrop;
use crate::store::tests::{TestStore, attempt, flip_a_byte, many_rows, store};

/// A store that others can reach.
struct Server {
    test: TestStore,
    url: String,
    serving: AbortOnDrop<()>,
}

async fn server(name: &str, memory_bytes: u64, token: Option<Token>) -> Server {
    let test = store(name, memory_bytes, token.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = serve_partitions(listener, test.store.clone(), test.metrics.clone(), token, None);
    let serving = AbortOnDrop(tokio::spawn(async move { serving.await.unwrap() }));
    Server { test, url, serving }
}

impl Server {
    /// Writes two buckets of an attempt and says where they are.
    async fn sources(&self, index: u32, count: i64) -> Vec<PartitionSource> {
        let metas = self.test.write(attempt(index), &[(0, many_rows(count)), (1, many_rows(count / 2))]).await;
        metas.iter().map(|meta| self.test.source(attempt(index), &self.url, meta)).collect()
    }
}

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

#[tokio::test]
async fn rows_of_several_workers_arrive_whole_and_bytes_add_up() {
    let secret = token("the cluster's-own-token".replace(' ', "-").as_str());
    let one = server("one", u64::MAX, Some(secret.clone())).await;
    let two = server("two", 0, Some(secret.clone())).await;
    let reader = store("three", u64::MAX, Some(secret));

    let local = reader.write(attempt(9), &[(0, many_rows(10))]).await;
    let mut sources = one.sources(0, 30_000).await;
    sources.extend(one.sources(1, 100).await);
    sources.extend(two.sources(2, 20_000).await);
    let remote: u64 = sources.iter().map(|source| source.partition.bytes).sum();
    sources.push(reader.source(attempt(9), "", &local[0]));

    let open = reader.store.clone();
    let counts = shoal_core::partition::PartitionStore::read(&*open, sources.clone()).await.unwrap();
    assert_eq!((counts.bytes_remote, counts.bytes_local), (remote, local[0].bytes));
    drop(counts);
    assert_eq!(reader.metrics.fetched_bytes.get(), 0, "nothing moves before it is asked for");

    let mut rows = reader.read(sources).await.unwrap();
    let counts = [30_000, 15_000, 100, 50, 20_000, 10_000, 10];
    let mut expected = counts.map(many_rows).concat();
    rows.sort();
    expected.sort();
    assert!(rows == expected, "{} of {} rows", rows.len(), expected.len());
    let served = one.test.metrics.served_bytes.get() + two.test.metrics.served_bytes.get();
    assert_eq!((served, reader.metrics.fetched_bytes.get()), (remote, remote));
}

#[tokio::test]
async fn damaged_bytes_are_found_and_named() {
    let holder = server("one", 0, None).await;
    let reader = store("two", 0, None);
    let mut sources = holder.sources(0, 1_000).await;
    sources.extend(holder.sources(1, 1_000).await);
    flip_a_byte(&holder.test, attempt(1), 0);
    let failure = reader.read(sources).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.attempt), (Reason::PartitionCorrupt, Some(attempt(1))));
    assert_eq!(failure.location.worker.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_partition_that_is_gone_keeps_its_type_over_the_wire() {
    let holder = server("one", u64::MAX, None).await;
    let reader = store("two", u64::MAX, None);
    let mut sources = holder.sources(0, 10).await;
    sources.extend(holder.sources(1, 10).await);
    holder.test.store.discard(attempt(1));
    let failure = reader.read(sources.clone()).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.attempt), (Reason::PartitionLost, Some(attempt(1))));
    assert_eq!(failure.location.worker.as_deref(), Some("one"));

    // A worker that is not there any more at all.
    drop(holder.serving);
    let failure = loop {
        // The listener closes when the aborted future is dropped, which is soon but not now.
        match reader.read(sources[..1].to_vec()).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(failure) => break failure,
        }
    };
    assert_eq!((failure.reason, failure.location.attempt), (Reason::PartitionLost, Some(attempt(0))));
    assert!(!failure.causes.is_empty());
}

#[tokio::test]
async fn a_report_that_differs_from_what_arrives_is_damage() {
    let holder = server("one", u64::MAX, None).await;
    let reader = store("two", u64::MAX, None);
    let mut sources = holder.sources(0, 10).await;
    sources[1].partition.rows += 1;
    let failure = reader.read(sources).await.unwrap_err();
    assert_eq!(failure.reason, Reason::PartitionCorrupt);
}

#[tokio::test]
async fn only_the_clusters_token_and_tickets_are_taken() {
    let holder = server("one", u64::MAX, Some(token("the-right-token-of-all"))).await;
    let sources = holder.sources(0, 10).await;
    for wrong in [None, Some(token("some-other-token-here"))] {
        let reader = store("two", u64::MAX, wrong);
        assert_eq!(reader.read(sources.clone()).await.unwrap_err().reason, Reason::Unauthorized);
    }

    let open = server("two", u64::MAX, None).await;
    let mut client = FlightServiceClient::new(transport::connect(&open.url, None).await.unwrap());
    let garbage = client.do_get(Ticket::new("SELECT 1")).await.unwrap_err();
    assert_eq!(from_status(&garbage).reason, Reason::IncompatibleVersion);
    let listed = client.list_flights(Criteria::default()).await.unwrap_err();
    assert_eq!(listed.code(), Code::Unimplemented);
    let name = WorkerId("two".into());
    assert_eq!(open.test.store.partition(attempt(0), 0).err().unwrap().location.worker, Some(name.to_string()));
}
