//! S3 that refuses, is slow, or does what it says that it did not.

use std::time::Duration;

use shoal_tests::fault_proxy::Gate;

use super::{Fault, Refusal};
use crate::watch::Seen;
use crate::world::{Mood, World};

fn feel(world: &World, change: impl FnOnce(&mut Mood)) {
    world.store.as_ref().expect("the scenario has S3").feel(change);
}

/// Many requests are answered by 503.
pub(super) struct Refuses(u64);

impl Refuses {
    pub(super) fn new(percent: u64) -> Self {
        Self(percent)
    }
}

impl Fault for Refuses {
    fn start(&mut self, world: &mut World, _: &Seen) -> Result<String, Refusal> {
        feel(world, |mood| mood.refused_percent = self.0);
        Ok(format!("s3 refuses {} %", self.0))
    }

    fn stop(&mut self, world: &mut World) {
        feel(world, |mood| mood.refused_percent = 0);
    }
}

/// Every request takes its time.
pub(super) struct Slow(Duration);

impl Slow {
    pub(super) fn new(delay: Duration) -> Self {
        Self(delay)
    }
}

impl Fault for Slow {
    fn start(&mut self, world: &mut World, _: &Seen) -> Result<String, Refusal> {
        feel(world, |mood| mood.delay = Some(self.0));
        Ok(format!("s3 takes {} ms more", self.0.as_millis()))
    }

    fn stop(&mut self, world: &mut World) {
        feel(world, |mood| mood.delay = None);
    }
}

/// The commit is made, and answered by 503.
#[derive(Default)]
pub(super) struct CommitAnswerLost {
    was_lost: bool,
}

impl Fault for CommitAnswerLost {
    fn start(&mut self, world: &mut World, _: &Seen) -> Result<String, Refusal> {
        feel(world, |mood| mood.commit_answers_lost = 1);
        Ok("s3 loses the answer to the commit".to_owned())
    }

    fn stop(&mut self, world: &mut World) {
        feel(world, |mood| self.was_lost = std::mem::take(&mut mood.commit_answers_lost) == 0);
    }

    fn was_felt(&self) -> bool {
        self.was_lost
    }
}

/// The head is killed while its commit is on the way, which arrives all the same; then it is started again.
#[derive(Default)]
pub(super) struct HeadKilledInCommit {
    gate: Gate,
    head: usize,
    is_killed: bool,
}

impl Fault for HeadKilledInCommit {
    fn start(&mut self, world: &mut World, _: &Seen) -> Result<String, Refusal> {
        feel(world, |mood| mood.commit_gate = Some(self.gate.clone()));
        Ok("head SIGKILL while it commits".to_owned())
    }

    fn is_done(&mut self, world: &mut World, seen: &Seen) -> bool {
        if !self.is_killed && self.gate.waiting() > 0 {
            self.head = seen.leader;
            world.heads[self.head].kill();
            self.is_killed = true;
        }
        self.is_killed
    }

    fn stop(&mut self, world: &mut World) {
        feel(world, |mood| mood.commit_gate = None);
        self.gate.open();
        if self.is_killed {
            world.heads[self.head].restart();
        }
    }

    fn was_felt(&self) -> bool {
        self.is_killed
    }
}
