//! Real connections between processes that trust each other, or do not.

pub(super) mod authority;
mod connections;
mod files;
mod rest;
mod rotation;

use std::time::Duration;

/// What takes longer than this has gone wrong.
const DEADLINE: Duration = Duration::from_secs(30);

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}
