//! What goes wrong.

/// Something that goes wrong at some time. Whom it hits is drawn when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    HeadCrash,
    HeadPause,
    HeadClockForward,
    HeadClockBack,
    HeadCutFromStore,
    WorkerCrash,
    WorkerPause,
    WorkerSlow,
    WorkerTwin,
    WorkerDrain,
    WorkerDiskFull,
    WorkerMemoryFull,
    WorkerLosesPartition,
    StreamBreak,
    CutHeadFromWorker,
    CutWorkers,
    NetworkSlow,
    JournalSlow,
    JournalFull,
    JournalLosesAnswers,
    LakeSlow,
    LakeFails,
    LakeLosesAnswers,
    ForeignCommit,
    HeadResigns,
}

impl Fault {
    /// All that are drawn at first; see [`crate::scenario`] for the others.
    pub(crate) const ALL: [Self; 24] = [
        Self::HeadCrash,
        Self::HeadPause,
        Self::HeadClockForward,
        Self::HeadClockBack,
        Self::HeadCutFromStore,
        Self::WorkerCrash,
        Self::WorkerPause,
        Self::WorkerSlow,
        Self::WorkerTwin,
        Self::WorkerDrain,
        Self::WorkerDiskFull,
        Self::WorkerMemoryFull,
        Self::WorkerLosesPartition,
        Self::StreamBreak,
        Self::CutHeadFromWorker,
        Self::CutWorkers,
        Self::NetworkSlow,
        Self::JournalSlow,
        Self::JournalFull,
        Self::JournalLosesAnswers,
        Self::LakeSlow,
        Self::LakeFails,
        Self::LakeLosesAnswers,
        Self::ForeignCommit,
    ];

    /// As it is counted and shown.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HeadCrash => "head crashes",
            Self::HeadPause => "head pauses",
            Self::HeadClockForward => "head's clock jumps forward",
            Self::HeadClockBack => "head's clock jumps back",
            Self::HeadCutFromStore => "head is cut off from the journal",
            Self::WorkerCrash => "worker crashes",
            Self::WorkerPause => "worker pauses",
            Self::WorkerSlow => "worker is slow",
            Self::WorkerTwin => "second worker of the same name",
            Self::WorkerDrain => "worker is drained",
            Self::WorkerDiskFull => "worker's disk is full",
            Self::WorkerMemoryFull => "worker is killed for its memory",
            Self::WorkerLosesPartition => "worker loses a partition",
            Self::StreamBreak => "worker's stream breaks",
            Self::CutHeadFromWorker => "worker is cut off from a head",
            Self::CutWorkers => "workers are cut off from each other",
            Self::NetworkSlow => "network is slow",
            Self::JournalSlow => "journal is slow",
            Self::JournalFull => "journal is full",
            Self::JournalLosesAnswers => "journal's answers are lost",
            Self::LakeSlow => "object store is slow",
            Self::LakeFails => "object store fails",
            Self::LakeLosesAnswers => "object store's answers are lost",
            Self::ForeignCommit => "another writer commits",
            Self::HeadResigns => "head gives its lead up",
        }
    }
}

/// What ends a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Healing {
    ResumeHead(crate::message::HeadKey),
    ResumeWorker(crate::message::WorkerKey),
    /// Connections that nobody has answered on for too long are given up.
    KeepAliveHead(crate::message::HeadKey),
    KeepAliveWorker(crate::message::WorkerKey),
    KeepAliveLink(usize, usize),
}

/// A moment in a head's work at which a fault is worth more than at any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    AppendSent,
    AppendStored,
    CommitSent,
    CommitWritten,
    WithdrawalWritten,
    SweepSent,
    Elected,
}

impl Moment {
    pub(crate) const ALL: [Self; 7] = [
        Self::AppendSent,
        Self::AppendStored,
        Self::CommitSent,
        Self::CommitWritten,
        Self::WithdrawalWritten,
        Self::SweepSent,
        Self::Elected,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AppendSent => "as it appends",
            Self::AppendStored => "after its append is stored",
            Self::CommitSent => "as it commits",
            Self::CommitWritten => "after its commit is written",
            Self::WithdrawalWritten => "after its withdrawal is written",
            Self::SweepSent => "as it sweeps files",
            Self::Elected => "after its election",
        }
    }
}
