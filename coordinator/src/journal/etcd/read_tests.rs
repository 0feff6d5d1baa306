//! Reading goes page by page, and etcd is compacted in the middle of it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use etcd_client::{Client, Txn, TxnOp};
use shoal_testkit::Etcd;

use super::*;
use crate::journal::etcd::EtcdConfig;
use crate::journal::etcd::session::Missing;

const PREFIX: &str = "/shoal/records/";

/// Keys of a state, all of which are written together.
const KEYS: usize = 100;

async fn session(etcd: &Etcd) -> Session {
    Session::open(EtcdConfig::new(etcd.endpoints()), Missing::Begin).await.unwrap().0
}

/// Writes all keys anew, in one transaction, and returns the revision at which that happened.
async fn write(client: &mut Client, version: usize) -> i64 {
    let puts: Vec<TxnOp> =
        (0..KEYS).map(|key| TxnOp::put(format!("{PREFIX}{key:03}"), version.to_string(), None)).collect();
    client.txn(Txn::new().and_then(puts)).await.unwrap().header().unwrap().revision()
}

/// The version of which a state is, all of it.
fn version_of(entries: &[Entry]) -> usize {
    assert_eq!(entries.len(), KEYS, "none is missing and none is there twice");
    let versions: BTreeSet<&[u8]> = entries.iter().map(|(_, value)| value.as_slice()).collect();
    assert_eq!(versions.len(), 1, "a state is of one version: {versions:?}");
    String::from_utf8(versions.into_iter().next().unwrap().to_vec()).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_of_one_revision_or_none() {
    let etcd = Etcd::start(1);
    let session = session(&etcd).await;
    let mut client = Client::connect(etcd.endpoints(), None).await.unwrap();
    write(&mut client, 1).await;

    // Written to in the middle, and compacted up to that revision: it is still known.
    let (mut snapshot, mut range) = (Snapshot::new(&session, 40), Range::below(PREFIX));
    let Page::Read { mut entries, more: true } = snapshot.page(&mut range).await.unwrap() else { panic!() };
    write(&mut client, 2).await;
    client.compact(snapshot.revision, None).await.unwrap();
    while let Page::Read { entries: next, more } = snapshot.page(&mut range).await.unwrap() {
        entries.extend(next);
        if !more {
            break;
        }
    }
    assert_eq!(version_of(&entries), 1);

    // Compacted beyond it: nothing more is told of it, in this range or the next.
    let (mut snapshot, mut range) = (Snapshot::new(&session, 40), Range::below(PREFIX));
    assert!(matches!(snapshot.page(&mut range).await.unwrap(), Page::Read { more: true, .. }));
    let revision = write(&mut client, 3).await;
    client.compact(revision, None).await.unwrap();
    assert_eq!(snapshot.page(&mut range).await.unwrap(), Page::Compacted);
    assert_eq!(snapshot.page(&mut Range::below("/shoal/apart/")).await.unwrap(), Page::Compacted);
    // Whoever reads all of it begins anew, and finds what is there now.
    let [entries] = read_entries(&session, [PREFIX], 40).await.unwrap();
    assert_eq!(version_of(&entries), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_while_etcd_is_compacted_gets_one_state_or_a_failure() {
    let etcd = Etcd::start(1);
    let session = session(&etcd).await;
    let mut client = Client::connect(etcd.endpoints(), None).await.unwrap();
    write(&mut client, 0).await;
    let done = AtomicBool::new(false);
    let writes = async {
        let mut version = 0;
        while !done.load(Ordering::Relaxed) {
            version += 1;
            let revision = write(&mut client, version).await;
            client.compact(revision, None).await.unwrap();
        }
        version
    };
    let reads = async {
        let (mut read, mut refused) = (Vec::new(), 0);
        // Of one page each, so that some are never disturbed, and of so many that some always are.
        for page_keys in [1, KEYS as i64].into_iter().cycle().take(40) {
            match read_entries(&session, [PREFIX, PREFIX], page_keys).await {
                Ok([one, other]) => {
                    assert_eq!(one, other, "both ranges are of one revision");
                    read.push(version_of(&one));
                }
                Err(failure) => {
                    assert!(failure.reason == Reason::Io && failure.next.is_some(), "{failure:?}");
                    refused += 1;
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        (read, refused)
    };
    let (written, (read, refused)) = tokio::join!(writes, reads);
    println!("{} states were read and {refused} readings given up while {written} were written", read.len());
    assert!(read.is_sorted() && !read.is_empty(), "{read:?}");
    let [entries] = read_entries(&session, [PREFIX], 1).await.unwrap();
    assert_eq!(version_of(&entries), written);
}
