//! A state moves between folders and etcds: what a platform engineer does to change where heads keep it.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use shoal_core::history::JobHistory;
use shoal_core::journal::Record;
use shoal_testkit::Etcd;

use super::tests::{at, body, corpus, imported, kinds};
use super::*;
use crate::EtcdConfig;

fn below(etcd: &Etcd, prefix: &str) -> StateConfig {
    StateConfig::Etcd(EtcdConfig { prefix: prefix.to_owned(), ..EtcdConfig::new(etcd.endpoints()) })
}

async fn import_into(state: StateConfig, text: &str) -> Result<Imported, Failure> {
    import(state, text.as_bytes(), "export", &kinds()).await
}

/// The epoch of a head that starts there.
async fn next_epoch(state: StateConfig) -> u64 {
    let Stores { leadership, .. } = Stores::open(state).await.unwrap();
    let epoch = leadership.campaign().await.unwrap();
    leadership.resign().await;
    epoch
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_moves_from_a_folder_to_etcd_on_to_another_prefix_and_back() {
    let etcd = Etcd::start(1);
    let (first, last) = (imported(&corpus(2)).await, tempfile::tempdir().unwrap());
    let places = [at(first.path()), below(&etcd, "/one/"), below(&etcd, "/two/"), at(last.path())];
    let (original, report) =
        (export(places[0].clone(), &[]).await.unwrap(), check(places[0].clone(), &kinds()).await.unwrap());
    let mut epochs = vec![next_epoch(places[0].clone()).await];
    for (from, to) in places.iter().zip(&places[1..]) {
        let moved = export(from.clone(), &[]).await.unwrap();
        let counts = import_into(to.clone(), &moved.lines).await.unwrap();
        assert_eq!((counts.jobs, counts.records), (original.jobs, original.records));
        assert_eq!(body(&export(to.clone(), &[]).await.unwrap()), body(&original), "{to:?}");
        assert_eq!(check(to.clone(), &kinds()).await.unwrap(), report, "{to:?}");
        epochs.push(next_epoch(to.clone()).await);
    }
    assert!(epochs.is_sorted_by(|before, after| before < after), "workers follow each in turn: {epochs:?}");
    // What was moved is left as it was.
    assert_eq!(body(&export(places[1].clone(), &[]).await.unwrap()), body(&original));
    let failure = import_into(places[2].clone(), &original.lines).await.unwrap_err();
    assert!(failure.reason == Reason::NotPossible && failure.location.file == etcd.endpoints().pop(), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_go_on_above_the_epochs_of_where_the_state_came_from() {
    const SEEN: u64 = 1_000_000;
    let (etcd, folder) = (Etcd::start(1), tempfile::tempdir().unwrap());
    let text = corpus(2).replacen("\"build\"", &format!("\"epoch\":{SEEN},\"build\""), 1);
    for state in [at(folder.path()), below(&etcd, "/shoal/")] {
        import_into(state.clone(), &text).await.unwrap();
        let mut last = SEEN;
        for number in 0..3 {
            let stores = Stores::open(state.clone()).await.unwrap();
            let before = stores.journal.load().await.unwrap();
            let epoch = stores.leadership.campaign().await.unwrap();
            assert!(epoch > last, "{epoch} after {last}");
            let facts = Record::Facts { job: JobUid(uuid::Uuid::from_u128(number)), facts: json!(0).into() };
            stores.journal.append(epoch, vec![facts]).await.unwrap();
            let failure = stores.journal.append(last, Vec::new()).await.unwrap_err();
            assert_eq!(failure.reason, Reason::NotLeading);
            assert_eq!(stores.journal.load().await.unwrap().len(), before.len() + 1);
            stores.leadership.resign().await;
            last = epoch;
        }
        let exported = export(state, &[]).await.unwrap().lines;
        let header: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
        assert!(header["epoch"].as_u64().unwrap() >= last, "{header}");
    }
    let senseless = corpus(2).replacen("\"build\"", &format!("\"epoch\":{},\"build\"", u64::MAX), 1);
    let failure = import_into(below(&etcd, "/other/"), &senseless).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.line), (Reason::CorruptFile, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_an_etcd_makes_no_state_and_needs_no_lead() {
    let etcd = Etcd::start(1);
    let none = below(&etcd, "/none/");
    for failure in [check(none.clone(), &kinds()).await.unwrap_err(), export(none.clone(), &[]).await.unwrap_err()] {
        assert_eq!(failure.reason, Reason::InvalidValue);
        assert!(failure.message.contains("/none/") && failure.location.file == etcd.endpoints().pop(), "{failure:?}");
        assert!(failure.next.is_some());
    }
    assert_eq!(etcd.ctl(&["get", "--prefix", "/none/", "--keys-only"]).trim(), "");

    let state = below(&etcd, "/shoal/");
    import_into(state.clone(), &corpus(2)).await.unwrap();
    let stores = Stores::open(state.clone()).await.unwrap();
    stores.leadership.campaign().await.unwrap();
    assert_eq!(check(state.clone(), &kinds()).await.unwrap().problems, []);
    assert_eq!(export(state.clone(), &[]).await.unwrap().jobs, 3);
    // Written to it is nothing while a head leads.
    let failure = import_into(state, &corpus(2)).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.file), (Reason::StateLocked, etcd.endpoints().pop()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_in_etcd_is_told_with_its_key_and_left_out() {
    let etcd = Etcd::start(1);
    let state = below(&etcd, "/shoal/");
    import_into(state.clone(), &corpus(2)).await.unwrap();
    let keys = etcd.ctl(&["get", "--prefix", "/shoal/records/", "--keys-only"]);
    let damaged = keys.lines().next().unwrap();
    etcd.ctl(&["put", damaged, "{\"v\":2,\"rec"]);
    let report = check(state.clone(), &kinds()).await.unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
    let problem = &report.problems[0];
    assert_eq!((problem.key.as_deref(), problem.failure.reason), (Some(damaged), Reason::CorruptFile));
    let failure = export(state.clone(), &[]).await.unwrap_err();
    assert_eq!(failure.reason, Reason::CorruptFile);
    let rest = export(state, &[problem.job.unwrap()]).await.unwrap();
    assert_eq!(import_into(below(&etcd, "/rest/"), &rest.lines).await.unwrap().jobs, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_etcd_has_no_room_for_says_whether_a_part_of_it_stayed() {
    const QUOTA_BYTES: u64 = 4 << 20;
    // Five times as much as there is room for.
    const JOBS: usize = 40;
    let etcd = Etcd::start_small(QUOTA_BYTES);
    let state = below(&etcd, "/shoal/");
    let histories = (0..JOBS as u128).map(|job| {
        let job = JobUid(uuid::Uuid::from_u128(job));
        let mut history = JobHistory { attempts_left_out: 1, ..JobHistory::default() };
        let line = json!({"seq": 0, "atMs": 0, "level": "Info", "text": "x".repeat(QUOTA_BYTES as usize / 8)});
        history.lines.push(serde_json::from_value(line).unwrap());
        String::from_utf8(shoal_core::journal::encode(&Record::History { job, history: Box::new(history) }).unwrap())
    });
    let histories: Vec<String> = histories.map(Result::unwrap).collect();
    let end = json!({"end": {"jobs": JOBS, "records": JOBS}});
    let large = format!("{{\"shoalState\":1}}\n{}\n{end}\n", histories.join("\n"));
    let failure = import_into(state.clone(), &large).await.unwrap_err();
    assert_eq!(failure.reason, Reason::ResourcesExhausted, "{failure:?}");
    // Whether a full etcd takes the deletes depends on what is left: what is said is true in both cases.
    let stayed = failure.message.contains("a part of the import is stored");
    let next = failure.next.unwrap();
    assert!(next.contains("alarm disarm") && next.contains("empty the state") == stayed, "{next}");
    etcd.make_room();
    assert_eq!(check(state.clone(), &kinds()).await.unwrap().histories > 0, stayed);
    if stayed {
        assert_eq!(import_into(state.clone(), &corpus(2)).await.unwrap_err().reason, Reason::NotPossible);
        etcd.ctl(&["del", "--prefix", "/shoal/"]);
    }
    import_into(state, &corpus(2)).await.unwrap();
}
