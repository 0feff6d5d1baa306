//! The table of scenarios: what is run, and which kinds of faults fall on it.

use std::fmt;

/// Classes of faults. Ten runs meet each at least once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A worker gets SIGKILL and is started again.
    WorkerKilled,
    /// A worker gets SIGTERM, hands over what it has, and is started again.
    WorkerEnded,
    /// The head that leads gets SIGKILL and is started again.
    HeadKilled,
    /// The same, while its commit is on its way to the store.
    HeadKilledInCommit,
    /// A worker hangs for shorter than the silence that takes it out.
    WorkerPausedShortly,
    /// A worker hangs for longer.
    WorkerPausedLong,
    /// The head that leads hangs for a moment.
    HeadPausedShortly,
    /// The head that leads hangs until another leads, or until its workers have given the connection up.
    HeadPausedLong,
    /// All connections of a worker or of the head end at once.
    ConnectionsKilled,
    /// Head and worker do not reach each other.
    HeadWorkerCut,
    /// A worker hears nothing of the head, which hears it; or the other way round.
    HeadWorkerCutOneWay,
    /// Two workers do not reach each other.
    WorkersCut,
    /// Packets to a worker or to the head get lost.
    Loss,
    /// A worker has little bandwidth.
    Narrow,
    /// What head and workers say to each other takes a while.
    Delay,
    /// A worker's scratch folder is full.
    ScratchFull,
    /// The head's state folder is full.
    StateFull,
    /// The kernel ends a worker that takes more memory than it may.
    MemoryLimit,
    /// A member of etcd gets SIGKILL and is started again.
    EtcdMemberKilled,
    /// The member of etcd that leads gets SIGKILL and is started again.
    EtcdLeaderKilled,
    /// The head that leads reaches no member of etcd.
    HeadEtcdCut,
    /// The S3 gateway gets SIGKILL and is started again.
    GatewayKilled,
    /// S3 answers many requests by 503.
    StoreRefuses,
    /// S3 takes its time.
    StoreSlow,
    /// S3 makes the commit and answers by 503.
    CommitAnswerLost,
}

/// How rows meet the other rows of their group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    Bucket,
    Aggregate,
}

/// Where input and output lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// A folder that all processes see.
    Disk,
    /// A bucket, behind a proxy that can fail.
    S3,
}

/// Where the head keeps what must survive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Journal {
    /// A file.
    Redb,
    /// So many members of etcd.
    Etcd(usize),
}

/// A part of the job that a fault begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Map,
    Reduce,
}

/// What is run, and what happens to it.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) strategy: Strategy,
    pub(crate) store: Store,
    pub(crate) journal: Journal,
    pub(crate) heads: usize,
    /// Whether head, workers and client speak TLS on every port.
    pub(crate) tls: bool,
    pub(crate) faults: &'static [(Kind, Stage)],
}

impl Strategy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Aggregate => "aggregate",
        }
    }
}

impl Store {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::S3 => "s3",
        }
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redb => f.write_str("redb"),
            Self::Etcd(members) => write!(f, "etcd{members}"),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{} {} heads={}", self.store.name(), self.journal, self.strategy.name(), self.heads)?;
        if self.tls { f.write_str(" tls") } else { Ok(()) }
    }
}

impl Scenario {
    /// Whether a kind of fault is among those that fall on it.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.faults.iter().any(|(of, _)| *of == kind)
    }

    /// The scenario of a name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }
}

use Kind::*;
use Stage::{Map, Reduce};

/// All scenarios: ten, so that ten runs are each of them once.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "workers-killed",
        strategy: Strategy::Bucket,
        store: Store::Disk,
        journal: Journal::Redb,
        heads: 1,
        tls: false,
        faults: &[(WorkerKilled, Map), (WorkerKilled, Reduce), (WorkerEnded, Reduce)],
    },
    Scenario {
        name: "head-killed",
        strategy: Strategy::Aggregate,
        store: Store::Disk,
        journal: Journal::Redb,
        heads: 1,
        tls: false,
        faults: &[(HeadKilled, Map), (HeadKilled, Reduce)],
    },
    Scenario {
        name: "paused",
        strategy: Strategy::Bucket,
        store: Store::Disk,
        journal: Journal::Redb,
        heads: 1,
        tls: false,
        faults: &[(WorkerPausedShortly, Map), (HeadPausedShortly, Map), (WorkerPausedLong, Reduce)],
    },
    Scenario {
        name: "cut-off",
        strategy: Strategy::Bucket,
        store: Store::Disk,
        journal: Journal::Redb,
        heads: 1,
        tls: false,
        faults: &[(HeadWorkerCut, Map), (HeadWorkerCutOneWay, Reduce), (WorkersCut, Reduce)],
    },
    Scenario {
        name: "bad-network",
        strategy: Strategy::Bucket,
        store: Store::Disk,
        journal: Journal::Redb,
        heads: 1,
        tls: true,
        faults: &[(Loss, Map), (Delay, Map), (Narrow, Map), (ConnectionsKilled, Reduce)],
    },
    Scenario {
        name: "no-room",
        strategy: Strategy::Bucket,
        store: Store::Disk,
        journal: Journal::Redb,
        heads: 1,
        tls: false,
        faults: &[(ScratchFull, Map), (MemoryLimit, Map)],
    },
    Scenario {
        name: "no-room-for-the-journal",
        strategy: Strategy::Bucket,
        store: Store::Disk,
        journal: Journal::Redb,
        heads: 1,
        tls: false,
        faults: &[(StateFull, Map), (WorkerKilled, Reduce), (StateFull, Reduce)],
    },
    Scenario {
        name: "bad-store",
        strategy: Strategy::Bucket,
        store: Store::S3,
        journal: Journal::Redb,
        heads: 1,
        tls: false,
        faults: &[(StoreSlow, Map), (StoreRefuses, Map), (GatewayKilled, Reduce), (CommitAnswerLost, Reduce)],
    },
    Scenario {
        name: "failover",
        strategy: Strategy::Aggregate,
        store: Store::Disk,
        journal: Journal::Etcd(1),
        heads: 2,
        tls: false,
        faults: &[(HeadKilled, Map), (EtcdMemberKilled, Map), (HeadPausedLong, Map)],
    },
    Scenario {
        name: "failover-s3",
        strategy: Strategy::Bucket,
        store: Store::S3,
        journal: Journal::Etcd(3),
        heads: 2,
        tls: true,
        faults: &[(EtcdLeaderKilled, Map), (HeadEtcdCut, Map), (HeadKilledInCommit, Reduce)],
    },
];
