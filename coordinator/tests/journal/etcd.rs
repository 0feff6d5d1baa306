//! What only an etcd can do to a journal: heads that compete, and members that fail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::Client;
use shoal_coordinator::{EtcdConfig, EtcdJournal};
use shoal_core::Reason;
use shoal_core::journal::{Journal, Leadership, Record};
use shoal_testkit::Etcd;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::place::{OneEtcd, Place};
use crate::samples::{facts, started};

/// For what takes seconds at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// A lease that does not run out while a test makes trouble of another kind.
const LONG: Duration = Duration::from_secs(60);

async fn head(etcd: &Etcd, change: impl FnOnce(&mut EtcdConfig)) -> Arc<EtcdJournal> {
    let mut config = EtcdConfig::new(etcd.endpoints());
    change(&mut config);
    Arc::new(EtcdJournal::connect(config).await.unwrap())
}

fn campaign(head: &Arc<EtcdJournal>) -> JoinHandle<u64> {
    let head = head.clone();
    tokio::spawn(async move { head.campaign().await.unwrap() })
}

/// A process of its own, as far as time is concerned: nothing of it runs unless it is asked to.
fn process() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_head_that_was_paused_writes_nothing() {
    let etcd = Etcd::start(1);
    let (first, second) = (process(), process());
    let (paused, old) = first.block_on(async {
        let head = head(&etcd, |_| ()).await;
        let epoch = head.campaign().await.unwrap();
        head.append(epoch, vec![facts(1, 1)]).await.unwrap();
        (head, epoch)
    });
    // From here on nothing of the first runs, and its lease runs out.
    let since = Instant::now();
    let (leading, epoch) = second.block_on(async {
        let head = head(&etcd, |_| ()).await;
        let epoch = timeout(PATIENCE, head.campaign()).await.unwrap().unwrap();
        head.append(epoch, vec![facts(2, 1)]).await.unwrap();
        (head, epoch)
    });
    println!("another head led {:?} after the first was paused", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(10) && epoch > old);
    // It goes on where it was, and believes that it leads.
    first.block_on(async {
        let failure = paused.append(old, vec![started(1, 1)]).await.unwrap_err();
        assert_eq!(failure.reason, Reason::NotLeading);
        assert_eq!(timeout(PATIENCE, paused.lost()).await.unwrap().reason, Reason::NotLeading);
    });
    second.block_on(async {
        leading.append(epoch, vec![started(2, 1)]).await.unwrap();
        assert_eq!(leading.load().await.unwrap(), [facts(1, 1), facts(2, 1), started(2, 1)]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_resigns_hands_over_at_once() {
    let etcd = Etcd::start(1);
    let here = |config: &mut EtcdConfig| {
        config.advertise = Some("http://first:1".into());
        config.lease_ttl = LONG;
    };
    let (first, second, third) = (head(&etcd, here).await, head(&etcd, |_| ()).await, head(&etcd, |_| ()).await);
    let epoch = first.campaign().await.unwrap();
    // A candidate that gives up is none.
    let given_up = campaign(&third);
    let waiting = campaign(&second);
    timeout(PATIENCE, async {
        while second.leader().await.is_none() || third.leader().await.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(second.leader().await.as_deref(), Some("http://first:1"));
    given_up.abort();
    assert!(!waiting.is_finished());
    let since = Instant::now();
    first.resign().await;
    let next = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(since.elapsed() < LONG / 10, "it took {:?}", since.elapsed());
    assert!(next > epoch && second.leader().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_whose_key_or_lease_is_gone_leads_no_more() {
    let etcd = Etcd::start(1);
    let head = head(&etcd, |config| config.lease_ttl = LONG).await;
    head.campaign().await.unwrap();
    etcd.ctl(&["del", "/shoal/leader"]);
    assert_eq!(timeout(PATIENCE, head.lost()).await.unwrap().reason, Reason::NotLeading);
    let epoch = head.campaign().await.unwrap();
    let mut client = Client::connect(etcd.endpoints(), None).await.unwrap();
    let lease = client.get("/shoal/leader", None).await.unwrap().kvs()[0].lease();
    client.lease_revoke(lease).await.unwrap();
    assert_eq!(timeout(PATIENCE, head.lost()).await.unwrap().reason, Reason::NotLeading);
    assert_eq!(head.append(epoch, vec![facts(1, 1)]).await.unwrap_err().reason, Reason::NotLeading);
    assert_eq!(head.load().await.unwrap(), []);
}

/// Appends until it is told to stop; returns what it appended.
fn appending(
    head: &Arc<EtcdJournal>,
    epoch: u64,
    mut stop: tokio::sync::oneshot::Receiver<()>,
) -> JoinHandle<Vec<Record>> {
    let head = head.clone();
    tokio::spawn(async move {
        let mut appended = Vec::new();
        while stop.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            let number = u32::try_from(appended.len()).unwrap();
            let records = vec![started(1, number), started(1, number + 1)];
            head.append(epoch, records.clone()).await.unwrap();
            appended.extend(records);
        }
        appended
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_go_on_when_the_only_member_is_killed_and_comes_back() {
    let mut etcd = Etcd::start(1);
    let head = head(&etcd, |config| config.lease_ttl = LONG).await;
    let epoch = head.campaign().await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let appends = appending(&head, epoch, stopped);
    for _ in 0..3 {
        let before = head.load().await.unwrap().len();
        etcd.kill(0);
        etcd.restart(0);
        tokio::task::block_in_place(|| etcd.wait());
        timeout(PATIENCE, async { while head.load().await.unwrap().len() <= before {} }).await.unwrap();
    }
    stop.send(()).unwrap();
    let appended = timeout(PATIENCE, appends).await.unwrap().unwrap();
    assert!(head.load().await.unwrap() == appended, "each once, in their order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_three_members_survives_the_loss_of_any_and_waits_for_a_majority() {
    let mut etcd = Etcd::start(3);
    let head = head(&etcd, |config| config.lease_ttl = LONG).await;
    let epoch = head.campaign().await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let appends = appending(&head, epoch, stopped);
    let leader = tokio::task::block_in_place(|| etcd.leader());
    let before = head.load().await.unwrap().len();
    etcd.kill(leader);
    timeout(PATIENCE, async { while head.load().await.unwrap().len() <= before {} }).await.unwrap();
    // One of three is no majority: an append waits for the second.
    let other = (leader + 1) % 3;
    etcd.kill(other);
    stop.send(()).unwrap();
    let append = {
        let head = head.clone();
        tokio::spawn(async move { head.append(epoch, vec![facts(2, 1)]).await })
    };
    assert!(timeout(Duration::from_secs(1), head.load_job(crate::samples::uid(2))).await.is_err(), "nobody can read");
    assert!(!append.is_finished(), "nobody can write");
    etcd.restart(other);
    timeout(PATIENCE, append).await.unwrap().unwrap().unwrap();
    let mut expected = timeout(PATIENCE, appends).await.unwrap().unwrap();
    expected.push(facts(2, 1));
    assert!(head.load().await.unwrap() == expected, "each once, in their order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_a_majority_stops_leading_and_leads_again_with_one() {
    let mut etcd = Etcd::start(1);
    let head = head(&etcd, |_| ()).await;
    let epoch = head.campaign().await.unwrap();
    etcd.kill(0);
    let since = Instant::now();
    let failure = timeout(PATIENCE, head.append(epoch, vec![facts(1, 1)])).await.unwrap().unwrap_err();
    assert_eq!(failure.reason, Reason::NotLeading, "{failure:?}");
    assert!(since.elapsed() < Duration::from_secs(5), "it took {:?}", since.elapsed());
    assert_eq!(head.lost().await.reason, Reason::NotLeading);
    let campaign = campaign(&head);
    etcd.restart(0);
    let again = timeout(PATIENCE, campaign).await.unwrap().unwrap();
    assert!(again > epoch);
    head.append(again, vec![facts(2, 1)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_disturbs_nobody() {
    let place = OneEtcd::new();
    let (leading, waiting) = (place.open().await, Arc::new(place.open().await));
    let epoch = leading.campaign().await.unwrap();
    let campaign = campaign(&waiting);
    let mut client = Client::connect(place.0.endpoints(), None).await.unwrap();
    let mut expected = Vec::new();
    for number in 0..20 {
        let records = vec![started(1, number), facts(2, 100_000)];
        leading.append(epoch, records.clone()).await.unwrap();
        expected.extend(records);
        let revision = client.get("/shoal/identity", None).await.unwrap().header().unwrap().revision();
        client.compact(revision, None).await.unwrap();
    }
    expected.sort_by_key(Record::job);
    assert!(leading.load().await.unwrap() == expected, "all records are there");
    leading.resign().await;
    let next = timeout(PATIENCE, campaign).await.unwrap().unwrap();
    assert!(next > epoch);
    assert!(waiting.load().await.unwrap() == expected, "all records are there for the next head");
}
