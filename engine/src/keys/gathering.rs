use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use shoal_core::Failure;

/// Rows that each place gets on average. However few they are, a place costs an allocation for each column, and a call of
/// who takes them.
const ROWS_PER_PLACE: usize = 1024;

/// Rows that are dealt together at the most: more do not stay in a core's cache.
const ROWS_MAX: usize = 64 << 10;

/// Bytes that wait at the most, however few rows they are.
const BYTES_MAX: usize = 8 << 20;

/// Batches that wait until there are enough rows to deal them to many places.
pub struct Gathering {
    waiting: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    rows_wanted: usize,
}

impl Gathering {
    /// For rows that are dealt to so many places.
    pub fn new(places: u32) -> Self {
        let rows_wanted = (places as usize).saturating_mul(ROWS_PER_PLACE).min(ROWS_MAX);
        Self { waiting: Vec::new(), rows: 0, bytes: 0, rows_wanted }
    }

    /// Takes rows, and gives out all that wait once they are enough.
    ///
    /// # Errors
    /// An internal failure where batches are not of one schema.
    pub fn push(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>, Failure> {
        self.rows += batch.num_rows();
        self.bytes += bytes_of(&batch).map_err(|error| unlike(&error))?;
        self.waiting.push(batch);
        if self.rows < self.rows_wanted && self.bytes < BYTES_MAX { Ok(None) } else { self.finish() }
    }

    /// Gives out all that wait; none where nothing does.
    ///
    /// # Errors
    /// As [`Gathering::push`].
    pub fn finish(&mut self) -> Result<Option<RecordBatch>, Failure> {
        (self.rows, self.bytes) = (0, 0);
        let mut waiting = std::mem::take(&mut self.waiting);
        if waiting.len() <= 1 {
            return Ok(waiting.pop());
        }
        concat_batches(&waiting[0].schema(), &waiting).map(Some).map_err(|error| unlike(&error))
    }
}

/// Bytes of the values that a batch shows.
fn bytes_of(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
}

fn unlike(error: &ArrowError) -> Failure {
    Failure::internal("batches to be dealt cannot be put together").because(error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(numbers)) as ArrayRef)]).unwrap()
    }

    #[test]
    fn rows_come_in_order_and_none_twice() {
        let mut gathering = Gathering::new(3);
        assert!(gathering.finish().unwrap().is_none());
        let mut given = Vec::new();
        for first in (0..10_000).step_by(1_000) {
            given.extend(gathering.push(batch(first..first + 1_000)).unwrap());
        }
        let lengths: Vec<usize> = given.iter().map(RecordBatch::num_rows).collect();
        assert_eq!(lengths, [4_000, 4_000], "three thousand and some are wanted");
        given.extend(gathering.finish().unwrap());
        assert!(gathering.finish().unwrap().is_none());
        let numbers = given.iter().flat_map(|batch| batch["n"].as_primitive::<Int64Type>().values().to_vec());
        assert!(numbers.eq(0..10_000));
    }

    #[test]
    fn few_places_do_not_wait_and_long_rows_do_not_pile_up() {
        assert!(Gathering::new(1).push(batch(0..1_024)).unwrap().is_some());
        let long = "x".repeat(1 << 20);
        let texts: ArrayRef = Arc::new(StringArray::from(vec![long]));
        let row = RecordBatch::try_from_iter([("t", texts)]).unwrap();
        let mut gathering = Gathering::new(1_000);
        let given: Vec<bool> = (0..8).map(|_| gathering.push(row.clone()).unwrap().is_some()).collect();
        assert_eq!(given, [false, false, false, false, false, false, false, true]);
    }
}
