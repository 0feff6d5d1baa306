use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use shoal_core::Failure;

pub(super) const NULL: u8 = 0;
pub(super) const BOOLEAN: u8 = 1;
pub(super) const INTEGER: u8 = 2;
pub(super) const FLOAT: u8 = 3;
pub(super) const TEXT: u8 = 4;
pub(super) const BINARY: u8 = 5;
pub(super) const DATE: u8 = 6;
pub(super) const TIMESTAMP_UTC: u8 = 7;
pub(super) const TIMESTAMP_LOCAL: u8 = 8;
pub(super) const DECIMAL: u8 = 9;

/// The one NaN that stands for all.
const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0000);

/// The float that stands for all that are the same key.
#[inline]
pub(super) fn canonical_float(value: f64) -> f64 {
    if value.is_nan() {
        NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    }
}

/// A column of keys, downcast once so that no row has to be.
pub(super) enum KeyColumn<'a> {
    Boolean(&'a BooleanArray),
    Integer(&'a Int64Array),
    Float(&'a Float64Array),
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
    Date(&'a Date32Array),
    Timestamp(u8, &'a TimestampMicrosecondArray),
    Decimal(i8, &'a Decimal128Array),
}

impl<'a> KeyColumn<'a> {
    pub(super) fn new(column: &'a ArrayRef) -> Result<Self, Failure> {
        Ok(match column.data_type() {
            DataType::Boolean => Self::Boolean(column.as_boolean()),
            DataType::Int64 => Self::Integer(column.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Float(column.as_primitive::<Float64Type>()),
            DataType::Utf8 => Self::Text(column.as_string()),
            DataType::Binary => Self::Binary(column.as_binary()),
            DataType::Date32 => Self::Date(column.as_primitive::<Date32Type>()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let tag = if zone.is_some() { TIMESTAMP_UTC } else { TIMESTAMP_LOCAL };
                Self::Timestamp(tag, column.as_primitive::<TimestampMicrosecondType>())
            }
            DataType::Decimal128(_, scale) => Self::Decimal(*scale, column.as_primitive::<Decimal128Type>()),
            other => return Err(Failure::internal(format!("a key of type {other} was not cast to its logical type"))),
        })
    }

    /// Appends the bytes of one row's value.
    #[inline]
    pub(super) fn write(&self, row: usize, bytes: &mut Vec<u8>) {
        if self.is_null(row) {
            bytes.push(NULL);
            return;
        }
        match self {
            Self::Boolean(values) => bytes.extend([BOOLEAN, u8::from(values.value(row))]),
            Self::Integer(values) => tagged(bytes, INTEGER, &values.value(row).to_le_bytes()),
            Self::Float(values) => tagged(bytes, FLOAT, &canonical_float(values.value(row)).to_le_bytes()),
            Self::Text(values) => tagged_with_length(bytes, TEXT, values.value(row).as_bytes()),
            Self::Binary(values) => tagged_with_length(bytes, BINARY, values.value(row)),
            Self::Date(values) => tagged(bytes, DATE, &values.value(row).to_le_bytes()),
            Self::Timestamp(tag, values) => tagged(bytes, *tag, &values.value(row).to_le_bytes()),
            Self::Decimal(scale, values) => {
                bytes.extend([DECIMAL, scale.to_le_bytes()[0]]);
                bytes.extend_from_slice(&values.value(row).to_le_bytes());
            }
        }
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Boolean(values) => values.is_null(row),
            Self::Integer(values) => values.is_null(row),
            Self::Float(values) => values.is_null(row),
            Self::Text(values) => values.is_null(row),
            Self::Binary(values) => values.is_null(row),
            Self::Date(values) => values.is_null(row),
            Self::Timestamp(_, values) => values.is_null(row),
            Self::Decimal(_, values) => values.is_null(row),
        }
    }
}

#[inline]
fn tagged(bytes: &mut Vec<u8>, tag: u8, payload: &[u8]) {
    bytes.push(tag);
    bytes.extend_from_slice(payload);
}

#[inline]
fn tagged_with_length(bytes: &mut Vec<u8>, tag: u8, payload: &[u8]) {
    bytes.push(tag);
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(payload);
}
