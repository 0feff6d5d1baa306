//! Limits of what goes over the wire, each with its reason.

use std::time::Duration;

/// Largest gRPC message, in either direction. A result with statistics of thousands of files takes a few MiB, and a
/// worker cuts batches far below this; what is larger is a mistake that should not take the receiver's memory.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Largest frame of HTTP/2 that a client takes. A server writes frame by frame to its socket, and wakes its reader for
/// each: of the usual 16 KiB, that costs as much time as the bytes do. Far below the window of a stream, which is 2 MiB.
pub const FRAME_BYTES_MAX: u32 = 256 << 10;

/// Opening a connection takes longer than this only when nobody is there.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often an idle connection is tested, so that a peer whose machine is gone is noticed.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long a test of a connection may stay unanswered; a machine that swaps takes seconds.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How often a worker tests its connection to its head: one that is silent may not lead any more, and another does.
pub const HEAD_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// How long such a test may stay unanswered. Giving a head up that was only slow costs a connection: attempts go on.
pub const HEAD_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Largest failure in a gRPC status, as JSON. It travels in a header, base64 makes a third more of it, and peers
/// refuse headers above 16 KiB.
pub const FAILURE_BYTES_MAX: usize = 8 << 10;

/// Largest token: it travels in a header with every call, and peers refuse headers above 16 KiB. Those of Kubernetes' users
/// name their groups and take some KiB.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// Shortest token: 16 characters of base64 hold 96 random bits, which nobody guesses over a network.
pub const TOKEN_CHARS_MIN: usize = 16;

/// Largest file with certificates or a key. A bundle of all public authorities takes a quarter of it.
pub const TLS_FILE_BYTES_MAX: u64 = 1 << 20;

/// How long a client may take to open TLS on a connection that it has made: a few round trips, on a loaded machine.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Clients that open TLS at the same time. All workers of a large cluster may come back at once, each for milliseconds;
/// whoever only connects holds a place until [`TLS_HANDSHAKE_TIMEOUT`].
pub const TLS_HANDSHAKES_MAX: usize = 256;
