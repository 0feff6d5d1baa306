//! Rows from other workers as a table of DataFusion.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
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

/// The column that [`numbered`] adds. No column of a job has a name with spaces.
pub const PLACE: &str = "place in the exchange";

/// The same rows with the column [`PLACE`]: they count up from 0. A sort that ends with it does not depend on how rows are
/// cut into batches, or on what was spilled.
pub fn numbered(batches: BatchStream) -> BatchStream {
    let numbered = batches.scan(0, |first, batch| {
        let numbered = batch.and_then(|batch| {
            let end = *first + batch.num_rows() as u64;
            number(&batch, std::mem::replace(first, end)..end)
        });
        futures::future::ready(Some(numbered))
    });
    Box::pin(numbered)
}

fn number(batch: &RecordBatch, places: Range<u64>) -> Result<RecordBatch, Failure> {
    let mut fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(PLACE, DataType::UInt64, false)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(UInt64Array::from_iter_values(places)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Failure::internal("rows cannot be numbered").because(&error))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
    use datafusion::arrow::datatypes::UInt64Type;
    use futures::TryStreamExt;
    use shoal_core::Reason;

    use super::*;

    #[tokio::test]
    async fn rows_count_up_over_batches_until_the_stream_fails() {
        let batch = |rows: i64| {
            let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
            Ok(RecordBatch::try_from_iter([("n", values)]).unwrap())
        };
        let lost = Err(Failure::new(Reason::PartitionLost, "gone"));
        let batches = futures::stream::iter([batch(3), batch(0), batch(2), lost]);
        let mut numbered = numbered(Box::pin(batches));
        let mut places = Vec::<u64>::new();
        let failure = loop {
            match numbered.try_next().await {
                Ok(batch) => places.extend(batch.unwrap()[PLACE].as_primitive::<UInt64Type>().values()),
                Err(failure) => break failure,
            }
        };
        assert_eq!(places, [0, 1, 2, 3, 4]);
        assert_eq!(failure.reason, Reason::PartitionLost);
    }
}
