//! Values of keys as bounds.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};

use super::ranges::Bound;

/// The values as those of a key, which have a whole order: casts to a logical type keep it.
pub(super) fn values(values: &ArrayRef, data_type: &DataType) -> Option<ArrayRef> {
    let is_ordered = matches!(
        data_type,
        DataType::Int64
            | DataType::Utf8
            | DataType::Date32
            | DataType::Timestamp(TimeUnit::Microsecond, _)
            | DataType::Decimal128(..)
    );
    let options = CastOptions { safe: false, ..CastOptions::default() };
    if is_ordered { cast_with_options(values, data_type, &options).ok() } else { None }
}

/// One of them, or `None` where it is missing.
pub(super) fn bound(values: &ArrayRef, place: usize) -> Option<Bound> {
    if values.is_null(place) {
        return None;
    }
    Some(match values.data_type() {
        DataType::Int64 => Bound::Integer(values.as_primitive::<Int64Type>().value(place).into()),
        DataType::Date32 => Bound::Integer(values.as_primitive::<Date32Type>().value(place).into()),
        DataType::Timestamp(..) => {
            Bound::Integer(values.as_primitive::<TimestampMicrosecondType>().value(place).into())
        }
        DataType::Decimal128(..) => Bound::Integer(values.as_primitive::<Decimal128Type>().value(place)),
        DataType::Utf8 => Bound::Text(values.as_string::<i32>().value(place).to_owned()),
        _ => return None,
    })
}
