//! One typed error for everything that a user can meet, the same in the terminal, over REST, over gRPC and in a
//! resource's status.

use std::any::Any;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::AttemptId;

/// Who has to act for the failure to go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Actor {
    /// Whoever wrote the job file, the command or the request.
    User,
    /// Whoever owns the data that was read.
    Data,
    /// Whoever runs the machines: disk, memory, network, processes.
    Platform,
    /// Shoal's developers: this should not have happened.
    Shoal,
}

/// What went wrong, as a name that programs can rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[non_exhaustive]
pub enum Reason {
    // The user's spec or command.
    /// The document is no YAML or JSON.
    MalformedDocument,
    /// `apiVersion` or `kind` is not one that this build knows.
    UnknownKind,
    /// A field that the schema does not have.
    UnknownField,
    /// A field that must be there is not.
    MissingField,
    /// A value that the schema or one of its rules refuses.
    InvalidValue,
    /// Two entries that must differ are the same.
    DuplicateName,
    /// A name that the output table cannot hold, or that clashes with one of its own columns.
    InvalidName,
    /// A SQL expression or statement that does not parse or does not fit its table.
    InvalidExpression,
    /// A path on this machine was sent to a head that may not read it.
    LocalPathRefused,
    /// A job of that name exists with another spec.
    JobConflict,
    /// No job has that name.
    JobNotFound,
    /// No worker has that name.
    WorkerNotFound,
    /// No cluster has that name.
    ClusterNotFound,
    /// The request carries no token, or a wrong one; or an object store does not accept the credentials.
    Unauthorized,
    /// Whoever asks is known, and may not do this.
    Forbidden,
    /// Something asked for cannot be done in the state that things are in.
    NotPossible,
    /// The user's function cannot be called: its file is missing, its code does not load, or it takes other arguments.
    InvalidFunction,
    /// A file that the job names by its hash is not on the cluster.
    FileNotUploaded,
    /// What the user's function runs in lacks something: a Python that is new enough, or a package.
    InvalidEnvironment,
    /// The user's function costs more processes than `failurePolicy.maxProcessDeaths` allows.
    ProcessesKeepDying,

    // The data.
    /// No table, file or folder is at that location.
    TableNotFound,
    /// Something is there, but it cannot be read as a table.
    TableUnreadable,
    /// The table has no rows.
    TableEmpty,
    /// The table has no column of that name.
    ColumnNotFound,
    /// The column's type is not one that can be computed with.
    ColumnNotNumeric,
    /// A line or value in a text file does not fit the table's columns.
    MalformedRow,
    /// A file is cut off or damaged.
    CorruptFile,
    /// A value is missing where `onMissing: fail` asks for none.
    MissingValue,
    /// The output exists and the mode is `error`.
    OutputExists,
    /// The output's schema is not the one that would be appended.
    SchemaMismatch,
    /// More groups failed than `failurePolicy.maxFailed` allows.
    TooManyFailed,

    // The platform.
    /// The head cannot be reached.
    HeadUnreachable,
    /// A worker could not be started or left before it registered.
    WorkerStartFailed,
    /// No worker is left to run a task.
    NoWorkers,
    /// A worker's heartbeats stopped or its connection broke.
    WorkerLost,
    /// A partition that another task needs is gone.
    PartitionLost,
    /// A partition arrived with other bytes than were written.
    PartitionCorrupt,
    /// Memory or disk ran out.
    ResourcesExhausted,
    /// Reading or writing failed below us.
    Io,
    /// The state folder is in use by another process.
    StateLocked,
    /// Another head leads: this one can store and decide nothing.
    NotLeading,
    /// A task ended every worker process that ran it.
    TaskKillsWorkers,
    /// A worker gave a task back before its end, because it is being drained or its job was suspended.
    HandedBack,
    /// Another writer changed the table in a way that does not go with this commit.
    CommitConflict,
    /// A peer speaks a version of the protocol that this build does not.
    IncompatibleVersion,
    /// The other side is at a limit; the same call may go through later.
    Busy,

    // Neither.
    /// The user asked for the job to be cancelled.
    Cancelled,
    /// The job ran for longer than `activeDeadlineSeconds`.
    DeadlineExceeded,
    /// A task ended in a panic.
    TaskPanicked,
    /// A state that the code holds impossible.
    Internal,
}

/// Where it went wrong. Every part is optional; what is known is filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Location {
    /// The field of the job file, as `spec.groupedTraining.input.table`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_path: Option<String>,
    /// The file, folder, table or URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Position in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Column of the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Key of the group, as the user would write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Worker that it happened on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The attempt that it happened in, or whose partition is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
}

/// A failure that says what is wrong, where, who has to act and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What went wrong, as a stable name.
    pub reason: Reason,
    /// Who has to act.
    pub actor: Actor,
    /// Where.
    #[serde(default, skip_serializing_if = "is_default")]
    pub location: Location,
    /// What is wrong, as a sentence without its full stop.
    pub message: String,
    /// What to do about it, where something can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The messages of the errors underneath, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

fn is_default(location: &Location) -> bool {
    *location == Location::default()
}

/// What a panic said, if anything.
pub fn said_by_panic(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied())
}

impl Failure {
    /// A failure with that reason; the actor follows from the reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            actor: reason.actor(),
            location: Location::default(),
            message: message.into(),
            next: None,
            causes: Vec::new(),
        }
    }

    /// An internal failure: a state that the code holds impossible.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Reason::Internal, message).next("please report this with the command and its output")
    }

    /// Adds what a panic said, if anything, as a cause.
    #[must_use]
    pub fn because_of_panic(mut self, panic: &(dyn Any + Send)) -> Self {
        self.causes.extend(said_by_panic(panic).map(str::to_owned));
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Names the field of the job file.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>) -> Self {
        self.location.field_path = Some(path.into());
        self
    }

    /// Names the file, folder, table or URL.
    #[must_use]
    pub fn file(mut self, file: impl Into<String>) -> Self {
        self.location.file = Some(file.into());
        self
    }

    /// Names the line, from 1.
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.location.line = Some(line);
        self
    }

    /// Names the column of the table.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.location.column = Some(column.into());
        self
    }

    /// Keeps the messages of an error and of all that it was caused by.
    #[must_use]
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut current = Some(error);
        while let Some(error) = current {
            let message = error.to_string();
            // Many libraries repeat their source in their own message: once is enough for a reader.
            if !self.causes.iter().any(|known| known.contains(&message)) {
                self.causes.push(message);
            }
            current = error.source();
        }
        self
    }

    /// Whether the same task may succeed when it is tried again, elsewhere or later.
    pub fn is_transient(&self) -> bool {
        matches!(self.actor, Actor::Platform) || self.reason == Reason::TaskPanicked
    }
}

impl Reason {
    /// Who has to act on a failure with this reason.
    pub fn actor(self) -> Actor {
        use Reason::*;
        match self {
            MalformedDocument | UnknownKind | UnknownField | MissingField | InvalidValue | DuplicateName
            | InvalidName | InvalidExpression | LocalPathRefused | JobConflict | JobNotFound | WorkerNotFound
            | ClusterNotFound | Unauthorized | Forbidden | NotPossible | TableNotFound | ColumnNotFound
            | InvalidFunction | FileNotUploaded | InvalidEnvironment | ProcessesKeepDying | ColumnNotNumeric
            | OutputExists | SchemaMismatch | TaskKillsWorkers | DeadlineExceeded | Cancelled => Actor::User,
            TableUnreadable | TableEmpty | MalformedRow | CorruptFile | MissingValue | TooManyFailed => Actor::Data,
            HeadUnreachable | WorkerStartFailed | NoWorkers | WorkerLost | PartitionLost | PartitionCorrupt
            | ResourcesExhausted | Io | StateLocked | NotLeading | HandedBack | CommitConflict
            | IncompatibleVersion | Busy => Actor::Platform,
            TaskPanicked | Internal => Actor::Shoal,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
