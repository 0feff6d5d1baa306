//! Faults: each a small type that begins, and ends what it began.
//!
//! A run that panics ends its process, and with it the namespaces that every fault lives in: what is not there by itself
//! after that (a control group) is taken away in `Drop`.

mod delay;
mod disk;
mod memory;
mod network;
mod process;
mod store;

use std::time::Duration;

use crate::plan::Planned;
use crate::scenario::Kind;
use crate::watch::Seen;
use crate::world::World;

pub(crate) use self::delay::DelayProxies;
pub(crate) use self::memory::control_groups_left;

/// Why a fault cannot begin.
pub(crate) enum Refusal {
    /// Another fault keeps it from that: it may a little later.
    NotNow,
    /// This machine cannot do it, and why.
    Impossible(String),
}

/// Something that goes wrong.
pub(crate) trait Fault {
    /// Begins. Returns what it is, for the line of the run.
    fn start(&mut self, world: &mut World, seen: &Seen) -> Result<String, Refusal>;

    /// Called again and again while it lasts. True once it has done what it is for and may end.
    fn is_done(&mut self, _world: &mut World, _seen: &Seen) -> bool {
        false
    }

    /// Ends: everything is as it was before.
    fn stop(&mut self, world: &mut World);

    /// Whether anybody felt it; asked once it has ended. Most faults are felt as soon as they begin.
    fn was_felt(&self) -> bool {
        true
    }
}

/// The fault of a plan.
pub(crate) fn make(planned: &Planned) -> Box<dyn Fault> {
    let Planned { kind, worker, other, strength, variant, .. } = *planned;
    let between = |low: f64, high: f64| low + (high - low) * strength;
    match kind {
        Kind::WorkerKilled => Box::new(process::Killed::worker(worker)),
        Kind::WorkerEnded => Box::new(process::Ended::worker(worker)),
        Kind::HeadKilled => Box::new(process::Killed::leader()),
        Kind::EtcdMemberKilled => Box::new(process::Killed::etcd_member(worker)),
        Kind::EtcdLeaderKilled => Box::new(process::Killed::etcd_leader()),
        Kind::GatewayKilled => Box::new(process::Killed::gateway()),
        Kind::WorkerPausedShortly | Kind::WorkerPausedLong => Box::new(process::Paused::worker(worker)),
        Kind::HeadPausedShortly | Kind::HeadPausedLong => Box::new(process::Paused::leader()),
        Kind::ConnectionsKilled => Box::new(network::ConnectionsKilled { worker: variant.then_some(worker) }),
        Kind::HeadEtcdCut => Box::new(network::Cut::head_and_etcd()),
        Kind::HeadWorkerCut => Box::new(network::Cut::head_and_worker(worker, network::Ways::Both)),
        Kind::HeadWorkerCutOneWay => Box::new(network::Cut::head_and_worker(worker, network::Ways::one(variant))),
        Kind::WorkersCut => Box::new(network::Cut::workers(worker, other)),
        Kind::Loss => Box::new(network::Loss::new(variant.then_some(worker), between(0.05, 0.2))),
        Kind::Narrow => Box::new(network::Narrow::new(worker, between(500.0, 4_000.0) as u32)),
        Kind::Delay => Box::new(delay::Delay::new(Duration::from_millis(between(50.0, 500.0) as u64))),
        Kind::ScratchFull => Box::new(disk::ScratchFull::new(worker)),
        Kind::StateFull => Box::new(disk::StateFull::default()),
        Kind::MemoryLimit => Box::new(memory::MemoryLimit::new(other)),
        Kind::StoreRefuses => Box::new(store::Refuses::new(between(20.0, 60.0) as u64)),
        Kind::StoreSlow => Box::new(store::Slow::new(Duration::from_millis(between(100.0, 600.0) as u64))),
        Kind::CommitAnswerLost => Box::new(store::CommitAnswerLost::default()),
        Kind::HeadKilledInCommit => Box::new(store::HeadKilledInCommit::default()),
    }
}
