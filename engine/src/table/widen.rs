//! One type for columns that differ from file to file.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// The type that holds the values of both, where one does: integers widen, integers and floats meet in `Float64`,
/// strings in the wider string. `None` where only a change of meaning would bring them together.
pub(super) fn widen(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::*;
    if left == right {
        return Some(left.clone());
    }
    match (left, right) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (Dictionary(_, value), other) | (other, Dictionary(_, value)) => widen(value, other),
        (left, right) if left.is_integer() && right.is_integer() => Some(widen_integers(left, right)),
        (left, right) if is_plain_number(left) && is_plain_number(right) => Some(widen_to_float(left, right)),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Some(LargeUtf8),
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => Some(LargeBinary),
        (Date32, Date64) | (Date64, Date32) => Some(Date64),
        (Timestamp(left, zone), Timestamp(right, other)) if zone == other => {
            Some(Timestamp(finer(*left, *right), zone.clone()))
        }
        (Decimal128(precision, scale), Decimal128(other_precision, other_scale)) => {
            let whole =
                (i16::from(*precision) - i16::from(*scale)).max(i16::from(*other_precision) - i16::from(*other_scale));
            let scale = *scale.max(other_scale);
            let precision = u8::try_from(whole + i16::from(scale)).ok()?;
            (precision <= 38).then_some(Decimal128(precision, scale))
        }
        _ => None,
    }
}

/// The smallest type that groups of keys know and that holds both: only `UInt64` does not fit into `Int64`.
fn widen_integers(left: &DataType, right: &DataType) -> DataType {
    match (left, right) {
        (DataType::UInt64, other) | (other, DataType::UInt64) if other.is_unsigned_integer() => DataType::UInt64,
        (DataType::UInt64, _) | (_, DataType::UInt64) => DataType::Decimal128(20, 0),
        _ => DataType::Int64,
    }
}

fn widen_to_float(left: &DataType, right: &DataType) -> DataType {
    let small = |kind: &DataType| matches!(kind, DataType::Float16 | DataType::Float32);
    if small(left) && small(right) { DataType::Float32 } else { DataType::Float64 }
}

fn is_plain_number(kind: &DataType) -> bool {
    kind.is_integer() || kind.is_floating()
}

fn finer(left: TimeUnit, right: TimeUnit) -> TimeUnit {
    let rank = |unit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    };
    if rank(left) >= rank(right) { left } else { right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_widen_without_losing_values() {
        use DataType::*;
        let text = Dictionary(Box::new(Int32), Box::new(Utf8));
        for (left, right, expected) in [
            (Int32, Int64, Some(Int64)),
            (UInt8, UInt32, Some(Int64)),
            (UInt8, UInt64, Some(UInt64)),
            (Int64, UInt64, Some(Decimal128(20, 0))),
            (UInt32, Int8, Some(Int64)),
            (Int32, Float32, Some(Float64)),
            (Float32, Float64, Some(Float64)),
            (Null, Boolean, Some(Boolean)),
            (text, Utf8, Some(Utf8)),
            (Utf8, LargeUtf8, Some(LargeUtf8)),
            (Decimal128(10, 2), Decimal128(8, 4), Some(Decimal128(12, 4))),
            (Decimal128(38, 0), Decimal128(38, 10), None),
            (Utf8, Int64, None),
            (Boolean, Int64, None),
            (
                Timestamp(TimeUnit::Second, None),
                Timestamp(TimeUnit::Microsecond, None),
                Some(Timestamp(TimeUnit::Microsecond, None)),
            ),
        ] {
            assert_eq!(widen(&left, &right), expected, "{left} {right}");
            assert_eq!(widen(&right, &left), expected, "{right} {left}");
        }
    }
}
