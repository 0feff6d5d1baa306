//! No room for the journal: what was acknowledged stays, what was not is not there, and with room it goes on.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;

use shoal_coordinator::RedbJournal;
use shoal_core::journal::{Journal, Leadership, Record};
use shoal_core::{Failure, Reason};

use crate::child;
use crate::samples::{facts, started};

/// Of the file system in which the journal lies.
const DISK: &str = "size=8m";

/// More than any of these disks holds.
const APPENDS_MAX: u128 = 1_000;

/// Something that takes the room away and gives it back.
trait Room {
    fn take(&self, folder: &Path);
    fn give(&self, folder: &Path);
}

/// Another file takes all that is left of the disk.
struct OtherFile;

impl Room for OtherFile {
    fn take(&self, folder: &Path) {
        let mut file = File::create(folder.join("other")).unwrap();
        let full = (0..1 << 20).try_for_each(|_| file.write_all(&[1; 4_096])).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }

    fn give(&self, folder: &Path) {
        std::fs::remove_file(folder.join("other")).unwrap();
    }
}

/// This process may not make files larger than the journal is.
struct FileLimit;

impl FileLimit {
    fn set(bytes: &str) {
        let process = std::process::id().to_string();
        let limited = Command::new("prlimit").args(["--pid", &process, &format!("--fsize={bytes}:")]).status();
        assert!(limited.unwrap().success());
    }
}

impl Room for FileLimit {
    fn take(&self, folder: &Path) {
        let journal = folder.join("state").join("journal.redb");
        Self::set(&std::fs::metadata(journal).map_or(4_096, |file| file.len()).to_string());
    }

    fn give(&self, _: &Path) {
        Self::set("unlimited");
    }
}

fn is_told(failure: &Failure, state: &Path) {
    assert_eq!(failure.reason, Reason::ResourcesExhausted, "{failure:?}");
    assert!(failure.message.contains("full") && failure.next.as_deref().unwrap().contains("room"), "{failure:?}");
    assert!(failure.location.file.as_deref().unwrap().starts_with(state.to_str().unwrap()), "{failure:?}");
    assert!(!failure.causes.is_empty(), "{failure:?}");
}

/// What is stored is what was acknowledged, wherever it can be read at all.
async fn is_stored(store: &RedbJournal, acknowledged: &[Record], state: &Path) {
    match store.load().await {
        Ok(records) => assert!(records == acknowledged, "{} of {}", records.len(), acknowledged.len()),
        Err(failure) => is_told(&failure, state),
    }
}

async fn goes_on_once_there_is_room(folder: &Path, room: impl Room) {
    let state = folder.join("state");
    // A new journal.
    room.take(folder);
    is_told(&RedbJournal::open(&state).await.err().unwrap(), &state);
    room.give(folder);
    let store = RedbJournal::open(&state).await.unwrap();
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1, "nothing is left of the one that failed");

    let mut acknowledged = Vec::new();
    let mut job = 0;
    for _ in 0..3 {
        let epoch = store.campaign().await.unwrap();
        acknowledged.push(facts(job, 1_000));
        store.append(epoch, vec![facts(job, 1_000)]).await.unwrap();
        room.take(folder);
        let failure = loop {
            job += 1;
            assert!(job < APPENDS_MAX, "it never gets full");
            let records = vec![facts(job, 50_000), started(job, 1)];
            match store.append(epoch, records.clone()).await {
                Ok(()) => acknowledged.extend(records),
                Err(failure) => break failure,
            }
        };
        is_told(&failure, &state);
        // Nothing goes on under that epoch: what the file holds has to be read first.
        assert_eq!(store.lost().await.reason, Reason::ResourcesExhausted);
        assert_eq!(store.append(epoch, vec![started(0, 9)]).await.unwrap_err().reason, Reason::NotLeading);
        is_stored(&store, &acknowledged, &state).await;
        // As a head does, again and again.
        for _ in 0..3 {
            match store.campaign().await {
                Ok(epoch) => match store.append(epoch, vec![facts(job, 50_000)]).await {
                    // There may be room within the file.
                    Ok(()) => acknowledged.push(facts(job, 50_000)),
                    Err(failure) => is_told(&failure, &state),
                },
                Err(failure) => is_told(&failure, &state),
            }
            store.resign().await;
            is_stored(&store, &acknowledged, &state).await;
        }
        room.give(folder);
        let epoch = store.campaign().await.unwrap();
        is_stored(&store, &acknowledged, &state).await;
        job += 1;
        acknowledged.push(facts(job, 50_000));
        store.append(epoch, vec![facts(job, 50_000)]).await.unwrap();
        job += 1;
    }
    drop(store);
    assert!(RedbJournal::open(&state).await.unwrap().load().await.unwrap() == acknowledged, "after a restart too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_is_told() {
    if let Some(folder) = child::folder() {
        return goes_on_once_there_is_room(&folder, OtherFile).await;
    }
    let folder = tempfile::tempdir().unwrap();
    // A file system of its own, in a mount namespace that goes with the process; root is not needed.
    let script = format!("mount -t tmpfs -o {DISK} none \"$1\" && shift && exec \"$@\"");
    let arrange = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script];
    child::run("full_disk::a_full_disk_loses_nothing_and_is_told", folder.path(), &arrange);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_grow_loses_nothing_and_is_told() {
    if let Some(folder) = child::folder() {
        return goes_on_once_there_is_room(&folder, FileLimit).await;
    }
    let folder = tempfile::tempdir().unwrap();
    // Whoever passes the limit gets an error and not a signal.
    let arrange = ["sh", "-c", "trap '' XFSZ; shift; exec \"$@\""];
    child::run("full_disk::a_file_that_may_not_grow_loses_nothing_and_is_told", folder.path(), &arrange);
}
