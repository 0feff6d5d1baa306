//! Every limit of the control plane, each with its reason.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A job file holds one resource; larger than this it is data, which belongs in a table.
pub const JOB_FILE_BYTES_MAX: usize = 1 << 20;

/// How often a worker tells the head that it lives. A fifth of [`WORKER_SILENCE_MAX`], so that one or two lost beats
/// change nothing.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// A worker silent for longer is taken out and what it held is run again. Long enough for a machine that swaps or
/// collects for a few seconds, short enough that nobody waits for a dead one.
pub const WORKER_SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long a job with pending tasks does without any worker where nobody says: a worker that starts registers within
/// seconds, and who has forgotten to start one is told soon.
pub const NO_WORKER_DEFAULT: Duration = Duration::from_secs(60);

/// The longest that a job may do without one: a month, in which somebody has looked at it.
pub const NO_WORKER_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Attempts of one task before its job fails, where the spec does not say; the number that Spark users know.
pub const TASK_ATTEMPTS_DEFAULT: u32 = 4;

/// Processes of a user's function that may die under it, where the spec does not say: more than a few bad groups cost, and
/// little enough that a function which always dies is told of within seconds.
pub const PROCESS_DEATHS_DEFAULT: u32 = 10;

/// Dead processes of a user's function that a failure tells of, the last ones: enough to see whether it is always the same
/// group, or the same end.
pub const DEATHS_TOLD_MAX: usize = 5;

/// Bytes of a group's key that are told of it while it runs: a worker says that of each of its slots every second.
pub const GROUP_TOLD_BYTES_MAX: usize = 200;

/// First pause before a failed task runs again; doubles with every further failure up to [`RETRY_PAUSE_MAX`].
pub const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause before a failed task runs again.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Priorities that a job may have: enough to tell apart what people tell apart, and what the schema says.
pub const PRIORITIES: RangeInclusive<i32> = -1_000..=1_000;

/// Submissions that wait to be stored; whoever comes then is told to come back. A group commit takes some milliseconds
/// and all that wait, so that this many are thousands a second, and at a megabyte each still fit into memory.
pub const SUBMISSIONS_WAITING_MAX: usize = 128;

/// Other calls that wait for their answers; whoever comes then is told to come back. An answer takes microseconds, and a
/// few milliseconds where it waits for the journal: more wait only where the head hangs, and then it is of no use to pile
/// them up.
pub const CALLS_WAITING_MAX: usize = 256;

/// Lists of all jobs that are made or wait to be: each holds the status of every job, some megabytes where those are many.
pub const LISTS_WAITING_MAX: usize = 8;

/// How often a head notes down how much of its deadline's time a job has used: what the job may gain when heads change.
/// A short record per job with a deadline: a hundred a second where there are a thousand.
pub const TIME_USED_NOTED_EVERY: Duration = Duration::from_secs(10);

/// Deadlines and times to live that a job may have, in seconds: a year at the most, as the schema says.
pub const JOB_SECONDS_MAX: u64 = 31_536_000;

/// Times in a row that workers may refuse a task for want of a slot before that counts as a failure: minutes, with the
/// pauses between.
pub const REFUSALS_MAX: u32 = 16;

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

/// Names under which the functions of a job count: each is in every report, and a time series of every worker.
pub const TALLY_NAMES_MAX: usize = 32;

/// Bytes of such a name: what a person reads in a line.
pub const TALLY_NAME_BYTES_MAX: usize = 64;

/// Tries to commit one intent before the job fails: other writers get ahead of a commit now and then, not always.
pub const PUBLISH_ATTEMPTS_MAX: u32 = 5;

/// Tries to withdraw one intent before its job is closed all the same: an hour with the longest pauses. Whether the
/// commit is made is not known then, and the failure says so.
pub const WITHDRAW_ATTEMPTS_MAX: u32 = 120;

/// Runs of one task that ended with their worker before the task runs alone on its worker: only then is it known whose
/// fault the next end is.
pub const TASK_DEATHS_SUSPECT: u32 = 2;

/// Runs of one task that ended with their worker, the last one alone there, before its job fails: a task that ends
/// workers would otherwise take the whole cluster down, worker after worker.
pub const TASK_DEATHS_MAX: u32 = 3;

/// Ready tasks of one job that are looked at for one that a free worker takes, before the next job has its turn: tasks
/// that wait for another worker than the free one are few.
pub const PLACEMENTS_TRIED_MAX: usize = 64;

/// How long a head that starts waits for the workers that its journal tells of: they notice within seconds that the head
/// before it is gone, and come back at most [`WORKER_SILENCE_MAX`] apart.
pub const ADOPTION_GRACE: Duration = Duration::from_secs(10);

/// How long workers keep the partitions of a failed job that may go on: long enough for a person to see why it failed
/// and to submit it again.
pub const RESUME_PARTITIONS_KEEP: Duration = Duration::from_secs(300);

/// How long a finished job is listed where its spec does not say.
pub const HISTORY_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A tick that comes so much later than the last one means that the head itself stood still or that its clock jumped:
/// nobody's silence during that time counts.
pub const STANDSTILL: Duration = Duration::from_secs(2);

/// How long a worker has to leave in order where nobody says: the time that Kubernetes gives a pod.
pub const DRAIN_DEFAULT: Duration = Duration::from_secs(30);

/// The longest that a worker may take to leave: a worker that takes no tasks for longer is better ended.
pub const DRAIN_MAX: Duration = Duration::from_secs(3_600);

/// How long before its time is over a leaving worker's tasks are called back: they have a second to end by themselves,
/// and what ends in time still moves. Of a shorter time to leave it is half.
pub const DRAIN_HAND_BACK: Duration = Duration::from_secs(3);

/// Attempts of a leaving worker whose partitions are on their way at the same time: enough to keep several peers busy,
/// few enough that those that arrive count soon.
pub const DRAIN_MOVES_MAX: usize = 16;

/// Workers that are tried for the partitions of one attempt before they are left where they are.
pub const DRAIN_MOVE_TRIES_MAX: usize = 3;

/// How long a worker does without a head where nobody says: a head's machine may be replaced, or etcd lack its majority for
/// minutes, and all that while the worker keeps partitions that would have to be made again.
pub const HEAD_GONE_DEFAULT: Duration = Duration::from_secs(300);

/// The longest that a worker may do without one: a forgotten worker does not stay for ever.
pub const HEAD_GONE_MAX: Duration = Duration::from_secs(86_400);

/// How often it is looked for tasks that take too long: a duplicate is worth seconds, and looking at a stage's tasks takes
/// a millisecond where they are a hundred thousand.
pub const SPECULATION_EVERY: Duration = Duration::from_secs(1);

/// Tasks of a stage that have to be done before others are called slow, at the least: of fewer nobody knows what is usual.
pub const SPECULATION_DONE_MIN: usize = 3;

/// Share of a stage's tasks that has to be done before others are called slow.
pub const SPECULATION_DONE_SHARE: f64 = 0.5;

/// A task that takes that many times the median of those that are done is slow; Spark's `speculation.multiplier` when it
/// was made.
pub const SPECULATION_FACTOR: f64 = 1.5;

/// A task is slow only where it takes longer than the median by this: below, another run costs more than it can save, as it
/// begins with nothing.
pub const SPECULATION_MARGIN: Duration = Duration::from_secs(2);

/// Of the cluster's slots, one in so many may run duplicates at the same time, and one in any case: most of them are wasted,
/// and a job that is submitted meanwhile is not to wait for them.
pub const SPECULATION_SLOTS_ONE_IN: u32 = 4;

/// Bytes of a file that travels to a cluster: the largest wheels have about that many, and what is larger is data.
pub const BLOB_BYTES_MAX: u64 = 1 << 30;

/// How long a file that travelled is kept after the last job that names it is forgotten: a job that runs once a month
/// finds its files there.
pub const BLOB_UNUSED_MAX: Duration = Duration::from_secs(35 * 86_400);

/// How often it is noted down that a file is of use: each time is a write to the storage.
pub const BLOB_USE_NOTED_EVERY: Duration = Duration::from_secs(86_400);

/// How often a head looks which files are of no use any more.
pub const BLOB_CHORES_EVERY: Duration = Duration::from_secs(3_600);

/// Files that one job may bring along: a package has hundreds, and each takes some hundred bytes of the spec.
pub const UPLOADS_MAX: usize = 1_024;

/// Files that are taken or given at the same time: each holds some megabytes of memory, and a machine's network is no
/// faster with more.
pub const BLOBS_AT_ONCE_MAX: usize = 32;
