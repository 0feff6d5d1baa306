//! Signals that ask a process to end. SIGHUP is left alone: to hear it would undo `nohup`.

use shoal_core::{Failure, Reason};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal that asks this process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM: whoever manages this process is done with it.
    Terminate,
}

/// Hears signals from when it is made; they no longer end the process by themselves.
pub(crate) struct Interrupts {
    interrupt: Stream,
    terminate: Stream,
}

impl Interrupts {
    /// Starts to listen.
    ///
    /// # Errors
    /// [`Reason::Io`] where signals cannot be listened to.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(Reason::Io, "signals cannot be listened to").because(&error))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}
