#![allow(clippy::unwrap_used)]

use serde_json::json;
use shoal_core::{AttemptId, TaskId, WorkerId};

use super::super::read::{assemble, decode};
use super::*;

fn uid(job: u128) -> JobUid {
    JobUid(uuid::Uuid::from_u128(job))
}

fn facts(job: u128, bytes: usize) -> Record {
    Record::Facts { job: uid(job), facts: json!("x".repeat(bytes)).into() }
}

fn started(job: u128, number: u32) -> Record {
    let attempt = AttemptId { task: TaskId { job: uid(job), stage: 0, index: 0 }, number };
    Record::AttemptStarted {
        attempt,
        worker: WorkerId("w".into()),
        instance: "i".into(),
        queued_ms: 0,
        at_ms: 0,
        duplicate: false,
    }
}

fn ended(job: u128) -> Record {
    let status = json!({
        "name": "j", "uid": uid(job), "kind": "k", "phase": "Succeeded", "progress": {}, "outputs": [], "report": {},
    });
    Record::Ended { job: uid(job), status: serde_json::from_value(status).unwrap(), resumable: false }
}

/// etcd as far as it matters here, with its own limits.
#[derive(Default)]
struct Model(BTreeMap<String, Vec<u8>>);

impl Model {
    fn apply(&mut self, transaction: &Transaction) {
        let Transaction { puts, deletes, .. } = transaction;
        assert!(puts.len() + deletes.len() <= 128);
        let bytes: usize = puts.iter().map(|(key, value)| key.len() + value.len() + 32).sum();
        assert!(bytes + 300 * deletes.len() < 1_572_864, "{bytes} bytes");
        for (from, to) in deletes {
            let is_in = |key: &String| key.as_bytes() >= from.as_slice() && key.as_bytes() < to.as_slice();
            assert!(!puts.iter().any(|(key, _)| is_in(key)), "etcd refuses a put within a range that is deleted");
            self.0.retain(|key, _| !is_in(key));
        }
        self.0.extend(puts.iter().cloned());
    }

    fn records(&self) -> Vec<Record> {
        let entries = self.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        assemble(entries).unwrap().iter().map(|(key, bytes)| decode(key, bytes).unwrap()).collect()
    }

    fn firsts(&self, keys: &Keys, job: JobUid) -> BTreeMap<JobUid, String> {
        let prefix = keys.job(job);
        let first = self.0.keys().find(|key| key.starts_with(&prefix));
        first.map(|key| (job, key.rsplitn(3, '-').nth(2).unwrap().to_owned())).into_iter().collect()
    }
}

fn keys() -> Keys {
    Keys::new("/shoal/")
}

const START: Place = Place { epoch: 7, number: 0 };

#[test]
fn many_records_go_into_few_transactions_in_their_order() {
    let records: Vec<Record> = (0..1_000).map(|number| started(1, number)).collect();
    let planned = plan(&keys(), START, &records, BTreeMap::new()).unwrap();
    assert_eq!(planned.len(), 1_000_usize.div_ceil(OPERATIONS_MAX - 1));
    let mut model = Model::default();
    planned.iter().for_each(|transaction| model.apply(transaction));
    assert_eq!(model.records(), records);
}

#[test]
fn a_large_record_is_split_and_its_torn_beginning_is_no_record() {
    let records = [facts(1, 10), facts(1, 5 << 20), started(1, 1)];
    let planned = plan(&keys(), START, &records, BTreeMap::new()).unwrap();
    assert!(planned.len() > 4);
    let mut model = Model::default();
    for transaction in &planned {
        let seen = model.records();
        assert!(records.starts_with(&seen), "never a part of one");
        model.apply(transaction);
        // As after a time-out: the same again changes nothing.
        let once = model.0.clone();
        model.apply(transaction);
        assert_eq!(model.0, once);
    }
    assert_eq!(model.records(), records);
    // A later head goes on behind what another left torn.
    let mut model = Model::default();
    planned[..2].iter().for_each(|transaction| model.apply(transaction));
    let next = Place { epoch: 8, number: 0 };
    plan(&keys(), next, &[started(1, 9)], BTreeMap::new()).unwrap().iter().for_each(|planned| model.apply(planned));
    assert_eq!(model.records(), [facts(1, 10), started(1, 9)]);
}

#[test]
fn an_ended_job_keeps_its_first_record_and_its_end() {
    let mut model = Model::default();
    let append = |model: &mut Model, epoch: u64, records: &[Record]| {
        let firsts = model.firsts(&keys(), uid(1));
        let start = Place { epoch, number: 0 };
        plan(&keys(), start, records, firsts).unwrap().iter().for_each(|transaction| model.apply(transaction));
    };
    append(&mut model, 1, &[facts(1, 1), started(1, 1), facts(2, 1), facts(3, 1)]);
    append(&mut model, 2, &[started(1, 2), started(2, 1), ended(1), started(2, 2)]);
    assert_eq!(model.records(), [facts(1, 1), ended(1), facts(2, 1), started(2, 1), started(2, 2), facts(3, 1)]);
    append(&mut model, 3, &[Record::Forgotten { job: uid(1) }]);
    assert_eq!(model.records().len(), 4);
}

#[test]
fn a_job_that_comes_and_ends_in_one_append_keeps_the_same() {
    for large in [1, 3 << 20] {
        let records = [facts(1, large), started(1, 1), facts(1, large), started(1, 2), ended(1), facts(2, 1)];
        let mut model = Model::default();
        let planned = plan(&keys(), START, &records, BTreeMap::new()).unwrap();
        planned.iter().for_each(|transaction| model.apply(transaction));
        assert_eq!(model.records(), [facts(1, large), ended(1), facts(2, 1)]);
    }
    let records = [facts(1, 1), started(1, 1), Record::Forgotten { job: uid(1) }, facts(2, 1)];
    let mut model = Model::default();
    plan(&keys(), START, &records, BTreeMap::new()).unwrap().iter().for_each(|planned| model.apply(planned));
    assert_eq!(model.records(), [facts(2, 1)]);
}
