use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow::compute::{concat, take};
use arrow::datatypes::FieldRef;
use shoal_core::Failure;

/// Collects the keys of finished groups out of the batches they were in.
#[derive(Default)]
pub(crate) struct KeyCollector {
    /// Keys taken out of earlier batches, one list of columns per batch.
    taken: Vec<Vec<ArrayRef>>,
    /// The batch that rows are being picked from.
    current: Vec<ArrayRef>,
    picked: Vec<u32>,
}

impl KeyCollector {
    pub(crate) fn push(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        let is_current = keys.iter().zip(&self.current).all(|(new, old)| Arc::ptr_eq(new, old));
        if !is_current || self.current.len() != keys.len() {
            self.close()?;
            self.current = keys.to_vec();
        }
        self.picked.push(u32::try_from(row).map_err(|error| Failure::internal("a batch is too long").because(&error))?);
        Ok(())
    }

    /// Takes the picked rows out of the current batch, which may then be freed.
    fn close(&mut self) -> Result<(), Failure> {
        if self.picked.is_empty() {
            return Ok(());
        }
        let picked = UInt32Array::from(std::mem::take(&mut self.picked));
        let keys = std::mem::take(&mut self.current);
        let keys = keys.iter().map(|column| take(column, &picked, None)).collect::<Result<_, _>>();
        self.taken.push(keys.map_err(|error| Failure::internal("keys cannot be collected").because(&error))?);
        Ok(())
    }

    /// The keys so far, as columns of these fields.
    pub(crate) fn take(&mut self, keys: &[FieldRef]) -> Result<Vec<ArrayRef>, Failure> {
        self.close()?;
        let taken = std::mem::take(&mut self.taken);
        if taken.is_empty() {
            return Ok(keys.iter().map(|key| new_empty_array(key.data_type())).collect());
        }
        (0..keys.len())
            .map(|column| {
                let pieces: Vec<&dyn Array> = taken.iter().map(|keys| keys[column].as_ref()).collect();
                concat(&pieces).map_err(|error| Failure::internal("keys cannot be collected").because(&error))
            })
            .collect()
    }
}
