//! Rows from other workers as a table of DataFusion.

use std::fmt;
use std::sync::{Arc, Mutex};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{DataFrame, SessionContext};
use futures::StreamExt;
use shoal_core::Failure;
use shoal_core::partition::BatchStream;

use crate::error::engine_failure;

/// A frame over a stream that can be read once; its failures come out of the frame as they went in. None where the
/// stream has no batches, for then nobody knows its schema.
///
/// # Errors
/// What the stream begins with, if that is a failure.
pub async fn frame(ctx: &SessionContext, mut batches: BatchStream) -> Result<Option<DataFrame>, Failure> {
    let Some(first) = batches.next().await.transpose()? else { return Ok(None) };
    let schema = first.schema();
    let all = futures::stream::iter([Ok(first)]).chain(batches);
    let once = Once { schema: schema.clone(), batches: Mutex::new(Some(Box::pin(all))) };
    let table = StreamingTable::try_new(schema, vec![Arc::new(once)]).map_err(|error| engine_failure(&error))?;
    ctx.read_table(Arc::new(table)).map(Some).map_err(|error| engine_failure(&error))
}

/// A stream that is handed out to the first who asks.
struct Once {
    schema: SchemaRef,
    batches: Mutex<Option<BatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let taken = self.batches.lock().ok().and_then(|mut batches| batches.take());
        let batches = taken.unwrap_or_else(|| {
            let failure = Failure::internal("an exchange was read twice");
            Box::pin(futures::stream::iter([Err(failure)]))
        });
        let batches = batches.map(|batch| batch.map_err(|failure| DataFusionError::External(Box::new(failure))));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}
