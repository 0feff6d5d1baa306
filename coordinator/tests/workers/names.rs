//! One worker of a name: whoever lives.

use shoal_core::Reason;
use shoal_core::report::Phase;

use crate::fake::FakeHead;
use crate::v1::{Hears, OldWorker};
use crate::within;

async fn registered(head: &FakeHead, instance: &str) -> OldWorker {
    let mut worker = OldWorker::register(&head.url(), 1, "w", instance).await;
    assert!(worker.welcomed().await);
    worker
}

#[tokio::test]
async fn a_second_worker_is_refused_while_the_first_lives() {
    let head = FakeHead::start().await;
    let first = registered(&head, "1").await;
    let beats = async {
        loop {
            first.beat().await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let second = async { OldWorker::register(&head.url(), 1, "w", "2").await.refused().await };
    let failure = tokio::select! {
        failure = within("a refusal", second) => failure,
        () = beats => unreachable!("it beats for ever"),
    };
    assert_eq!(failure.reason, Reason::NotPossible);
    assert!(failure.message.contains("`w`") && failure.next.is_some(), "{failure:?}");
}

#[tokio::test]
async fn a_first_that_says_nothing_does_not_keep_the_name() {
    let head = FakeHead::start().await;
    let silent = registered(&head, "1").await;
    // Its stream is open, as that of a process that is stopped.
    let second = within("a welcome", registered(&head, "2")).await;
    assert_works(&head, second).await;
    drop(silent);
}

#[tokio::test]
async fn a_name_is_free_when_its_worker_is_gone() {
    let head = FakeHead::start().await;
    drop(registered(&head, "1").await);
    let second = within("a welcome", registered(&head, "2")).await;
    assert_works(&head, second).await;
}

#[tokio::test]
async fn a_stream_that_ends_late_takes_nobody_out_who_has_come_back_on_another() {
    let head = FakeHead::start().await;
    let first = registered(&head, "1").await;
    let mut second = registered(&head, "1").await;
    let _hears_on = first.say_goodbye();
    // When the head hears of that cannot be seen from here, but it has before the last of these.
    for index in 0..20 {
        let name = format!("job-{index}");
        head.submit(&name).await;
        second.do_one_task().await;
        assert_eq!(head.ended(&name).await.phase, Phase::Succeeded);
    }
}

/// The head gives tasks to it.
async fn assert_works(head: &FakeHead, mut worker: OldWorker) {
    head.submit("job").await;
    let heard = worker.hear().await;
    assert!(matches!(heard, Some(Hears::Assign(_))), "{heard:?}");
}
