use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, StructArray, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, UInt64Type};
use shoal_core::Failure;
use shoal_ml::MomentsRef;
use shoal_ml::moments::packed_len;

/// The type of the moments of `variables` variables.
pub fn moments_type(variables: usize) -> DataType {
    DataType::Struct(fields(variables))
}

fn fields(variables: usize) -> Fields {
    let list = |name: &str, len: usize| Field::new_fixed_size_list(name, item(), list_len(len), false);
    Fields::from(vec![
        Field::new("count", DataType::UInt64, false),
        Field::new("dropped", DataType::UInt64, false),
        list("mean", variables),
        list("comoment", packed_len(variables)),
    ])
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Float64, false))
}

fn list_len(len: usize) -> i32 {
    i32::try_from(len).expect("features are limited to 512, so a state has 132,000 numbers at most")
}

/// Puts a column of moments together; `mean` and `comoment` are flat and group-major.
pub(super) fn moments_array(
    variables: usize,
    count: Vec<u64>,
    dropped: Vec<u64>,
    mean: Vec<f64>,
    comoment: Vec<f64>,
) -> StructArray {
    let list = |values: Vec<f64>, len: usize| {
        Arc::new(FixedSizeListArray::new(item(), list_len(len), Arc::new(Float64Array::from(values)), None))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from(count)),
        Arc::new(UInt64Array::from(dropped)),
        list(mean, variables),
        list(comoment, packed_len(variables)),
    ];
    StructArray::new(fields(variables), columns, None)
}

/// Reads a column of moments without copying it.
pub struct MomentsColumn<'a> {
    variables: usize,
    packed: usize,
    nulls: Option<&'a NullBuffer>,
    count: &'a [u64],
    dropped: &'a [u64],
    mean: &'a [f64],
    comoment: &'a [f64],
}

impl<'a> MomentsColumn<'a> {
    /// A reader of a column that `moments` or `merge_moments` made over that many variables.
    ///
    /// # Errors
    /// An internal failure where the column is of another type.
    pub fn new(column: &'a dyn Array, variables: usize) -> Result<Self, Failure> {
        let packed = packed_len(variables);
        let read = || {
            let states = column.as_struct_opt()?;
            Some(Self {
                variables,
                packed,
                nulls: states.nulls(),
                count: states.column_by_name("count")?.as_primitive_opt::<UInt64Type>()?.values(),
                dropped: states.column_by_name("dropped")?.as_primitive_opt::<UInt64Type>()?.values(),
                mean: flat(states.column_by_name("mean")?, variables)?,
                comoment: flat(states.column_by_name("comoment")?, packed)?,
            })
        };
        read().ok_or_else(|| {
            let found = column.data_type();
            Failure::internal(format!("moments of {variables} variables were expected, a {found} was found"))
        })
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.count.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count.is_empty()
    }

    /// Whether a state is missing. Its moments are then those of no rows, or undefined.
    pub fn is_null(&self, index: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(index))
    }

    /// The moments at a place.
    ///
    /// # Panics
    /// Where `index` is not below [`MomentsColumn::len`].
    #[inline]
    pub fn get(&self, index: usize) -> MomentsRef<'a> {
        MomentsRef {
            count: self.count[index],
            mean: &self.mean[index * self.variables..][..self.variables],
            comoment: &self.comoment[index * self.packed..][..self.packed],
        }
    }

    /// How many rows were left out of the moments at a place.
    ///
    /// # Panics
    /// As [`MomentsColumn::get`].
    #[inline]
    pub fn dropped(&self, index: usize) -> u64 {
        self.dropped[index]
    }
}

fn flat(column: &ArrayRef, len: usize) -> Option<&[f64]> {
    let lists = column.as_fixed_size_list_opt()?;
    let fits = usize::try_from(lists.value_length()) == Ok(len);
    fits.then(|| lists.values().as_primitive_opt::<Float64Type>()).flatten().map(|values| &values.values()[..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn two_states() -> StructArray {
        moments_array(2, vec![3, 4], vec![0, 1], vec![1.0, 2.0, 3.0, 4.0], vec![1.0, 0.5, 1.0, 2.0, 0.25, 2.0])
    }

    #[test]
    fn what_is_put_together_is_read_back_from_slices_too() {
        let states = two_states();
        assert_eq!(states.data_type(), &moments_type(2));
        for (column, place) in [(states.clone(), 1), (states.slice(1, 1), 0)] {
            let column = MomentsColumn::new(&column, 2).unwrap();
            let moments = column.get(place);
            assert_eq!((moments.count, column.dropped(place)), (4, 1));
            assert_eq!(moments.mean, [3.0, 4.0]);
            assert_eq!(moments.comoment, [2.0, 0.25, 2.0]);
        }
    }

    #[test]
    fn a_column_of_another_type_is_refused() {
        assert!(MomentsColumn::new(&two_states(), 3).is_err());
        assert!(MomentsColumn::new(&UInt64Array::from(vec![1]), 1).is_err());
    }
}
