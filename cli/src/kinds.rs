//! What this build can run. The one place where kinds, their runner and the publisher are chosen.

use std::sync::Arc;

use shoal_core::kind::Kinds;
use shoal_core::publish::Publisher;
use shoal_core::runner::TaskRunner;
use shoal_engine::delta::DeltaPublisher;

/// The kinds that a head can plan.
pub(crate) fn kinds() -> Kinds {
    shoal_jobs::kinds()
}

/// What runs a worker's tasks.
pub(crate) fn runner() -> Arc<dyn TaskRunner> {
    shoal_jobs::runner()
}

/// What writes a head's commits.
pub(crate) fn publisher() -> Arc<dyn Publisher> {
    Arc::new(DeltaPublisher)
}
