//! How many rows a running plan has read.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};

/// A plan that runs, to be asked what it has read.
#[derive(Debug)]
pub struct Scanned(Arc<dyn ExecutionPlan>);

impl Scanned {
    /// Rows that its scans have given so far.
    pub fn rows(&self) -> u64 {
        rows_of_leaves(self.0.as_ref())
    }
}

/// Runs a frame as [`DataFrame::execute_stream`] does, and gives the plan along.
///
/// # Errors
/// Those of the planner.
pub async fn streamed(frame: DataFrame) -> Result<(SendableRecordBatchStream, Scanned), DataFusionError> {
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await?;
    Ok((execute_stream(Arc::clone(&plan), task)?, Scanned(plan)))
}

fn rows_of_leaves(plan: &dyn ExecutionPlan) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        return plan.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or(0) as u64;
    }
    children.into_iter().map(|child| rows_of_leaves(child.as_ref())).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion::functions_aggregate::expr_fn::count;
    use datafusion::prelude::{CsvReadOptions, SessionContext, col};
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn rows_are_counted_below_what_becomes_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.csv");
        let rows: String = (0..20_000).map(|row| format!("{},{row}\n", row % 3)).collect();
        std::fs::write(&file, format!("key,x\n{rows}")).unwrap();
        let ctx = SessionContext::new();
        let frame = ctx.read_csv(file.display().to_string(), CsvReadOptions::new()).await.unwrap();
        let frame = frame.aggregate(vec![col("key")], vec![count(col("x"))]).unwrap();
        let (mut batches, scanned) = streamed(frame).await.unwrap();
        assert_eq!(scanned.rows(), 0);
        let mut groups = 0;
        while let Some(batch) = batches.next().await {
            groups += batch.unwrap().num_rows();
        }
        assert_eq!((groups, scanned.rows()), (3, 20_000));
    }
}
