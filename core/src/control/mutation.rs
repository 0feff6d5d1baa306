//! Mistakes that can be switched on, to prove that the simulation finds them. No command and no setting reaches them.

/// A mistake in the parts that keep jobs safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// Whoever acts under an old epoch is obeyed.
    SkipFence,
    /// A submission is acknowledged before the journal has it.
    AcknowledgeBeforeStored,
    /// A commit is written without looking for its application id.
    CommitWithoutLooking,
    /// A commit is written without its intent in the journal.
    DropIntent,
    /// A job's files are deleted while its commit may still arrive.
    CleanUpEarly,
    /// A head that starts does not know what runs on the workers.
    ForgetToAdopt,
    /// The result of an attempt counts although it was given up.
    AcceptRevoked,
    /// A draining worker gets tasks.
    AssignToDraining,
    /// Submissions are accepted however many jobs there are.
    AdmitAll,
    /// A commit does not wait for attempts that were beaten and still write.
    CommitBesideBeaten,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SkipFence,
        Self::AcknowledgeBeforeStored,
        Self::CommitWithoutLooking,
        Self::DropIntent,
        Self::CleanUpEarly,
        Self::ForgetToAdopt,
        Self::AcceptRevoked,
        Self::AssignToDraining,
        Self::AdmitAll,
        Self::CommitBesideBeaten,
    ];
}
