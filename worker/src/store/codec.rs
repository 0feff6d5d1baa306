//! Batches as Arrow IPC messages and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayData, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::buffer::Buffer;
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{read_dictionary, read_record_batch};
use arrow::ipc::writer::{DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow::ipc::{MessageHeader, root_as_message};
use bytes::Bytes;

/// An IPC message: its flatbuffer and its buffers.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    pub(super) header: Bytes,
    pub(super) body: Bytes,
}

impl From<EncodedData> for Encoded {
    fn from(data: EncodedData) -> Self {
        // The writer grows its buffer by doubling; held partitions are counted by length, so the rest is given back.
        let body = data.arrow_data.into_boxed_slice();
        Self { header: data.ipc_message.into(), body: body.into() }
    }
}

/// The message that stands before all others of a stream.
pub(super) fn encode_schema(schema: &SchemaRef) -> Bytes {
    with_tracker(schema).0
}

/// A batch as messages that need none but the schema's to be read: the dictionaries of its columns, then itself.
pub(super) fn encode(batch: &RecordBatch) -> Result<Vec<Encoded>, ArrowError> {
    // Dictionaries are numbered while a schema is written, the same for the same schema.
    let (_, mut tracker) = with_tracker(batch.schema_ref());
    let (dictionaries, batch) = IpcDataGenerator {}.encode(
        batch,
        &mut tracker,
        &IpcWriteOptions::default(),
        &mut IpcWriteContext::default(),
    )?;
    Ok(dictionaries.into_iter().chain([batch]).map(Encoded::from).collect())
}

fn with_tracker(schema: &SchemaRef) -> (Bytes, DictionaryTracker) {
    let mut tracker = DictionaryTracker::new(false);
    let options = IpcWriteOptions::default();
    let message = IpcDataGenerator {}.schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options);
    (message.ipc_message.into(), tracker)
}

/// Reads the messages of one stream in their order.
#[derive(Default)]
pub(super) struct Decoder {
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
}

impl Decoder {
    /// The batch that a message holds; none for schemas and dictionaries.
    pub(super) fn decode(&mut self, header: &[u8], body: Bytes) -> Result<Option<RecordBatch>, ArrowError> {
        let broken = |what: &str| ArrowError::IpcError(what.to_owned());
        let message = root_as_message(header).map_err(|error| broken(&format!("no IPC message: {error}")))?;
        if let Some(schema) = message.header_as_schema() {
            self.schema = Some(Arc::new(fb_to_schema(schema)));
            self.dictionaries.clear();
            return Ok(None);
        }
        let schema = self.schema.clone().ok_or_else(|| broken("a message before the schema"))?;
        let body = Buffer::from(body);
        match message.header_type() {
            MessageHeader::DictionaryBatch => {
                let batch = message.header_as_dictionary_batch().ok_or_else(|| broken("no dictionary"))?;
                read_dictionary(&body, batch, &schema, &mut self.dictionaries, &message.version())?;
                Ok(None)
            }
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(|| broken("no batch"))?;
                read_record_batch(&body, batch, schema, &self.dictionaries, None, &message.version()).map(Some)
            }
            other => Err(broken(&format!("a message of another kind: {other:?}"))),
        }
    }
}

/// The batch with memory of its own, where it keeps much more alive than it shows: a task cuts batches into a slice per
/// bucket, and a slice that waits in a small bucket must not hold on to the whole batch.
pub(super) fn owned(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let batch = compact_views(batch)?;
    if batch.get_array_memory_size() <= 2 * slice_bytes(&batch)? + SMALL_BATCH_BYTES {
        return Ok(batch);
    }
    let rows = u32::try_from(batch.num_rows())
        .map_err(|_| ArrowError::InvalidArgumentError("a batch with more than 2^32 rows".into()))?;
    compact_views(take_record_batch(&batch, &UInt32Array::from_iter_values(0..rows))?)
}

/// What arrays take besides their values; below this nothing is worth a copy.
const SMALL_BATCH_BYTES: usize = 4 << 10;

/// Views share buffers with the array that they were cut from, and IPC writes shared buffers whole.
fn compact_views(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let is_view = |column: &ArrayRef| matches!(column.data_type(), DataType::Utf8View | DataType::BinaryView);
    if !batch.columns().iter().any(is_view) {
        return Ok(batch);
    }
    let compact = |column: &ArrayRef| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => column.clone(),
        }
    };
    RecordBatch::try_new(batch.schema(), batch.columns().iter().map(compact).collect())
}

/// Bytes of the values that a batch shows.
pub(super) fn slice_bytes(batch: &RecordBatch) -> Result<usize, ArrowError> {
    let bytes_of = |column: &ArrayRef| {
        let data = column.to_data();
        Ok(data.get_slice_memory_size()? + view_bytes(&data))
    };
    batch.columns().iter().map(bytes_of).sum()
}

/// What views point to, which Arrow does not count as part of a slice.
fn view_bytes(data: &ArrayData) -> usize {
    let is_view = matches!(data.data_type(), DataType::Utf8View | DataType::BinaryView);
    let own: usize = data.buffers().iter().skip(1).filter(|_| is_view).map(Buffer::len).sum();
    own + data.child_data().iter().map(view_bytes).sum::<usize>()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{DictionaryArray, Int64Array, RecordBatchOptions, StringArray, StringViewArray};
    use arrow::datatypes::{Field, Int32Type, Schema};

    use super::*;

    fn round_trip(batch: &RecordBatch) -> RecordBatch {
        let mut decoder = Decoder::default();
        assert!(decoder.decode(&encode_schema(batch.schema_ref()), Bytes::new()).unwrap().is_none());
        let mut batches = Vec::new();
        for message in encode(batch).unwrap() {
            batches.extend(decoder.decode(&message.header, message.body).unwrap());
        }
        assert_eq!(batches.len(), 1);
        batches.remove(0)
    }

    #[test]
    fn batches_round_trip_with_dictionaries_views_nulls_and_slices() {
        let keys: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("b"), Some("a")].into_iter().collect();
        let views = StringViewArray::from(vec![Some("short"), None, Some("longer than twelve bytes"), Some("")]);
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("k", Arc::new(keys) as ArrayRef, true),
            ("v", Arc::new(views) as ArrayRef, true),
            ("s", Arc::new(StringArray::from(vec![Some("x"), None, Some("y"), Some("z")])) as ArrayRef, true),
            ("i", Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)])) as ArrayRef, true),
        ])
        .unwrap();
        assert_eq!(round_trip(&batch), batch);
        assert_eq!(round_trip(&batch.slice(1, 2)), batch.slice(1, 2));
        assert_eq!(round_trip(&owned(batch.slice(2, 2)).unwrap()), batch.slice(2, 2));
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let options = RecordBatchOptions::new().with_row_count(Some(5));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        assert_eq!(round_trip(&batch).num_rows(), 5);
        assert_eq!(owned(batch).unwrap().num_rows(), 5);
    }

    #[test]
    fn a_small_slice_lets_go_of_a_large_batch() {
        let long = "a string that is no inline view ".repeat(4);
        let views = StringViewArray::from_iter_values(std::iter::repeat_n(&long, 10_000));
        let schema =
            Schema::new(vec![Field::new("v", DataType::Utf8View, false), Field::new("i", DataType::Int64, false)]);
        let numbers = Int64Array::from_iter_values(0..10_000);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(views), Arc::new(numbers)]).unwrap();
        let own = owned(batch.slice(5_000, 3)).unwrap();
        assert_eq!(own, batch.slice(5_000, 3));
        // 16 bytes of view, 8 of number and the text itself.
        assert!((3 * (16 + 8 + long.len())..1_000).contains(&slice_bytes(&own).unwrap()));
        assert!(own.get_array_memory_size() < SMALL_BATCH_BYTES, "{}", own.get_array_memory_size());
        let sent: usize = encode(&own).unwrap().iter().map(|message| message.body.len()).sum();
        assert!(sent < 2_000, "{sent}");
    }

    #[test]
    fn damage_is_an_error() {
        let batch = RecordBatch::try_from_iter([("i", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        let message = encode(&batch).unwrap().remove(0);
        assert!(Decoder::default().decode(&message.header, message.body.clone()).is_err(), "no schema yet");
        let mut decoder = Decoder::default();
        decoder.decode(&encode_schema(batch.schema_ref()), Bytes::new()).unwrap();
        assert!(decoder.decode(&message.header[..8], message.body).is_err());
    }
}
