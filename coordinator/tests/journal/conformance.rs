//! What every store must do.

use std::sync::Arc;
use std::time::Duration;

use shoal_core::Reason;
use shoal_core::history::JobHistory;
use shoal_core::journal::{Journal, Leadership, RECORD_VERSION, Record, decode};
use tokio::time::timeout;

use crate::place::{Folder, OneEtcd, Place};
use crate::samples::{corpus, ended, facts, history, started, uid};

/// For what happens within milliseconds unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

macro_rules! conformance {
    ($($case:ident),+ $(,)?) => {
        mod redb {
            $(#[tokio::test(flavor = "multi_thread")] async fn $case() { super::$case::<super::Folder>().await })+
        }
        mod etcd {
            $(#[tokio::test(flavor = "multi_thread")] async fn $case() { super::$case::<super::OneEtcd>().await })+
        }
    };
}

conformance!(
    records_keep_the_order_of_their_job,
    what_an_ended_job_did_on_its_way_goes,
    histories_are_kept_apart,
    a_large_record_is_one_record,
    ten_thousand_records_go_in_at_once,
    appends_that_overlap_keep_their_order,
    epochs_rise_and_an_old_one_writes_nothing,
    a_head_that_resigned_writes_nothing,
    records_of_every_version_load,
    records_of_a_newer_build_are_refused,
);

async fn records_keep_the_order_of_their_job<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let epoch = store.campaign().await.unwrap();
    assert_eq!(store.load().await.unwrap(), []);
    store.append(epoch, vec![facts(2, 1), facts(1, 1), started(2, 1), started(1, 1)]).await.unwrap();
    store.append(epoch, vec![started(1, 2)]).await.unwrap();
    store.append(epoch, Vec::new()).await.unwrap();
    store.resign().await;
    drop(store);

    let store = place.open().await;
    let epoch = store.campaign().await.unwrap();
    store.append(epoch, vec![started(2, 2), started(1, 3)]).await.unwrap();
    let of = |records: &[Record], job: u128| -> Vec<Record> {
        records.iter().filter(|record| record.job() == uid(job)).cloned().collect()
    };
    let all = store.load().await.unwrap();
    assert_eq!(all.len(), 7);
    assert_eq!(of(&all, 1), [facts(1, 1), started(1, 1), started(1, 2), started(1, 3)]);
    assert_eq!(of(&all, 2), [facts(2, 1), started(2, 1), started(2, 2)]);
    for job in [1, 2] {
        assert_eq!(store.load_job(uid(job)).await.unwrap(), of(&all, job));
    }
    assert_eq!(store.load_job(uid(3)).await.unwrap(), []);
}

async fn what_an_ended_job_did_on_its_way_goes<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let epoch = store.campaign().await.unwrap();
    store.append(epoch, vec![facts(1, 1), started(1, 1), facts(2, 1), started(2, 1), facts(3, 1)]).await.unwrap();
    store.append(epoch, vec![started(2, 2), ended(1, false), ended(2, true)]).await.unwrap();
    let expected =
        [facts(1, 1), ended(1, false), facts(2, 1), started(2, 1), started(2, 2), ended(2, true), facts(3, 1)];
    assert_eq!(store.load().await.unwrap(), expected);
    // All of a job's life in one append.
    let life = vec![facts(4, 1), started(4, 1), ended(4, false), Record::Forgotten { job: uid(1) }];
    store.append(epoch, life).await.unwrap();
    assert_eq!(store.load_job(uid(4)).await.unwrap(), [facts(4, 1), ended(4, false)]);
    assert_eq!(store.load_job(uid(1)).await.unwrap(), []);
    let rest = vec![ended(2, false), Record::Forgotten { job: uid(3) }, Record::Forgotten { job: uid(9) }];
    store.append(epoch, rest).await.unwrap();
    assert_eq!(store.load().await.unwrap(), [facts(2, 1), ended(2, false), facts(4, 1), ended(4, false)]);
}

async fn histories_are_kept_apart<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let epoch = store.campaign().await.unwrap();
    assert_eq!(store.load_history(uid(1)).await.unwrap(), None);
    // The later one of an append stands for both, and none is cut away with what an ended job did.
    let records = vec![facts(1, 1), history(1, 1), facts(2, 1), history(2, 7), history(1, 2), ended(1, false)];
    store.append(epoch, records).await.unwrap();
    let left_out = |history: Option<JobHistory>| history.map(|history| history.attempts_left_out);
    assert_eq!(left_out(store.load_history(uid(1)).await.unwrap()), Some(2));
    store.append(epoch, vec![history(1, 3)]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), [facts(1, 1), ended(1, false), facts(2, 1)]);
    assert_eq!(store.load_job(uid(1)).await.unwrap(), [facts(1, 1), ended(1, false)]);
    store.resign().await;
    drop(store);

    let store = place.open().await;
    let epoch = store.campaign().await.unwrap();
    assert_eq!(left_out(store.load_history(uid(1)).await.unwrap()), Some(3));
    // All that is stored, as bytes.
    let mut of_job: Vec<Record> = Vec::new();
    for stored in store.scan().await.unwrap() {
        let record = decode(&stored.bytes).unwrap();
        assert_eq!(record.job(), stored.job);
        if stored.job == uid(1) {
            of_job.push(record);
        }
    }
    assert_eq!(of_job, [facts(1, 1), ended(1, false), history(1, 3)]);
    // A forgotten job's goes with it, and no other's.
    store.append(epoch, vec![Record::Forgotten { job: uid(1) }]).await.unwrap();
    assert_eq!(store.load_history(uid(1)).await.unwrap(), None);
    assert_eq!(left_out(store.load_history(uid(2)).await.unwrap()), Some(7));
    assert_eq!(store.scan().await.unwrap().len(), 2);
}

async fn a_large_record_is_one_record<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let epoch = store.campaign().await.unwrap();
    let records = vec![facts(1, 10), facts(1, 5 << 20), started(1, 1), facts(2, (1 << 20) - 4_096)];
    store.append(epoch, records.clone()).await.unwrap();
    assert!(store.load().await.unwrap() == records, "large records come back as they were");
    store.append(epoch, vec![ended(1, false)]).await.unwrap();
    assert_eq!(store.load_job(uid(1)).await.unwrap(), [facts(1, 10), ended(1, false)]);
}

async fn ten_thousand_records_go_in_at_once<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let epoch = store.campaign().await.unwrap();
    let records: Vec<Record> = (0..10_000).map(|number| started(1, number)).collect();
    store.append(epoch, records.clone()).await.unwrap();
    store.resign().await;
    drop(store);
    assert!(place.open().await.load().await.unwrap() == records, "all records come back in their order");
}

async fn appends_that_overlap_keep_their_order<P: Place>() {
    let place = P::new();
    let store = Arc::new(place.open().await);
    let epoch = store.campaign().await.unwrap();
    let appends: Vec<_> = (0..50)
        .map(|job| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..4 {
                    store.append(epoch, vec![started(job, 2 * number), started(job, 2 * number + 1)]).await.unwrap();
                }
            })
        })
        .collect();
    for append in appends {
        append.await.unwrap();
    }
    for job in 0..50 {
        let expected: Vec<Record> = (0..8).map(|number| started(job, number)).collect();
        assert_eq!(store.load_job(uid(job)).await.unwrap(), expected);
    }
}

async fn epochs_rise_and_an_old_one_writes_nothing<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    assert_eq!(store.append(0, vec![facts(1, 1)]).await.unwrap_err().reason, Reason::NotLeading);
    let mut epochs = Vec::new();
    for _ in 0..3 {
        epochs.push(store.campaign().await.unwrap());
        let now = epochs[epochs.len() - 1];
        store.append(now, vec![facts(u128::from(now), 1)]).await.unwrap();
    }
    assert!(epochs.is_sorted_by(|earlier, later| earlier < later), "{epochs:?}");
    for old in [epochs[0], epochs[1], epochs[2] + 1] {
        let failure = store.append(old, vec![started(1, 99)]).await.unwrap_err();
        assert!(failure.reason == Reason::NotLeading && failure.next.is_some(), "{failure:?}");
    }
    assert_eq!(store.load().await.unwrap().len(), 3);
    store.resign().await;
    drop(store);
    let later = place.open().await.campaign().await.unwrap();
    assert!(later > epochs[2], "also after the head is started again");
}

async fn a_head_that_resigned_writes_nothing<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    assert_eq!(store.lost().await.reason, Reason::NotLeading);
    let epoch = store.campaign().await.unwrap();
    assert!(timeout(Duration::from_millis(50), store.lost()).await.is_err(), "it leads");
    assert_eq!(store.leader().await, None, "the head that leads is no other one");
    store.append(epoch, vec![facts(1, 1)]).await.unwrap();
    store.resign().await;
    assert_eq!(timeout(PATIENCE, store.lost()).await.unwrap().reason, Reason::NotLeading);
    assert_eq!(store.append(epoch, vec![facts(2, 1)]).await.unwrap_err().reason, Reason::NotLeading);
    assert_eq!(store.load().await.unwrap(), [facts(1, 1)]);
}

async fn records_of_every_version_load<P: Place>() {
    let place = P::new();
    let mut expected = Vec::new();
    for (version, job) in (1..=RECORD_VERSION).zip(1..) {
        for (line, number) in corpus(version).iter().zip(0..) {
            // Stores keep records by job and number, whatever the record itself says.
            place.plant(uid(job), number, line.as_bytes()).await;
            expected.push(decode(line.as_bytes()).unwrap());
        }
    }
    assert_eq!(place.open().await.load().await.unwrap(), expected);
}

async fn records_of_a_newer_build_are_refused<P: Place>() {
    let place = P::new();
    place.plant(uid(1), 0, br#"{"v": 9000, "record": {"teleported": {}}}"#).await;
    let failure = place.open().await.load().await.unwrap_err();
    assert_eq!(failure.reason, Reason::IncompatibleVersion);
    assert!(failure.next.is_some() && failure.location.file.is_some(), "{failure:?}");
}
