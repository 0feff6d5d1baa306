//! Every limit of the processes, each with its reason.

use std::time::Duration;

/// How long a process may take to load its program: libraries that are imported for the first time from a slow disk take tens
/// of seconds.
pub(crate) const LOAD_TIME_MAX: Duration = Duration::from_secs(120);

/// How long a process that nobody uses is kept: the next task of its job comes within milliseconds, if it comes.
pub(crate) const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

/// How often a process that works is looked at: a hung one holds a slot that much longer than it has to.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks at a process between two looks at its memory, which costs some hundred microseconds.
pub(crate) const MEMORY_LOOK_EVERY: u32 = 2;

/// How often the memory of what the worker runs in is looked at while there are processes: what one can write to in that time,
/// and while it is being ended, has to fit into [`ROOM_KEPT_MIN`].
pub(crate) const ROOM_LOOK_EVERY: Duration = Duration::from_millis(20);

/// One part in this many of that memory is kept free: the largest process ends before it is used. In a small container a
/// process gets through more of it at a time.
pub(crate) const ROOM_KEPT_SHARE: u64 = 8;

/// The least that is kept free: a core writes to some gigabytes of new memory a second.
pub(crate) const ROOM_KEPT_MIN: u64 = 64 << 20;

/// The most that is kept free: on a large machine an eighth would be gigabytes that nobody may use.
pub(crate) const ROOM_KEPT_MAX: u64 = 512 << 20;

/// Memory of a worker that processes cannot have: what it takes itself before it holds any rows, with its runtimes, connections
/// and the query engine.
pub(crate) const WORKER_MEMORY: u64 = 128 << 20;

/// Processes that a function may have started at a time: more than it has use for on the largest machines, and so few that they
/// are gone soon where a function starts them without an end.
pub(crate) const PROCESSES_MAX: usize = 512;

/// How long a process may take to be gone once it was told to. Its guardian needs milliseconds.
pub(crate) const END_TIME_MAX: Duration = Duration::from_secs(5);

/// How long the last lines of a message may take to arrive after its results, before they count as somebody else's.
pub(crate) const LINES_TIME_MAX: Duration = Duration::from_secs(1);

/// Bytes of each part of an answer: what a function returns for the groups of one message.
pub(crate) const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// Messages that wait to be written to a process. Whoever sends them keeps fewer on their way.
pub(crate) const OUTGOING_MAX: usize = 16;

/// Answers that were read and not yet taken.
pub(crate) const ANSWERS_MAX: usize = 4;

/// Lines that are kept until somebody takes them; further ones push the oldest out.
pub(crate) const LINES_MAX: usize = 1_000;

/// Bytes of a line; the rest of it is left out.
pub(crate) const LINE_BYTES_MAX: usize = 4_096;

/// How long an environment that nobody uses is kept: longer than the holidays of whoever runs its job every week.
pub(crate) const UNUSED_TIME_MAX: Duration = Duration::from_secs(14 * 24 * 3_600);

/// How long an environment may take to be built: some packages are compiled for minutes, and one whose index does not answer
/// is to be given up before a night is over.
pub(crate) const BUILD_TIME_MAX: Duration = Duration::from_secs(3_600);

/// How often whoever waits for another's build looks whether it is done.
pub(crate) const BUILT_LOOK_EVERY: Duration = Duration::from_millis(100);

/// Last lines of an installer, or of an interpreter, that are shown of why it failed.
pub(crate) const OWN_LINES_MAX: usize = 12;
