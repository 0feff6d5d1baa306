//! Finds the file, line and column behind an error that names none. Runs only after something went wrong, so it may read
//! everything again.

use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use shoal_core::spec::v1alpha1::TableFormat;
use shoal_core::{Failure, Reason};

use super::{PinnedTable, Split, scan};
use crate::error::read_failure;
use crate::{csv_diagnosis, ndjson_diagnosis};

/// The failure behind an error that came up while a split was read, with the file, line and column where they can be
/// found.
pub async fn scan_failure(ctx: &SessionContext, error: DataFusionError, table: &PinnedTable, split: &Split) -> Failure {
    let failure = read_failure(error, table);
    diagnose(ctx, &failure, table, split).await.unwrap_or(failure)
}

/// A better description of a failure to read, where this split is to blame for it.
pub(crate) async fn diagnose(
    ctx: &SessionContext,
    failure: &Failure,
    table: &PinnedTable,
    split: &Split,
) -> Option<Failure> {
    match (failure.reason, table.format) {
        (Reason::MalformedRow, TableFormat::Csv) => {
            let (table, split) = (table.clone(), split.clone());
            let column = column_of(failure);
            let locate = move || csv_diagnosis::locate_in(&table, &split, column);
            tokio::task::spawn_blocking(locate).await.ok().flatten()
        }
        (Reason::MalformedRow, TableFormat::Ndjson) => {
            let (table, split) = (table.clone(), split.clone());
            tokio::task::spawn_blocking(move || ndjson_diagnosis::locate_in(&table, &split)).await.ok().flatten()
        }
        (Reason::CorruptFile, TableFormat::Parquet) => damaged_file(ctx, failure, table, split).await,
        _ => None,
    }
}

/// Index of the column that Arrow says it could not parse.
fn column_of(failure: &Failure) -> Option<usize> {
    let cause = failure.causes.first()?;
    let (_, after) = cause.split_once("' for column ")?;
    after.split_once(' ')?.0.parse().ok()
}

/// Reads file by file until one fails.
async fn damaged_file(ctx: &SessionContext, failure: &Failure, table: &PinnedTable, split: &Split) -> Option<Failure> {
    for slice in &split.slices {
        let single = Split { slices: vec![slice.clone()], bytes: slice.end - slice.start };
        if split.slices.len() == 1 || fails(ctx, table, &single).await {
            return Some(failure.clone().file(&slice.path));
        }
    }
    None
}

async fn fails(ctx: &SessionContext, table: &PinnedTable, split: &Split) -> bool {
    let Ok(frame) = scan(ctx, table, split).await else { return true };
    let Ok(mut batches) = frame.execute_stream().await else { return true };
    while let Some(batch) = batches.next().await {
        if batch.is_err() {
            return true;
        }
    }
    false
}
