//! Group commit: whatever waits when a commit ends goes into the next one.

use std::sync::Arc;

use ractor::ActorRef;
use shoal_core::control::Effect;
use shoal_core::journal::{Journal, Record};
use tokio::sync::mpsc;

use crate::coordinator::Message;

/// Records to store, and what waits for them.
pub(crate) struct Append {
    pub(crate) records: Vec<Record>,
    pub(crate) then: Vec<Effect>,
}

/// Appends that one commit takes at the most: bounds its size, not its rate.
const APPENDS_PER_COMMIT_MAX: usize = 4_096;

/// Stores appends in order and hands back what waited for them. Ends when the journal fails: a head that cannot
/// remember must not go on.
pub(crate) async fn run(
    journal: Arc<dyn Journal>,
    mut queue: mpsc::UnboundedReceiver<Append>,
    coordinator: ActorRef<Message>,
) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, APPENDS_PER_COMMIT_MAX).await > 0 {
        let mut records = Vec::new();
        let mut then = Vec::new();
        for append in batch.drain(..) {
            records.extend(append.records);
            then.extend(append.then);
        }
        if !records.is_empty()
            && let Err(failure) = journal.append(records).await
        {
            tracing::error!(%failure, causes = ?failure.causes, "the journal cannot be written: the head stops");
            coordinator.stop(Some(failure.to_string()));
            return;
        }
        if !then.is_empty() && coordinator.send_message(Message::Stored(then)).is_err() {
            return;
        }
    }
}
