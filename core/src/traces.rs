//! Traces of jobs, for whoever collects the traces of all that runs.

use async_trait::async_trait;

use crate::failure::Failure;
use crate::history::JobHistory;
use crate::report::JobStatus;

/// Takes traces.
#[async_trait]
pub trait Traces: Send + Sync {
    /// Hands over the trace of a job that has ended.
    ///
    /// # Errors
    /// What keeps it from being taken. Nothing of the job depends on it.
    async fn export(&self, status: &JobStatus, history: &JobHistory) -> Result<(), Failure>;
}
