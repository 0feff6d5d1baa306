//! The columns of predictions.

use std::sync::Arc;

use datafusion::arrow::array::builder::MapFieldNames;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use super::{Outcome, Scoring};

/// Fields of what is said of a row.
pub(super) mod field {
    pub(crate) const PREDICTION: &str = "prediction";
    pub(crate) const LOWER: &str = "lower";
    pub(crate) const UPPER: &str = "upper";
    pub(crate) const CLASS: &str = "class";
    pub(crate) const PROBABILITIES: &str = "probabilities";
    pub(crate) const REASON: &str = "reason";
}

/// The column of predictions, where nobody gives it another name.
pub(super) const fn usual_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Number => "prediction",
        Outcome::Classes => "predicted_class",
    }
}

/// What is said of a row: the value, its bounds where they are asked for, or the likeliest class and the probability of
/// each; and why there is nothing.
pub(super) fn scored_fields(outcome: Outcome, has_bounds: bool) -> Fields {
    let number = |name| Field::new(name, DataType::Float64, true);
    let mut fields = match outcome {
        Outcome::Number if has_bounds => vec![number(field::PREDICTION), number(field::LOWER), number(field::UPPER)],
        Outcome::Number => vec![number(field::PREDICTION)],
        Outcome::Classes => vec![
            Field::new(field::CLASS, DataType::Utf8, true),
            Field::new(field::PROBABILITIES, probabilities_type(), true),
        ],
    };
    fields.push(Field::new(field::REASON, DataType::Utf8, true));
    fields.into()
}

/// The names that Parquet has for the inside of a map.
pub(super) fn map_names() -> MapFieldNames {
    MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() }
}

fn probabilities_type() -> DataType {
    let MapFieldNames { entry, key, value } = map_names();
    let fields = vec![Field::new(key, DataType::Utf8, false), Field::new(value, DataType::Float64, true)];
    DataType::Map(Arc::new(Field::new(entry, DataType::Struct(fields.into()), false)), false)
}

/// The columns that come after those that are kept: the field of what is said of a row, and its name in the output.
pub(super) fn added_columns(outcome: Outcome, has_bounds: bool, prediction_column: &str) -> Vec<(Field, String)> {
    let named = |field: &Arc<Field>| {
        let name = match field.name().as_str() {
            field::PREDICTION | field::CLASS => prediction_column.to_owned(),
            field::LOWER => format!("{prediction_column}_lower"),
            field::UPPER => format!("{prediction_column}_upper"),
            other => other.to_owned(),
        };
        (field.as_ref().clone(), name)
    };
    scored_fields(outcome, has_bounds).iter().map(named).collect()
}

/// The table of predictions: the columns that are kept, then what is said of each row.
pub fn output_schema(scoring: &Scoring) -> SchemaRef {
    let kept = scoring.kept.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true));
    let added = added_columns(scoring.outcome, scoring.level.is_some(), &scoring.prediction_column);
    let added = added.into_iter().map(|(field, name)| field.with_name(name));
    Arc::new(Schema::new(kept.chain(added).collect::<Fields>()))
}

/// The type in which a Delta table holds values of that type, or `None` where it has none.
pub(super) fn storable_type(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match data_type {
        Boolean | Int8 | Int16 | Int32 | Int64 | Float32 | Float64 | Utf8 | Binary | Date32 => data_type.clone(),
        // Delta has no unsigned integers.
        UInt8 => Int16,
        UInt16 => Int32,
        UInt32 => Int64,
        UInt64 => Decimal128(20, 0),
        Float16 => Float32,
        Null | LargeUtf8 | Utf8View => Utf8,
        LargeBinary | BinaryView | FixedSizeBinary(_) => Binary,
        Date64 => Date32,
        Timestamp(_, zone) => Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into())),
        Decimal128(_, scale) if *scale >= 0 => data_type.clone(),
        Dictionary(_, values) => return storable_type(values),
        List(item) | LargeList(item) => {
            List(Arc::new(Field::new(item.name(), storable_type(item.data_type())?, item.is_nullable())))
        }
        Struct(fields) => {
            let field = |field: &Arc<Field>| {
                Some(Field::new(field.name(), storable_type(field.data_type())?, field.is_nullable()))
            };
            Struct(fields.iter().map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
