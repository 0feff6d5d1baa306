//! Every limit of the control plane, each with its reason.

use std::time::Duration;

/// A job file holds one resource; larger than this it is data, which belongs in a table.
pub const JOB_FILE_BYTES_MAX: usize = 1 << 20;

/// How often a worker tells the head that it lives. A fifth of [`WORKER_SILENCE_MAX`], so that one or two lost beats
/// change nothing.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// A worker silent for longer is taken out and what it held is run again. Long enough for a machine that swaps or
/// collects for a few seconds, short enough that nobody waits for a dead one.
pub const WORKER_SILENCE_MAX: Duration = Duration::from_secs(5);

/// A job with pending tasks and no worker fails after this long: a worker that starts registers within seconds.
pub const NO_WORKER_MAX: Duration = Duration::from_secs(60);

/// Attempts of one task before its job fails, where the spec does not say; the number that Spark users know.
pub const TASK_ATTEMPTS_DEFAULT: u32 = 4;

/// First pause before a failed task runs again; doubles with every further failure up to [`RETRY_PAUSE_MAX`].
pub const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause before a failed task runs again.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Unfinished jobs that a head accepts: each costs memory per task, and a client can be told to come back.
pub const JOBS_ACTIVE_MAX: usize = 1_000;

/// Finished jobs that a head lists before the oldest are forgotten.
pub const JOBS_FINISHED_MAX: usize = 1_000;

/// Tasks of one stage: what a head holds in memory and a person can look at.
pub const STAGE_TASKS_MAX: usize = 100_000;

/// Events that wait for the coordinator before a sender has to wait: a few heartbeats and results of each of a
/// thousand workers.
pub const EVENT_QUEUE_MAX: usize = 8_192;

/// A cancelled attempt that its worker has not reported back after this long is given up; its files are swept with the
/// job's.
pub const CANCEL_GRACE: Duration = Duration::from_secs(10);

/// Tries to commit one intent before the job fails: other writers get ahead of a commit now and then, not always.
pub const PUBLISH_ATTEMPTS_MAX: u32 = 5;

/// Tries to withdraw one intent before its job is closed all the same: an hour with the longest pauses. Whether the
/// commit is made is not known then, and the failure says so.
pub const WITHDRAW_ATTEMPTS_MAX: u32 = 120;
