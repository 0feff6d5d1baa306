//! A head that is asked for more than it takes. A suite of its own, because it looks at the memory of the process.

#![allow(clippy::unwrap_used)]

mod fake;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fake::ENDLESS;
use serde_json::Value;
use shoal_core::limits::JOBS_ACTIVE_MAX;
use shoal_core::{Failure, Reason};
use shoal_wire::memory::Memory;
use support::{Server, job};

/// Submissions in all.
const SUBMISSIONS: usize = 10_000;

/// Clients at a time: more than the head lets wait.
const CLIENTS: usize = 160;

/// What the process may grow by while it refuses nine submissions of ten: what allocators and connections make of their
/// memory, far from what 9,000 specs and their connections take.
const GROWTH_MAX: u64 = 48 << 20;

/// Submits jobs of these numbers, and says which were accepted and how often others were refused.
async fn submit(server: &Arc<Server>, numbers: std::ops::Range<usize>) -> (BTreeSet<String>, BTreeMap<u16, usize>) {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let clients = (0..CLIENTS).map(|_| {
        let (server, next, end) = (server.clone(), next.clone(), numbers.end);
        tokio::spawn(async move {
            let (mut accepted, mut refused) = (BTreeSet::new(), BTreeMap::new());
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= end {
                    return (accepted, refused);
                }
                let name = format!("job-{number}");
                let response = server.post("/api/v1/jobs", &job(&name, "x", ENDLESS)).await;
                let status = response.status().as_u16();
                if status == 200 {
                    accepted.insert(name);
                    continue;
                }
                assert!(response.headers().contains_key("retry-after"), "{response:?}");
                let failure: Failure = response.json().await.unwrap();
                assert!(failure.reason == Reason::Busy && failure.next.is_some(), "{failure:?}");
                *refused.entry(status).or_insert(0) += 1;
            }
        })
    });
    let (mut accepted, mut refused) = (BTreeSet::new(), BTreeMap::new());
    for client in clients.collect::<Vec<_>>() {
        let (of_one, refused_one) = client.await.unwrap();
        accepted.extend(of_one);
        refused_one.into_iter().for_each(|(status, number)| *refused.entry(status).or_insert(0) += number);
    }
    (accepted, refused)
}

async fn listed(server: &Server) -> BTreeSet<String> {
    let list: Value = server.get("/api/v1/jobs").await.json().await.unwrap();
    list["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_submissions_are_accepted_or_told_to_come_back() {
    let server = Arc::new(Server::start(None).await);
    // As many as it takes; some of them are told that too many come at a time, and are made up for.
    let mut accepted = BTreeSet::new();
    let mut number = 0;
    while accepted.len() < JOBS_ACTIVE_MAX {
        let (more, _) = submit(&server, number..number + JOBS_ACTIVE_MAX).await;
        number += JOBS_ACTIVE_MAX;
        accepted.extend(more);
        assert!(number < SUBMISSIONS, "only {} of {number} were accepted", accepted.len());
    }
    assert_eq!(accepted.len(), JOBS_ACTIVE_MAX);
    let full = Memory::now().resident;
    let (more, refused) = submit(&server, number..SUBMISSIONS).await;
    assert!(more.is_empty(), "the head is full, and took {} more", more.len());
    assert_eq!(refused, BTreeMap::from([(429, SUBMISSIONS - number)]));
    let grown = Memory::now().resident.saturating_sub(full);
    assert!(grown < GROWTH_MAX, "{} KiB more than the {} KiB of a full head", grown >> 10, full >> 10);
    assert!(listed(&server).await == accepted, "each that was accepted is there, and no other");

    // Not even the limit keeps it from answering for a job that it has.
    let again = server.post("/api/v1/jobs", &job(accepted.first().unwrap(), "x", ENDLESS)).await;
    assert_eq!(again.status().as_u16(), 200);

    let server = Arc::into_inner(server).unwrap().restart().await;
    assert!(listed(&server).await == accepted, "also after the head was started again");
    server.stop().await;
}
