//! A file that was damaged from outside is refused by name: never a panic, never a record that is silently missing.

use std::path::{Path, PathBuf};

use shoal_coordinator::RedbJournal;
use shoal_core::journal::{Journal, Leadership, Record};
use shoal_core::{Failure, Reason};

use crate::samples::{facts, started};

fn journal_file(folder: &Path) -> PathBuf {
    folder.join("journal.redb")
}

async fn written(folder: &Path) -> Vec<Record> {
    let store = RedbJournal::open(folder).await.unwrap();
    let epoch = store.campaign().await.unwrap();
    for number in 0..20_u128 {
        store.append(epoch, vec![facts(number, 3_000), started(number, 1)]).await.unwrap();
    }
    store.load().await.unwrap()
}

async fn all_of(folder: &Path) -> Result<Vec<Record>, Failure> {
    RedbJournal::open(folder).await?.load().await
}

/// Damages a copy of a good file, which was closed; returns how many were refused.
async fn refused(damages: impl Iterator<Item = Box<dyn Fn(&mut Vec<u8>)>>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let expected = written(folder.path()).await;
    let good = std::fs::read(journal_file(folder.path())).unwrap();
    assert!(all_of(folder.path()).await.unwrap() == expected);
    refused_of(&good, &expected, damages).await
}

async fn refused_of(
    good: &[u8],
    expected: &[Record],
    damages: impl Iterator<Item = Box<dyn Fn(&mut Vec<u8>)>>,
) -> usize {
    let mut refused = 0;
    for (number, damage) in damages.enumerate() {
        let copy = tempfile::tempdir().unwrap();
        let mut bytes = good.to_vec();
        damage(&mut bytes);
        std::fs::write(journal_file(copy.path()), &bytes).unwrap();
        match all_of(copy.path()).await {
            // Not all bytes of the file mean something.
            Ok(records) => assert!(records == expected, "damage {number}: {} records", records.len()),
            Err(failure) => {
                refused += 1;
                // One byte says by which version of the database the file was written.
                let is_told = matches!(failure.reason, Reason::CorruptFile | Reason::IncompatibleVersion);
                assert!(is_told, "damage {number}: {failure:?}");
                let named = failure.location.file.as_deref().unwrap();
                assert!(named == journal_file(copy.path()).to_str().unwrap() && failure.next.is_some(), "{failure:?}");
            }
        }
    }
    refused
}

/// Bytes that the file begins with: what it is, how large its parts are, and where the last two commits begin.
const HEADER_BYTES: usize = 320;

#[tokio::test]
async fn a_header_that_changed_is_noticed() {
    for bit in [0x01, 0x80] {
        let damages = (0..HEADER_BYTES)
            .map(|at| Box::new(move |bytes: &mut Vec<u8>| bytes[at] ^= bit) as Box<dyn Fn(&mut Vec<u8>)>);
        let refused = refused(damages).await;
        assert!(refused > 20, "only {refused} of {HEADER_BYTES} damages were noticed");
    }
}

#[tokio::test]
async fn a_header_that_changed_after_a_crash_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let store = RedbJournal::open(folder.path()).await.unwrap();
    let epoch = store.campaign().await.unwrap();
    store.append(epoch, vec![facts(7, 10)]).await.unwrap();
    let expected = store.load().await.unwrap();
    // As a process leaves it that is killed now: its last commit is the one that a look at the other slot would miss.
    let good = std::fs::read(journal_file(folder.path())).unwrap();
    let damages =
        (0..HEADER_BYTES).map(|at| Box::new(move |bytes: &mut Vec<u8>| bytes[at] ^= 0x10) as Box<dyn Fn(&mut Vec<u8>)>);
    let refused = refused_of(&good, &expected, damages).await;
    assert!(refused > 20, "only {refused} of {HEADER_BYTES} damages were noticed");
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused() {
    let cuts = [0, 1, 100, 1_000, 4_096, 5_000, 20_000, 65_536, 100_000];
    let damages =
        cuts.map(|keep| Box::new(move |bytes: &mut Vec<u8>| bytes.truncate(keep)) as Box<dyn Fn(&mut Vec<u8>)>);
    assert_eq!(refused(damages.into_iter()).await, cuts.len());
}

#[tokio::test]
async fn bytes_that_changed_are_noticed() {
    // Over all of the file, a prime apart, so that they fall on all kinds of places.
    let places = (0..60_usize).map(|number| number * 2_503);
    let damages = places.map(|at| {
        Box::new(move |bytes: &mut Vec<u8>| {
            let at = at % bytes.len();
            bytes[at] ^= 0x20;
        }) as Box<dyn Fn(&mut Vec<u8>)>
    });
    let refused = refused(damages).await;
    assert!(refused > 5, "only {refused} of 60 damages were noticed");
}

#[tokio::test]
async fn zeros_in_place_of_a_page_are_noticed() {
    let damages = (0..25_usize).map(|page| {
        Box::new(move |bytes: &mut Vec<u8>| {
            let from = (page * 4_096) % bytes.len();
            let to = (from + 4_096).min(bytes.len());
            bytes[from..to].fill(0);
        }) as Box<dyn Fn(&mut Vec<u8>)>
    });
    let refused = refused(damages).await;
    assert!(refused > 3, "only {refused} of 25 damages were noticed");
}
