//! Workers under a name that another process has.
//!
//! An open stream does not say that its worker lives: the process may be paused, or its machine gone. So a newcomer waits
//! for what comes first: a heartbeat of the holder, which refuses it, or the holder's end, which lets it in. A holder that
//! says nothing is taken out after [`limits::WORKER_SILENCE_MAX`], so nobody waits for long.

use std::time::{Duration, Instant};

use shoal_core::control::WorkerInfo;
use shoal_core::{Failure, Reason, WorkerId, limits};
use tokio::sync::oneshot;

use crate::links::Link;

/// Newcomers that wait at the same time: more than that many workers under names in use is a mistake in a script.
const NEWCOMERS_MAX: usize = 256;

/// How long one waits at the most: longer than a silent worker stays, shorter than a worker waits for its welcome.
const WAIT_MAX: Duration = Duration::from_secs(limits::WORKER_SILENCE_MAX.as_secs() + 2);

/// A worker that wants to join.
pub(crate) struct Newcomer {
    pub(crate) worker: WorkerInfo,
    pub(crate) link: Link,
    pub(crate) answer: oneshot::Sender<Result<(), Failure>>,
}

/// Those that wait.
#[derive(Default)]
pub(crate) struct Newcomers(Vec<(Newcomer, Instant)>);

impl Newcomers {
    /// Lets one wait.
    pub(crate) fn wait(&mut self, newcomer: Newcomer, now: Instant) {
        if self.0.len() < NEWCOMERS_MAX {
            self.0.push((newcomer, now));
        } else {
            refuse(newcomer);
        }
    }

    /// A process that has a name lives: others do not get the name.
    pub(crate) fn holder_lives(&mut self, name: &WorkerId, instance: &str) {
        let is_refused = |(newcomer, _): &mut (Newcomer, Instant)| {
            newcomer.worker.id == *name && newcomer.worker.instance != instance
        };
        self.0.extract_if(.., is_refused).for_each(|(newcomer, _)| refuse(newcomer));
    }

    /// Those that may come in now. Those that hung up are forgotten, those that waited for too long refused.
    pub(crate) fn whose_name_is_free(&mut self, now: Instant, is_free: impl Fn(&WorkerInfo) -> bool) -> Vec<Newcomer> {
        self.0.retain(|(newcomer, _)| !newcomer.answer.is_closed());
        let free = self.0.extract_if(.., |(newcomer, _)| is_free(&newcomer.worker)).map(|(newcomer, _)| newcomer);
        let free = free.collect();
        let is_late = |(_, since): &mut (Newcomer, Instant)| now.duration_since(*since) > WAIT_MAX;
        self.0.extract_if(.., is_late).for_each(|(newcomer, _)| refuse(newcomer));
        free
    }
}

fn refuse(newcomer: Newcomer) {
    let why = format!("a worker called `{}` is connected already", newcomer.worker.id);
    let failure = Failure::new(Reason::NotPossible, why).next("give each worker a name of its own with `--name`");
    // A worker that hung up needs no answer.
    let _ = newcomer.answer.send(Err(failure));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::links::StreamId;

    fn newcomer(name: &str, instance: &str) -> (Newcomer, oneshot::Receiver<Result<(), Failure>>) {
        let (answer, receiver) = oneshot::channel();
        let worker = WorkerInfo::new(WorkerId(name.into()), instance, "", 1);
        let link =
            Link { instance: instance.into(), stream: StreamId::next(), wire_version: 2, sender: mpsc::channel(1).0 };
        (Newcomer { worker, link, answer }, receiver)
    }

    #[test]
    fn a_sign_of_life_refuses_and_an_end_lets_in() {
        let now = Instant::now();
        let mut newcomers = Newcomers::default();
        let ((one, mut to_one), (other, mut to_other)) = (newcomer("a", "2"), newcomer("b", "2"));
        newcomers.wait(one, now);
        newcomers.wait(other, now);
        newcomers.holder_lives(&WorkerId("a".into()), "1");
        let refused = to_one.try_recv().unwrap().unwrap_err();
        assert!(refused.reason == Reason::NotPossible && refused.next.is_some(), "{refused:?}");
        assert!(newcomers.whose_name_is_free(now, |_| false).is_empty());
        let free = newcomers.whose_name_is_free(now, |worker| worker.id.0 == "b");
        assert_eq!((free.len(), to_other.try_recv().is_err(), newcomers.0.len()), (1, true, 0));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let now = Instant::now();
        let mut newcomers = Newcomers::default();
        let ((patient, mut answer), (gone, _)) = (newcomer("a", "2"), newcomer("a", "3"));
        newcomers.wait(patient, now);
        newcomers.wait(gone, now);
        assert!(newcomers.whose_name_is_free(now + WAIT_MAX, |_| false).is_empty());
        assert_eq!(newcomers.0.len(), 1, "one hung up");
        newcomers.whose_name_is_free(now + WAIT_MAX + Duration::from_millis(1), |_| false);
        assert!(answer.try_recv().unwrap().is_err());
    }
}
