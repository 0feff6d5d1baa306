//! How a worker leaves its cluster, and what it takes over from others that do.

use std::sync::Arc;

use shoal_core::task::PartitionSource;
use shoal_wire::json;
use shoal_wire::proto::PartitionsAdopted;

use super::MembershipMessage;
use crate::shared::{AbortOnDrop, Shared};

/// Ends the worker when its time is over, where it is to leave: whatever its head says, or is not there to say.
pub(super) fn end_in_time(shared: &Arc<Shared>) -> Option<AbortOnDrop<()>> {
    let leaves_at = shared.leaves_at()?;
    let shared = shared.clone();
    let end = async move {
        tokio::time::sleep_until(leaves_at.into()).await;
        shared.end(Ok(()));
    };
    Some(AbortOnDrop(tokio::spawn(end)))
}

/// Takes over partitions of one attempt, and has the head told what came of it.
pub(super) async fn adopt(shared: Arc<Shared>, sources: Vec<PartitionSource>) {
    let Some(attempt) = sources.first().map(|source| source.attempt) else { return };
    // Never closed.
    let Ok(_permit) = shared.adoptions.acquire().await else { return };
    let failure = match shared.store.adopt(sources).await {
        Ok(true) => None,
        // Asked twice: whoever began it answers.
        Ok(false) => return,
        Err(failure) => {
            tracing::info!(%attempt, %failure, "partitions could not be taken over");
            shared.disk.note(&failure, std::time::Instant::now());
            json::encode(&failure).ok()
        }
    };
    shared.tell_membership(MembershipMessage::Adopted(PartitionsAdopted {
        attempt: attempt.to_string(),
        failure_json: failure,
    }));
}
