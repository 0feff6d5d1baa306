//! The doors for workers and operators: which versions come in, whose a name is, and whose a job.

#![allow(clippy::unwrap_used, missing_docs)]

mod archive;
mod fake;
mod names;
mod operators;
mod v1;
mod versions;

use std::future::Future;
use std::time::Duration;

/// What takes longer than this has gone wrong.
const DEADLINE: Duration = Duration::from_secs(30);

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}
