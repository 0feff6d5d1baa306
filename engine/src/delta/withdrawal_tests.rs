//! Commits that are wanted, and not wanted any more, by heads that do not know of each other.

use std::path::Path;
use std::sync::Arc;

use object_store::memory::InMemory;
use shoal_core::publish::{CommitIntent, Publisher, Settled};
use shoal_core::spec::v1alpha1::{InputTable, OutputMode};
use shoal_core::{Failure, Reason};

use super::commit::{publish, withdraw};
use super::open::{open, without_files};
use super::testing::{Fault, Meddler, Pause, TestJob, numbers, place, read_numbers, words};
use super::{DeltaPublisher, check_output};
use crate::storage::Location;
use crate::table::pin;

/// Commits another job's rows, so that there is a table.
async fn existing(folder: &Path) {
    let intent = TestJob::new(99, folder).write(OutputMode::Error, &numbers(&[0])).await;
    DeltaPublisher.publish(&intent).await.unwrap();
}

/// How often the id of an intent stands in the log.
async fn times_in_log(place: &Location, intent: &CommitIntent) -> usize {
    let table = open(place).await.unwrap().unwrap();
    let mut times = 0;
    for version in 0..=table.version().unwrap() {
        let commit = table.log_store().read_commit_entry(version).await.unwrap().unwrap();
        let is_ours = |line: &&[u8]| {
            let line = String::from_utf8_lossy(line);
            line.contains("\"txn\"") && line.contains(&intent.job.application_id())
        };
        times += commit.split(|byte| *byte == b'\n').filter(is_ours).count();
    }
    times
}

async fn pinned(folder: &Path) -> Result<usize, Failure> {
    let input = InputTable { table: folder.to_str().unwrap().to_owned(), format: None, version: None, filter: None };
    pin(&input, "spec.input").await.map(|(_, files)| files.len())
}

#[tokio::test]
async fn what_is_withdrawn_is_never_published_and_the_table_counts_as_absent() {
    let folder = tempfile::tempdir().unwrap();
    let table = place(folder.path());
    let intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await;
    assert_eq!(DeltaPublisher.withdraw(&intent).await.unwrap(), Settled::Withdrawn);
    assert_eq!(DeltaPublisher.withdraw(&intent).await.unwrap(), Settled::Withdrawn, "twice is once");
    let failure = DeltaPublisher.publish(&intent).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.file.is_some()), (Reason::Cancelled, true));
    assert_eq!(open(&table).await.unwrap().unwrap().version(), Some(0));
    assert!(without_files(&table).await.unwrap().is_none());
    assert_eq!(pinned(folder.path()).await.unwrap_err().reason, Reason::TableNotFound);
    DeltaPublisher.discard(intent.job, &intent.table).await.unwrap();
    assert!(!folder.path().join(&intent.files[0].path).exists(), "its files may go");

    // Nothing that was withdrawn stands in the way of others, whatever their schema and mode.
    let other = TestJob::new(2, folder.path()).write(OutputMode::Append, &words(&["b"])).await;
    assert_eq!(DeltaPublisher.withdraw(&other).await.unwrap(), Settled::Withdrawn);
    let mut third = TestJob::new(3, folder.path());
    for mode in [OutputMode::Error, OutputMode::Append, OutputMode::Overwrite] {
        check_output(&third.output(mode), &words(&[]).schema(), "spec.output").await.unwrap();
    }
    let intent = third.write(OutputMode::Error, &words(&["c"])).await;
    assert_eq!(DeltaPublisher.publish(&intent).await.unwrap().version, 2);
    assert_eq!(pinned(folder.path()).await.unwrap(), 1);
    let failure = check_output(&third.output(OutputMode::Error), &words(&[]).schema(), "spec.output").await;
    assert_eq!(failure.unwrap_err().reason, Reason::OutputExists);
    let configuration = open(&table).await.unwrap().unwrap();
    assert!(configuration.snapshot().unwrap().metadata().configuration().is_empty(), "the mark is gone");
}

#[tokio::test]
async fn a_withdrawal_changes_no_table_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    existing(folder.path()).await;
    let table = place(folder.path());
    for (number, mode) in [(1, OutputMode::Append), (2, OutputMode::Overwrite), (3, OutputMode::Error)] {
        let intent = TestJob::new(number, folder.path()).write(mode, &words(&["x"])).await;
        assert_eq!(DeltaPublisher.withdraw(&intent).await.unwrap(), Settled::Withdrawn);
        assert_eq!(DeltaPublisher.publish(&intent).await.unwrap_err().reason, Reason::Cancelled);
        assert_eq!(read_numbers(&table).await, [0]);
    }
    assert_eq!(pinned(folder.path()).await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_published_stays_and_a_withdrawal_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await;
    let published = DeltaPublisher.publish(&intent).await.unwrap();
    assert_eq!(DeltaPublisher.withdraw(&intent).await.unwrap(), Settled::Published(published));
    assert_eq!(read_numbers(&place(folder.path())).await, [1]);
}

#[tokio::test]
async fn rows_that_another_writer_added_to_a_placeholder_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await;
    DeltaPublisher.withdraw(&intent).await.unwrap();
    let theirs = open(&place(folder.path())).await.unwrap().unwrap();
    theirs.write(vec![numbers(&[5])]).await.unwrap();
    assert!(without_files(&place(folder.path())).await.unwrap().is_some());
    let mut late = TestJob::new(2, folder.path());
    let failure = DeltaPublisher.publish(&late.write(OutputMode::Error, &numbers(&[1])).await).await.unwrap_err();
    assert_eq!(failure.reason, Reason::OutputExists);
    assert_eq!(read_numbers(&place(folder.path())).await, [5]);
}

/// Whoever comes first stays the only one, and the table is what that one made of it.
async fn race(table: &Location, number: u128, intent: &CommitIntent, before: &[i64]) {
    let (place, wanted) = (table.clone(), intent.clone());
    let publishing = tokio::spawn(async move { publish(&place, &wanted).await });
    let (place, unwanted) = (table.clone(), intent.clone());
    let withdrawing = tokio::spawn(async move { withdraw(&place, &unwanted).await });
    let (published, withdrawn) = (publishing.await.unwrap(), withdrawing.await.unwrap().unwrap());
    assert_eq!(times_in_log(table, intent).await, 1, "round {number}");
    match (published, withdrawn) {
        (Ok(published), Settled::Published(same)) => {
            assert_eq!(published, same);
            assert_eq!(read_numbers(table).await, [before, &[1]].concat());
        }
        (Err(failure), Settled::Withdrawn) => {
            assert_eq!(failure.reason, Reason::Cancelled);
            if !before.is_empty() {
                assert_eq!(read_numbers(table).await, before);
            }
            assert_eq!(without_files(table).await.unwrap().is_some(), !before.is_empty());
        }
        outcomes => panic!("round {number}: {outcomes:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_publication_and_a_withdrawal_exactly_one_wins() {
    for number in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let before: &[i64] = if number % 2 == 0 { &[] } else { &[0] };
        if !before.is_empty() {
            existing(folder.path()).await;
        }
        let intent = TestJob::new(number + 1, folder.path()).write(OutputMode::Append, &numbers(&[1])).await;
        race(&place(folder.path()), number, &intent, before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_an_object_store_exactly_one_wins_too() {
    for number in 0..20 {
        let table = Location::in_store(Arc::new(InMemory::new()), "memory://", "out/models");
        let mut job = TestJob::at(number + 1, table.clone());
        let intent = job.write(OutputMode::Append, &numbers(&[1])).await;
        race(&table, number, &intent, &[]).await;
    }
}

#[tokio::test]
async fn a_head_that_is_paused_over_its_commit_finds_it_withdrawn() {
    for exists in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        if exists {
            existing(folder.path()).await;
        }
        let intent = TestJob::new(1, folder.path()).write(OutputMode::Append, &numbers(&[1])).await;
        let table = place(folder.path());
        let (pause, reached, go_on) = Pause::new();
        let (old, wanted) = (Meddler::before(&table, Fault::Paused(pause)), intent.clone());
        let old_head = tokio::spawn(async move { publish(&old, &wanted).await });
        reached.await.unwrap();
        assert_eq!(withdraw(&table, &intent).await.unwrap(), Settled::Withdrawn);
        go_on.send(()).unwrap();
        assert_eq!(old_head.await.unwrap().unwrap_err().reason, Reason::Cancelled);
        assert_eq!(times_in_log(&table, &intent).await, 1);
    }
}

#[tokio::test]
async fn a_head_that_is_paused_over_its_withdrawal_finds_it_published() {
    let folder = tempfile::tempdir().unwrap();
    let intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await;
    let table = place(folder.path());
    let (pause, reached, go_on) = Pause::new();
    let (old, unwanted) = (Meddler::before(&table, Fault::Paused(pause)), intent.clone());
    let old_head = tokio::spawn(async move { withdraw(&old, &unwanted).await });
    reached.await.unwrap();
    let published = publish(&table, &intent).await.unwrap();
    go_on.send(()).unwrap();
    assert_eq!(old_head.await.unwrap().unwrap(), Settled::Published(published));
    assert_eq!(read_numbers(&table).await, [1]);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await;
    let table = place(folder.path());
    let published = publish(&Meddler::before(&table, Fault::AnswerLost), &intent).await.unwrap();
    assert_eq!(published.version, 0);
    assert_eq!(withdraw(&table, &intent).await.unwrap(), Settled::Published(published));

    let other = TestJob::new(2, folder.path()).write(OutputMode::Append, &numbers(&[2])).await;
    let withdrawn = withdraw(&Meddler::before(&table, Fault::AnswerLost), &other).await.unwrap();
    assert_eq!(withdrawn, Settled::Withdrawn);
    assert_eq!((times_in_log(&table, &intent).await, times_in_log(&table, &other).await), (1, 1));
    assert_eq!(read_numbers(&table).await, [1]);
}

#[tokio::test]
async fn a_commit_that_failed_can_be_driven_again_or_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await;
    let table = place(folder.path());
    let failure = publish(&Meddler::before(&table, Fault::Refused), &intent).await.unwrap_err();
    assert!(failure.is_transient(), "{failure:?}");
    assert_eq!(publish(&table, &intent).await.unwrap().version, 0);
}

#[tokio::test]
async fn a_commit_that_lands_after_it_was_given_up_lands_on_the_withdrawal() {
    for exists in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        if exists {
            existing(folder.path()).await;
        }
        let intent = TestJob::new(1, folder.path()).write(OutputMode::Append, &numbers(&[1])).await;
        let table = place(folder.path());
        let (pause, has_landed, land) = Pause::new();
        let failure = publish(&Meddler::before(&table, Fault::LandsLate(pause)), &intent).await.unwrap_err();
        assert!(failure.is_transient(), "{failure:?}");
        assert_eq!(withdraw(&table, &intent).await.unwrap(), Settled::Withdrawn);
        land.send(()).unwrap();
        has_landed.await.unwrap();
        assert_eq!(publish(&table, &intent).await.unwrap_err().reason, Reason::Cancelled);
        assert_eq!(times_in_log(&table, &intent).await, 1);
    }
}
