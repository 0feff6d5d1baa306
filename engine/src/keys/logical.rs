use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, TimeUnit};

/// Digits that the largest unsigned 64-bit integer takes.
const UINT64_DIGITS: u8 = 20;

/// The type in which a column of keys is hashed, grouped and written, or `None` where its values cannot be keys.
///
/// Different types of the same kind of value have one logical type, so that a key hashes the same whatever file it
/// came from, and every logical type is one that a Delta table can hold. No two keys become one, but for timestamps in
/// nanoseconds, which Delta cuts off at microseconds.
pub fn logical_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Boolean => Some(DataType::Boolean),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => Some(DataType::Int64),
        // Delta has no unsigned integers, and half of these are too large for a signed one.
        DataType::UInt64 => Some(DataType::Decimal128(UINT64_DIGITS, 0)),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(DataType::Float64),
        // A column that is null throughout has no type of its own.
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::Utf8),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Some(DataType::Binary)
        }
        DataType::Date32 | DataType::Date64 => Some(DataType::Date32),
        DataType::Timestamp(_, zone) => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into())))
        }
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => decimal(*precision, *scale),
        DataType::Dictionary(_, values) => logical_type(values),
        _ => None,
    }
}

/// Delta's decimals have at most 38 digits and no negative scale: whole tens or hundreds become whole ones.
fn decimal(precision: u8, scale: i8) -> Option<DataType> {
    let digits = u8::try_from(-i16::from(scale).min(0)).ok().and_then(|zeros| precision.checked_add(zeros))?;
    (digits <= DECIMAL128_MAX_PRECISION).then(|| DataType::Decimal128(digits, scale.max(0)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::compute::can_cast_types;
    use arrow::datatypes::Field;

    use super::*;

    fn examples() -> Vec<(DataType, DataType)> {
        use DataType::*;
        let dictionary = |values: DataType| Dictionary(Box::new(Int32), Box::new(values));
        let micros = |zone: Option<&str>| Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        vec![
            (Boolean, Boolean),
            (Int8, Int64),
            (Int64, Int64),
            (UInt32, Int64),
            (UInt64, Decimal128(20, 0)),
            (Float16, Float64),
            (Float32, Float64),
            (Null, Utf8),
            (Utf8, Utf8),
            (LargeUtf8, Utf8),
            (Utf8View, Utf8),
            (dictionary(Utf8), Utf8),
            (dictionary(Int16), Int64),
            (BinaryView, Binary),
            (FixedSizeBinary(16), Binary),
            (Date32, Date32),
            (Date64, Date32),
            (Timestamp(TimeUnit::Second, None), micros(None)),
            (Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into())), micros(Some("UTC"))),
            (Decimal128(12, 2), Decimal128(12, 2)),
            (Decimal64(9, 3), Decimal128(9, 3)),
            (Decimal128(5, -2), Decimal128(7, 0)),
            (Decimal256(38, 1), Decimal128(38, 1)),
        ]
    }

    #[test]
    fn every_logical_type_can_be_reached_by_a_cast_and_is_its_own() {
        for (from, to) in examples() {
            assert_eq!(logical_type(&from).as_ref(), Some(&to), "{from}");
            assert_eq!(logical_type(&to).as_ref(), Some(&to), "{to}");
            assert!(can_cast_types(&from, &to), "{from} to {to}");
        }
    }

    #[test]
    fn what_a_table_cannot_hold_or_compare_is_no_key() {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
        for data_type in [list, DataType::Time64(TimeUnit::Microsecond), DataType::Decimal256(60, 2)] {
            assert_eq!(logical_type(&data_type), None, "{data_type}");
        }
    }
}
