//! What is kept of a job's life, at the most.

use std::time::Duration;

use super::bounded::Limits;

/// Ended attempts of a job: all of a small one, and the pattern of a large one. Of 250 bytes each, a few hundred take
/// 60 KiB.
pub(super) const ATTEMPTS: Limits = Limits { items: 256, bytes: 60 << 10 };

/// Lines of a job's log: some screens full, which with the attempts stay below the 96 KiB that one record may take, so
/// that a thousand finished jobs take 96 MiB on disk, and as many that run no more of the head's memory.
pub(super) const LINES: Limits = Limits { items: 400, bytes: 30 << 10 };

/// Bytes of one line: a failure with its causes fits, a table that was printed by mistake does not.
pub(super) const LINE_BYTES_MAX: usize = 1_000;

/// Bytes of what is said of a failed attempt in the list of attempts; the log has all of it.
pub(super) const MESSAGE_BYTES_MAX: usize = 300;

/// Lines of one attempt that the head takes, whatever its worker sends.
pub(super) const ATTEMPT_LINES_MAX: usize = 100;

/// How often what workers wrote is stored while a job runs: so much of it may be lost with the head, and no more than
/// one record of 96 KiB is written per job in that time.
pub(super) const STORE_INTERVAL: Duration = Duration::from_secs(10);

/// Histories that a starting head reads at the same time: what hides the way to a store on another machine.
pub(super) const READS_AT_ONCE: usize = 32;
