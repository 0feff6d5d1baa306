use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};
use shoal_core::{Failure, Reason};

use super::bytes::canonical_float;
use super::logical_type;

/// Casts the leading `key_columns` of a batch to their logical types and gives equal floats equal bits, so that
/// whatever compares bits (a GROUP BY, a sort) agrees with the hash about which keys are the same.
///
/// # Errors
/// [`Reason::InvalidValue`] with the column, where a type cannot be a key or a value does not fit the logical type.
pub fn canonical_keys(batch: &RecordBatch, key_columns: usize) -> Result<RecordBatch, Failure> {
    let schema = batch.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for (field, column) in fields.iter_mut().zip(&mut columns).take(key_columns) {
        let (canonical, data_type) = canonical_column(column, field)?;
        *column = canonical;
        if *field.data_type() != data_type {
            *field = Arc::new(field.as_ref().clone().with_data_type(data_type));
        }
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|error| Failure::internal("canonical keys do not fit their schema").because(&error))
}

fn canonical_column(column: &ArrayRef, field: &Field) -> Result<(ArrayRef, DataType), Failure> {
    let refused = |message: String| Failure::new(Reason::InvalidValue, message).column(field.name());
    let logical = logical_type(column.data_type()).ok_or_else(|| {
        refused(format!("`{}` cannot be a key: it is a {}", field.name(), column.data_type()))
            .next("group by another column, or by an expression that gives a text or a number")
    })?;
    // A cast that gave null for what does not fit would merge that group with the group of nulls.
    let options = CastOptions { safe: false, ..Default::default() };
    let column = cast_with_options(column, &logical, &options).map_err(|error| {
        refused(format!("a value of the key `{}` does not fit a {logical}", field.name())).because(&error)
    })?;
    Ok((canonical_floats(column), logical))
}

/// Gives equal floats equal bits; other columns stay as they are.
fn canonical_floats(column: ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<Float64Type>() {
        Some(floats) => Arc::new(floats.unary::<_, Float64Type>(canonical_float)) as ArrayRef,
        None => column,
    }
}

/// [`canonical_keys`] inside a query: the expression of a key of that type, cast and with equal floats made equal.
/// `None` where the type cannot be a key.
pub fn canonical_key(key: Expr, data_type: &DataType) -> Option<Expr> {
    let logical = logical_type(data_type)?;
    let key = if logical == *data_type { key } else { cast(key, logical.clone()) };
    Some(if logical == DataType::Float64 {
        ScalarUDF::new_from_impl(CanonicalFloat::new()).call(vec![key])
    } else {
        key
    })
}

/// `canonical_float(x)`: x, with one zero and one NaN.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CanonicalFloat {
    signature: Signature,
}

impl CanonicalFloat {
    fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CanonicalFloat {
    fn name(&self) -> &str {
        "canonical_float"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let [value] = datafusion::common::utils::take_function_args(self.name(), args.args)?;
        Ok(match value {
            ColumnarValue::Array(column) => ColumnarValue::Array(canonical_floats(column)),
            ColumnarValue::Scalar(ScalarValue::Float64(value)) => {
                ColumnarValue::Scalar(ScalarValue::Float64(value.map(canonical_float)))
            }
            scalar => scalar,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::*;
    use arrow::datatypes::{Float64Type, Int32Type};
    use datafusion::functions_aggregate::expr_fn::count;
    use datafusion::prelude::{SessionContext, col, lit};

    use super::*;
    use crate::keys::hash_keys;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap()
    }

    #[test]
    fn a_key_hashes_the_same_in_whatever_type_it_comes() {
        let hashes = |column: ArrayRef| {
            let canonical = canonical_keys(&batch(vec![("key", column)]), 1).unwrap();
            hash_keys(canonical.columns()).unwrap()
        };
        let words = [Some("a"), None, Some("bb"), Some("a")];
        let texts: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(words.to_vec())),
            Arc::new(LargeStringArray::from(words.to_vec())),
            Arc::new(StringViewArray::from(words.to_vec())),
            Arc::new(words.into_iter().collect::<DictionaryArray<Int32Type>>()),
        ];
        let integers: Vec<ArrayRef> = vec![
            Arc::new(Int8Array::from(vec![Some(1), None, Some(100)])),
            Arc::new(UInt32Array::from(vec![Some(1), None, Some(100)])),
            Arc::new(Int64Array::from(vec![Some(1), None, Some(100)])),
        ];
        let floats: Vec<ArrayRef> =
            vec![Arc::new(Float32Array::from(vec![0.5, -0.0])), Arc::new(Float64Array::from(vec![0.5, 0.0]))];
        for family in [texts, integers, floats] {
            let expected = hashes(Arc::clone(&family[0]));
            for column in family {
                assert_eq!(hashes(Arc::clone(&column)), expected, "{}", column.data_type());
            }
        }
    }

    #[test]
    fn columns_after_the_keys_stay_as_they_are() {
        let zero: ArrayRef = Arc::new(Float32Array::from(vec![-0.0]));
        let canonical =
            canonical_keys(&batch(vec![("key", Arc::clone(&zero)), ("value", Arc::clone(&zero))]), 1).unwrap();
        assert_eq!(canonical.schema().field(0).data_type(), &DataType::Float64);
        assert_eq!(canonical.column(0).as_primitive::<Float64Type>().value(0).to_bits(), 0);
        assert_eq!(canonical.column(1), &zero);
    }

    #[test]
    fn a_type_that_is_no_key_is_refused_by_name() {
        let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![1]));
        let failure = canonical_keys(&batch(vec![("at", times)]), 1).unwrap_err();
        assert_eq!((failure.reason, failure.location.column.as_deref()), (Reason::InvalidValue, Some("at")));
    }

    #[tokio::test]
    async fn a_query_groups_as_the_hash_does() {
        let floats: ArrayRef =
            Arc::new(Float64Array::from(vec![Some(0.0), Some(-0.0), Some(f64::NAN), Some(-f64::NAN), None, None]));
        let context = SessionContext::new();
        let key = canonical_key(col("key"), &DataType::Float64).unwrap().alias("key");
        let groups = context
            .read_batch(batch(vec![("key", floats)]))
            .unwrap()
            .aggregate(vec![key], vec![count(lit(1)).alias("rows")])
            .unwrap()
            .collect()
            .await
            .unwrap();
        let counts: Vec<i64> = groups
            .iter()
            .flat_map(|batch| batch["rows"].as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
            .collect();
        assert_eq!(counts, [2, 2, 2]);
    }
}
