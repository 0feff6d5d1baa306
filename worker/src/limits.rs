//! Every limit of a worker, each with its reason.

use std::time::Duration;

/// Slots of one worker: more than any machine has cores. Bounds what waits to be sent while there is no head.
pub(crate) const SLOTS_MAX: u32 = 256;

/// One part in this many of a worker's memory holds partitions; further ones go to disk. The page cache makes reading
/// them back cheap, so tasks get the larger part.
pub(crate) const PARTITION_MEMORY_SHARE: u64 = 4;

/// One part in this many of a worker's memory is left to what nobody counts: the allocator, connections, the binary.
pub(crate) const HEADROOM_SHARE: u64 = 4;

/// Rows that wait in a bucket before they are encoded: the size of batch that engines work with.
pub(crate) const BUCKET_ROWS_PENDING: usize = 8_192;

/// Bytes that wait in a bucket before they are encoded, and the size that messages are cut to: large enough that
/// headers and calls cost nothing, small enough to be far from the limit of a gRPC message.
pub(crate) const MESSAGE_BYTES: usize = 1 << 20;

/// Bytes that wait in all buckets of an attempt. With many buckets each would wait for its own limit in memory that no
/// budget counts.
pub(crate) const ATTEMPT_BYTES_PENDING: usize = 16 << 20;

/// Workers that one task reads from at the same time. Each stream buffers up to a window of HTTP/2, about 1 MiB.
pub(crate) const FETCHES_MAX: usize = 32;

/// A peer that answers a `DoGet` or sends the next message later than this is lost. Far above what a loaded disk takes;
/// a peer whose machine is gone is noticed earlier by the connection's own tests.
pub(crate) const FETCH_SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long a head may take to answer `Register`. One that is stopped accepts connections and says nothing; the next one
/// may lead.
pub(crate) const WELCOME_WAIT_MAX: Duration = Duration::from_secs(3);

/// First pause before a worker tries to reach the head again; doubles up to [`RECONNECT_PAUSE_MAX`].
pub(crate) const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause before a worker tries again: what a head that has just won waits for its workers at most, for each head
/// that is tried before it.
pub(crate) const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Messages that wait to be sent to the head. More than [`RESULTS_KEPT_MAX`] and some heartbeats; a head that lets the
/// queue fill up does not read, and is reached anew.
pub(crate) const OUTGOING_MAX: usize = 1_024;

/// Results that are kept to be sent again after the stream broke. More than [`SLOTS_MAX`]: no result is dropped that was
/// never sent.
pub(crate) const RESULTS_KEPT_MAX: usize = 512;

/// Bytes of results already sent that are kept to be sent again. The oldest are dropped first: the head has read them
/// long ago.
pub(crate) const RESULT_BYTES_KEPT_MAX: usize = 16 << 20;

/// Lines of an attempt's log that are kept for the head, the last ones: what it said before it failed.
pub(crate) const ATTEMPT_LINES_MAX: usize = 50;

/// Bytes of one such line; with all of them the log is a small part of what a result may take.
pub(crate) const ATTEMPT_LINE_BYTES_MAX: usize = 1_000;

/// Lines of an attempt's log that one heartbeat has: a screen is filled in some seconds, and a head with thousands of slots
/// below it still reads them beside its work.
pub(crate) const BEAT_LINES_MAX: u32 = 10;

/// Lines of an attempt that are told before its end: what an installer says fits, and one that prints for hours does not
/// push out what all others say.
pub(crate) const EARLY_LINES_MAX: u32 = 200;

/// How often a worker tells of itself while it runs a task that has ended a worker before: what it was at when it ends, too, is
/// known that much better. With a machine many tasks end at a time, and a head still hears all that run again.
pub(crate) const CLOSER_BEAT: Duration = Duration::from_millis(250);

/// The same where the task has ended several, and so runs alone: few do, and a group that takes all the memory there is takes longer.
pub(crate) const CLOSEST_BEAT: Duration = Duration::from_millis(50);

/// How long a cancelled attempt may go on before its future is dropped: time to look at its flag and tidy up.
pub(crate) const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// How long a worker that ends waits for its tasks to let go. They are dropped at their next await; one that computes
/// longer is left to the end of the process.
pub(crate) const SHUTDOWN_WAIT_MAX: Duration = Duration::from_secs(5);

/// Attempts whose partitions are taken over from leaving workers at the same time: each is a stream that fills memory and
/// disk beside the tasks.
pub(crate) const ADOPTIONS_MAX: usize = 4;

/// How much sooner than it ends by itself a leaving worker tells its head that it leaves: time for the head's word that
/// lets it go to arrive. Of a short time to leave it is a quarter.
pub(crate) const LEAVE_MARGIN: Duration = Duration::from_millis(500);

/// How long a worker's disk counts as full after something found no room on it: the worker gets no tasks meanwhile. Long
/// enough for tasks of other workers to make progress, short enough that a disk that has room again is not idle.
pub(crate) const DISK_FULL_PAUSE: Duration = Duration::from_secs(10);

/// Jobs whose functions' counters are shown; with another one those of the job that counted the longest ago are gone. Each
/// may have as many time series as it has names.
pub(crate) const JOBS_COUNTED_MAX: usize = 32;

/// Restarts of actors within [`RESTART_WINDOW`] before the worker gives up: a state that fails that often does not heal.
pub(crate) const RESTARTS_MAX: usize = 5;

/// See [`RESTARTS_MAX`].
pub(crate) const RESTART_WINDOW: Duration = Duration::from_secs(60);
