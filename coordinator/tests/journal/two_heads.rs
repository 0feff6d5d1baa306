//! One state folder, and two processes that want it.

use shoal_coordinator::RedbJournal;
use shoal_core::Reason;
use shoal_core::journal::{Journal, Leadership};

use crate::child;
use crate::samples::facts;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_another_process_uses_is_refused_by_its_name() {
    if let Some(folder) = child::folder() {
        let failure = RedbJournal::open(&folder).await.err().unwrap();
        assert_eq!(failure.reason, Reason::StateLocked);
        assert_eq!(failure.location.file.as_deref(), folder.to_str());
        assert!(failure.message.contains("in use") && failure.next.unwrap().contains("--state-dir"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let first = RedbJournal::open(folder.path()).await.unwrap();
    let epoch = first.campaign().await.unwrap();
    first.append(epoch, vec![facts(1, 1)]).await.unwrap();
    let test = "two_heads::a_folder_that_another_process_uses_is_refused_by_its_name";
    child::run(test, folder.path(), &["sh", "-c", "shift; exec \"$@\""]);
    // The one that has it notices nothing.
    first.append(epoch, vec![facts(2, 1)]).await.unwrap();
    drop(first);
    let next = RedbJournal::open(folder.path()).await.unwrap();
    assert!(next.campaign().await.unwrap() > epoch);
    assert_eq!(next.load().await.unwrap(), [facts(1, 1), facts(2, 1)]);
}
