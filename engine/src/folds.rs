//! Folds of rows that are dealt by a hash of their values: the same wherever a row lies and however often it is read.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use xxhash_rust::xxh3::Xxh3;

use crate::keys::bucket_of;

/// The fold of a row, from 0 to `folds - 1`: the bucket of the XXH3-64 of its values as little-endian floats, −0.0 as 0.0
/// and every NaN as one.
pub fn fold_of(row: impl IntoIterator<Item = f64>, folds: u32) -> u32 {
    let mut hash = Xxh3::new();
    for value in row {
        let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
        hash.update(&value.to_le_bytes());
    }
    bucket_of(hash.digest(), folds)
}

/// `fold(x1, …, xv)`: [`fold_of`] rows of that many floats, a null counting as NaN.
pub fn fold_udf(folds: u32, variables: usize) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Float64; variables], Volatility::Immutable);
    ScalarUDF::new_from_impl(FoldFunction { folds, signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FoldFunction {
    folds: u32,
    signature: Signature,
}

impl ScalarUDFImpl for FoldFunction {
    fn name(&self) -> &str {
        "fold"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let floats: Option<Vec<_>> = columns.iter().map(ArrayRef::as_primitive_opt::<Float64Type>).collect();
        let Some(floats) = floats else { return exec_err!("`fold` is of floats") };
        let folds = (0..args.number_rows).map(|row| {
            let values = floats.iter().map(|column| if column.is_valid(row) { column.value(row) } else { f64::NAN });
            i64::from(fold_of(values, self.folds))
        });
        Ok(ColumnarValue::Array(Arc::new(Int64Array::from_iter_values(folds))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_about_equally_large_and_equal_rows_are_of_one() {
        let mut sizes = [0; 5];
        for row in 0..10_000 {
            sizes[fold_of([f64::from(row), 1.0], 5) as usize] += 1;
        }
        // Of 2,000 expected, five standard deviations are 200.
        assert!(sizes.iter().all(|size| (1_800..2_200).contains(size)), "{sizes:?}");
        assert_eq!(fold_of([0.0, f64::NAN], 100), fold_of([-0.0, -f64::NAN], 100));
    }
}
