//! An etcd that takes nothing more, and one that has lost what it had.

use std::time::Duration;

use etcd_client::Client;
use shoal_coordinator::{EtcdConfig, EtcdJournal};
use shoal_core::journal::{Journal, Leadership, Record};
use shoal_core::{Failure, Reason};
use shoal_testkit::Etcd;
use tokio::time::timeout;

use crate::samples::{facts, uid};

/// For what takes seconds at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of etcd's file: some appends, each of which it writes more than once until it is asked to make room.
const QUOTA_BYTES: u64 = 16 << 20;

/// Bytes of an append.
const APPEND: usize = 500_000;

/// A lease that outlives what is done to etcd here.
const LONG: Duration = Duration::from_secs(60);

fn config(etcd: &Etcd) -> EtcdConfig {
    EtcdConfig { lease_ttl: LONG, ..EtcdConfig::new(etcd.endpoints()) }
}

fn is_told(failure: &Failure, etcd: &Etcd) {
    assert_eq!(failure.reason, Reason::ResourcesExhausted, "{failure:?}");
    assert!(failure.message.contains("full"), "{failure:?}");
    assert_eq!(failure.location.file, etcd.endpoints().pop());
    let next = failure.next.as_deref().unwrap();
    for step in ["compact", "defrag", "alarm disarm"] {
        assert!(next.contains(step), "`{step}` is not in: {next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_is_full_refuses_appends_and_goes_on_once_there_is_room() {
    let etcd = Etcd::start_small(QUOTA_BYTES);
    // What somebody else keeps there, and lets go later.
    let mut client = Client::connect(etcd.endpoints(), None).await.unwrap();
    for key in ["/others/1", "/others/2"] {
        client.put(key, vec![0; 1 << 20], None).await.unwrap();
    }
    let head = EtcdJournal::connect(config(&etcd)).await.unwrap();
    let epoch = head.campaign().await.unwrap();
    let mut acknowledged = Vec::new();
    let failure = loop {
        let record = facts(acknowledged.len() as u128, APPEND);
        assert!(acknowledged.len() * APPEND < 2 * QUOTA_BYTES as usize, "it never gets full");
        match head.append(epoch, vec![record.clone()]).await {
            Ok(()) => acknowledged.push(record),
            Err(failure) => break failure,
        }
    };
    is_told(&failure, &etcd);
    assert!(!acknowledged.is_empty(), "some were taken before");
    let stored = head.load().await.unwrap();
    let (before, after) = stored.split_at(acknowledged.len().min(stored.len()));
    assert!(before == acknowledged, "nothing acknowledged is lost");
    // Nothing more is there, or all of what was refused: the very request that fills etcd is carried out, and refused all the
    // same. Heads read what is stored before they go on.
    let refused = facts(acknowledged.len() as u128, APPEND);
    assert!(after.is_empty() || after == [refused], "{} records more", after.len());
    acknowledged = stored;

    // A head that starts meanwhile is told the same: neither led nor begun is anything.
    head.resign().await;
    is_told(&head.campaign().await.unwrap_err(), &etcd);
    let elsewhere = EtcdConfig { prefix: "/other/".into(), ..config(&etcd) };
    is_told(&EtcdJournal::connect(elsewhere.clone()).await.err().unwrap(), &etcd);
    assert!(head.load().await.unwrap() == acknowledged, "reading goes on");

    etcd.ctl(&["del", "--prefix", "/others/"]);
    tokio::task::block_in_place(|| etcd.make_room());
    let epoch = timeout(PATIENCE, head.campaign()).await.unwrap().unwrap();
    head.append(epoch, vec![Record::Forgotten { job: uid(0) }]).await.unwrap();
    acknowledged.remove(0);
    let record = facts(1_000, 1);
    head.append(epoch, vec![record.clone()]).await.unwrap();
    acknowledged.push(record);
    assert!(head.load().await.unwrap() == acknowledged, "nothing acknowledged is lost");
    EtcdJournal::connect(elsewhere).await.unwrap();
}

/// The state was there, and is not any more.
fn is_gone(failure: &Failure) {
    assert_eq!(failure.reason, Reason::NotPossible, "{failure:?}");
    assert!(failure.message.contains("gone") && failure.next.as_deref().unwrap().contains("backup"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_was_set_up_anew_is_not_taken_for_the_one_before() {
    let mut etcd = Etcd::start(1);
    let (leading, waiting) =
        (EtcdJournal::connect(config(&etcd)).await.unwrap(), EtcdJournal::connect(config(&etcd)).await.unwrap());
    let epoch = leading.campaign().await.unwrap();
    leading.append(epoch, vec![facts(1, 1)]).await.unwrap();
    etcd.kill(0);
    etcd.lose_data(0);
    etcd.restart(0);
    tokio::task::block_in_place(|| etcd.wait());
    let append = timeout(PATIENCE, leading.append(epoch, vec![facts(2, 1)])).await.unwrap();
    let failure = append.unwrap_err();
    // Whatever it notices first: that nobody leads there, or that nothing is there.
    assert!([Reason::NotPossible, Reason::NotLeading].contains(&failure.reason), "{failure:?}");
    for head in [&leading, &waiting] {
        is_gone(&timeout(PATIENCE, head.campaign()).await.unwrap().unwrap_err());
    }
    assert_eq!(etcd.ctl(&["get", "--prefix", "/shoal/", "--keys-only"]).trim(), "", "nothing was begun in its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_deleted_below_a_head_is_not_begun_anew() {
    let etcd = Etcd::start(1);
    let head = EtcdJournal::connect(config(&etcd)).await.unwrap();
    let epoch = head.campaign().await.unwrap();
    head.append(epoch, vec![facts(1, 1)]).await.unwrap();
    etcd.ctl(&["del", "--prefix", "/shoal/"]);
    assert_eq!(head.append(epoch, vec![facts(2, 1)]).await.unwrap_err().reason, Reason::NotLeading);
    is_gone(&timeout(PATIENCE, head.campaign()).await.unwrap().unwrap_err());
    assert_eq!(etcd.ctl(&["get", "--prefix", "/shoal/", "--keys-only"]).trim(), "");
}
