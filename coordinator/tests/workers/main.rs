//! The door for workers: which versions come in, and whose a name is.

#![allow(clippy::unwrap_used, missing_docs)]

mod fake;
mod names;
mod v1;
mod versions;

use std::future::Future;
use std::time::Duration;

/// What takes longer than this has gone wrong.
const DEADLINE: Duration = Duration::from_secs(30);

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}
