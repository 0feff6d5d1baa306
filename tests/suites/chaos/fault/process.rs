//! Processes that are killed, asked to end, or hang.

use std::time::Duration;

use shoal_tests::signals::{Signal, signal};

use super::{Fault, Refusal};
use crate::watch::Seen;
use crate::world::{Member, World};

/// How long a worker may take to end after its deadline to hand over what it has.
const END_MAX: Duration = Duration::from_secs(20);

/// Whom a fault falls on.
#[derive(Clone, Copy, Debug)]
enum Whom {
    Worker(usize),
    Leader,
    Head(usize),
    EtcdLeader,
    EtcdMember(usize),
    Gateway,
}

impl Whom {
    /// The same, with whoever leads now.
    fn now(self, world: &World, seen: &Seen) -> Self {
        let etcd = || world.etcd.as_ref().expect("the scenario has etcd");
        match self {
            Self::Leader => Self::Head(seen.leader),
            // Without a leader, any: it may be the one that would be chosen.
            Self::EtcdLeader => Self::EtcdMember(etcd().leader().unwrap_or_default()),
            Self::EtcdMember(index) => Self::EtcdMember(index % etcd().members.len()),
            other => other,
        }
    }

    fn of(self, world: &mut World) -> &mut Member {
        match self {
            Self::Worker(index) => &mut world.workers[index],
            Self::Head(index) => &mut world.heads[index],
            Self::Gateway => &mut world.store.as_mut().expect("the scenario has S3").gateway,
            Self::EtcdMember(index) => &mut world.etcd.as_mut().expect("the scenario has etcd").members[index],
            Self::Leader | Self::EtcdLeader => unreachable!("the leader is found when the fault begins"),
        }
    }
}

/// SIGKILL, and started again at the end.
pub(super) struct Killed(Whom);

impl Killed {
    pub(super) fn worker(index: usize) -> Self {
        Self(Whom::Worker(index))
    }

    pub(super) fn leader() -> Self {
        Self(Whom::Leader)
    }

    pub(super) fn etcd_member(index: usize) -> Self {
        Self(Whom::EtcdMember(index))
    }

    pub(super) fn etcd_leader() -> Self {
        Self(Whom::EtcdLeader)
    }

    pub(super) fn gateway() -> Self {
        Self(Whom::Gateway)
    }
}

impl Fault for Killed {
    fn start(&mut self, world: &mut World, seen: &Seen) -> Result<String, Refusal> {
        self.0 = self.0.now(world, seen);
        let member = self.0.of(world);
        if member.pid().is_none() {
            return Err(Refusal::NotNow);
        }
        member.kill();
        Ok(format!("{} SIGKILL", member.name))
    }

    fn stop(&mut self, world: &mut World) {
        self.0.of(world).restart();
    }
}

/// SIGTERM, and started again at the end.
pub(super) struct Ended {
    whom: Whom,
    /// The process that was told. Another fault may kill it meanwhile, and start another.
    pid: Option<u32>,
}

impl Ended {
    pub(super) fn worker(index: usize) -> Self {
        Self { whom: Whom::Worker(index), pid: None }
    }
}

impl Fault for Ended {
    fn start(&mut self, world: &mut World, _: &Seen) -> Result<String, Refusal> {
        let member = self.whom.of(world);
        if !member.is_up() {
            return Err(Refusal::NotNow);
        }
        self.pid = member.pid();
        member.signal(Signal::Terminate);
        Ok(format!("{} SIGTERM", member.name))
    }

    fn is_done(&mut self, world: &mut World, _: &Seen) -> bool {
        let member = self.whom.of(world);
        member.pid() != self.pid || member.has_ended()
    }

    fn stop(&mut self, world: &mut World) {
        let member = self.whom.of(world);
        if member.pid() != self.pid {
            return;
        }
        let wrong = member.wait_for_end(END_MAX);
        assert!(wrong.is_none(), "{wrong:?}:\n{}", member.log());
        member.restart();
    }
}

/// SIGSTOP, and SIGCONT at the end.
pub(super) struct Paused {
    whom: Whom,
    pid: Option<u32>,
}

impl Paused {
    pub(super) fn worker(index: usize) -> Self {
        Self { whom: Whom::Worker(index), pid: None }
    }

    pub(super) fn leader() -> Self {
        Self { whom: Whom::Leader, pid: None }
    }
}

impl Fault for Paused {
    fn start(&mut self, world: &mut World, seen: &Seen) -> Result<String, Refusal> {
        self.whom = self.whom.now(world, seen);
        let member = self.whom.of(world);
        self.pid = member.pid();
        if self.pid.is_none() {
            return Err(Refusal::NotNow);
        }
        member.signal(Signal::Stop);
        Ok(format!("{} SIGSTOP", member.name))
    }

    fn stop(&mut self, _: &mut World) {
        if let Some(pid) = self.pid.take() {
            signal(pid, Signal::Continue);
        }
    }
}
