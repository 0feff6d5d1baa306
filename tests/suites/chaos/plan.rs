//! What happens in one run: a pure function of its seed.

use std::fmt;
use std::time::Duration;

use shoal_core::limits::{DRAIN_DEFAULT, WORKER_SILENCE_MAX};
use shoal_tests::data::Numbers;

use crate::scenario::{Kind, Scenario, Stage};
use crate::world::WORKERS;

/// Names one run: its scenario, and a number that everything left open by that is drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    pub(crate) scenario: &'static Scenario,
    pub(crate) number: u64,
}

/// A fault that will fall.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) kind: Kind,
    pub(crate) moment: Moment,
    pub(crate) hold: Duration,
    /// The worker that it falls on, where it falls on one.
    pub(crate) worker: usize,
    /// Another worker.
    pub(crate) other: usize,
    /// From 0 to 1: how strong it is.
    pub(crate) strength: f64,
    /// One of two ways to do it.
    pub(crate) variant: bool,
}

/// When a fault falls: once so large a share of a stage's tasks is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) stage: Stage,
    pub(crate) share: f64,
}

impl Seed {
    /// Reads `scenario/number` in the form in which it is shown.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scenario, number) = text.trim().split_once('/')?;
        Some(Self { scenario: Scenario::find(scenario)?, number: u64::from_str_radix(number, 16).ok()? })
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:x}", self.scenario.name, self.number)
    }
}

/// The faults of a run, in the order of its scenario.
pub(crate) fn plan(seed: Seed) -> Vec<Planned> {
    let mut numbers = Numbers::new(seed.number);
    seed.scenario.faults.iter().map(|(kind, stage)| draw(*kind, *stage, &mut numbers)).collect()
}

fn draw(kind: Kind, stage: Stage, numbers: &mut Numbers) -> Planned {
    // Late in a stage the job may be over before the fault is there.
    let share = numbers.between(0.0, 0.4);
    let (shortest, longest) = hold(kind);
    let hold = Duration::from_secs_f64(numbers.between(shortest, longest));
    let worker = numbers.below(WORKERS as u64) as usize;
    let other = (worker + 1 + numbers.below(WORKERS as u64 - 1) as usize) % WORKERS;
    let strength = numbers.between(0.0, 1.0);
    let variant = numbers.below(2) == 0;
    Planned { kind, moment: Moment { stage, share }, hold, worker, other, strength, variant }
}

/// How long a fault of a kind lasts, in seconds.
fn hold(kind: Kind) -> (f64, f64) {
    let silence = WORKER_SILENCE_MAX.as_secs_f64();
    match kind {
        Kind::WorkerKilled | Kind::GatewayKilled | Kind::EtcdMemberKilled => (0.1, 2.0),
        Kind::HeadKilled | Kind::EtcdLeaderKilled => (0.1, 3.0),
        Kind::WorkerPausedShortly | Kind::HeadPausedShortly => (0.5, 0.5 * silence),
        Kind::WorkerPausedLong | Kind::HeadPausedLong => (1.2 * silence, 1.6 * silence),
        Kind::ConnectionsKilled => (0.0, 0.1),
        Kind::HeadWorkerCut | Kind::HeadWorkerCutOneWay | Kind::WorkersCut | Kind::HeadEtcdCut => (0.5, 1.5 * silence),
        Kind::Loss | Kind::Narrow | Kind::Delay => (2.0, 5.0),
        Kind::ScratchFull => (1.0, 3.0),
        Kind::StoreRefuses | Kind::StoreSlow => (1.0, 3.0),
        Kind::StateFull => (2.0, 8.0),
        Kind::WorkerEnded => (DRAIN_DEFAULT.as_secs_f64(), DRAIN_DEFAULT.as_secs_f64()),
        // These end when they have done what they are for; so long is waited for that.
        Kind::MemoryLimit | Kind::HeadKilledInCommit | Kind::CommitAnswerLost => (20.0, 20.0),
    }
}
