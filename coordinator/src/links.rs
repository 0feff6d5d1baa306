//! The open streams to workers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use shoal_core::WorkerId;
use shoal_wire::WIRE_VERSION_DRAINS;
use shoal_wire::proto::HeadMessage;
use shoal_wire::proto::head_message::Message;
use tokio::sync::mpsc;

/// Messages that wait for one worker: an assignment and a cancellation per slot, and some releases. A worker that lets
/// more pile up does not read, and is cut off.
pub(crate) const LINK_QUEUE_MAX: usize = 4_096;

/// Which stream of a head it is, of all that were ever opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId(u64);

impl StreamId {
    /// One that no other stream has.
    pub(crate) fn next() -> Self {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        Self(OPENED.fetch_add(1, Ordering::Relaxed))
    }
}

/// A stream to a worker.
pub(crate) struct Link {
    pub(crate) instance: String,
    /// A worker may open another while the head still hears of the one before.
    pub(crate) stream: StreamId,
    /// Version of the protocol that the worker speaks: it is told nothing that it cannot know.
    pub(crate) wire_version: u32,
    pub(crate) sender: mpsc::Sender<HeadMessage>,
}

/// The open streams by worker. A message to a worker without a stream is dropped: the machine learns of it by silence,
/// or from the first heartbeat after the worker came back.
#[derive(Default)]
pub(crate) struct Links(HashMap<WorkerId, Link>);

impl Links {
    pub(crate) fn open(&mut self, worker: WorkerId, link: Link) {
        self.0.insert(worker, link);
    }

    pub(crate) fn close(&mut self, worker: &WorkerId, instance: &str) {
        if self.0.get(worker).is_some_and(|link| link.instance == instance) {
            self.0.remove(worker);
        }
    }

    /// Whether another process holds that name and its stream is open.
    pub(crate) fn is_held_by_another(&self, worker: &WorkerId, instance: &str) -> bool {
        self.0.get(worker).is_some_and(|link| link.instance != instance && !link.sender.is_closed())
    }

    /// Whether that start of a worker is who hears what is sent to it.
    pub(crate) fn leads_to(&self, worker: &WorkerId, instance: &str) -> bool {
        self.0.get(worker).is_some_and(|link| link.instance == instance)
    }

    /// Whether that stream is how that start of a worker is reached now.
    pub(crate) fn is_current(&self, worker: &WorkerId, instance: &str, stream: StreamId) -> bool {
        self.0.get(worker).is_some_and(|link| link.instance == instance && link.stream == stream)
    }

    pub(crate) fn send(&mut self, worker: &WorkerId, message: HeadMessage) {
        let Some(link) = self.0.get(worker) else { return };
        if message.message.as_ref().is_some_and(|message| link.wire_version < since(message)) {
            return;
        }
        if let Err(error) = link.sender.try_send(message) {
            tracing::warn!(%worker, %error, "the stream to a worker is closed");
            self.0.remove(worker);
        }
    }

    pub(crate) fn send_all(&mut self, message: &HeadMessage) {
        let workers: Vec<WorkerId> = self.0.keys().cloned().collect();
        for worker in workers {
            self.send(&worker, message.clone());
        }
    }
}

/// The version of the protocol that a message came with.
fn since(message: &Message) -> u32 {
    match message {
        Message::Welcome(_)
        | Message::Refused(_)
        | Message::Assign(_)
        | Message::CancelAttempt(_)
        | Message::Release(_)
        | Message::Shutdown(_) => 1,
        Message::Drain(_) | Message::Adopt(_) => WIRE_VERSION_DRAINS,
    }
}
