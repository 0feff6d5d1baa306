//! A head takes workers of its own version and of the one before it.

use std::time::Duration;

use shoal_core::Reason;
use shoal_core::report::Phase;
use shoal_wire::WIRE_VERSION;

use crate::fake::FakeHead;
use crate::v1::{Hears, OldWorker};

#[tokio::test]
async fn a_worker_of_version_1_joins_works_and_is_drained() {
    let head = FakeHead::start().await;
    let mut worker = OldWorker::register(&head.url(), 1, "old", "1").await;
    assert!(worker.welcomed().await);
    worker.beat().await;
    head.submit("job").await;
    let Some(Hears::Assign(assign)) = worker.hear().await else { panic!("no task") };
    // Asked to leave while it works: the head waits, and tells it nothing that it cannot know.
    head.head.drain_worker("old", Duration::from_secs(20)).await.unwrap();
    worker.say_done(&assign).await;
    let status = head.ended("job").await;
    assert_eq!((status.phase, status.report.stages[0].attempts), (Phase::Succeeded, 1));
    while let Some(heard) = worker.hear().await {
        if matches!(heard, Hears::Shutdown(_)) {
            return;
        }
    }
    panic!("the stream ended without a word");
}

#[tokio::test]
async fn other_versions_are_refused_with_the_reason() {
    let head = FakeHead::start().await;
    for version in [0, WIRE_VERSION + 1, u32::MAX] {
        let mut worker = OldWorker::register(&head.url(), version, "stranger", "1").await;
        let failure = worker.refused().await;
        assert_eq!(failure.reason, Reason::IncompatibleVersion, "{failure:?}");
        assert!(failure.message.contains(&format!("wire version {version}")), "{failure:?}");
        assert!(failure.message.contains(&format!("1 to {WIRE_VERSION}")), "{failure:?}");
        assert!(failure.next.is_some());
    }
    assert!(head.head.workers().await.unwrap().is_empty());
}
