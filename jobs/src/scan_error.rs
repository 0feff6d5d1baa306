//! What goes wrong while the rows of a split are worked on.

use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use shoal_core::Failure;
use shoal_engine::table::{PinnedTable, Split, scan_failure};

/// An error in the engine, where the split may be to blame, or a failure beside it.
pub(crate) enum ScanError {
    Engine(DataFusionError),
    Failure(Failure),
}

impl ScanError {
    /// The failure, with the file, line and column of the split where they can be found.
    pub(crate) async fn of(self, ctx: &SessionContext, table: &PinnedTable, split: &Split) -> Failure {
        match self {
            Self::Engine(error) => scan_failure(ctx, error, table, split).await,
            Self::Failure(failure) => failure,
        }
    }
}

impl From<Failure> for ScanError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}
