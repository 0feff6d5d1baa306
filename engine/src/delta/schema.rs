use arrow::datatypes::{DataType, Field, Fields, Schema};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use shoal_core::{Failure, Reason};

/// A schema as Delta's JSON of a struct type.
///
/// # Errors
/// [`Reason::InvalidValue`] where Delta has no such type.
pub fn schema_json(schema: &Schema) -> Result<String, Failure> {
    let schema = delta_schema(schema)?;
    serde_json::to_string(&schema).map_err(|error| Failure::internal("a schema cannot be written").because(&error))
}

/// A schema as Delta has it.
pub(super) fn delta_schema(schema: &Schema) -> Result<StructType, Failure> {
    // Metadata of fields is Arrow's own business: in Delta it would switch on features.
    let bare = Schema::new(schema.fields().iter().map(|field| bare_field(field)).collect::<Fields>());
    (&bare).try_into_kernel().map_err(|error: arrow::error::ArrowError| {
        Failure::new(Reason::InvalidValue, "the output table cannot hold a column of that type").because(&error)
    })
}

fn bare_field(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| bare_field(field)).collect()),
        other => other.clone(),
    };
    Field::new(field.name(), data_type, field.is_nullable())
}

/// The schema of an intent, which [`schema_json`] wrote.
pub(super) fn parse_schema(json: &str) -> Result<StructType, Failure> {
    serde_json::from_str(json)
        .map_err(|error| Failure::internal("the schema of a commit cannot be read").because(&error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn every_logical_type_of_a_key_has_a_type_in_delta() {
        let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let types = [
            (DataType::Boolean, "\"boolean\""),
            (DataType::Int64, "\"long\""),
            (DataType::Float64, "\"double\""),
            (DataType::Utf8, "\"string\""),
            (DataType::Binary, "\"binary\""),
            (DataType::Date32, "\"date\""),
            (micros(Some("UTC")), "\"timestamp\""),
            (micros(None), "\"timestamp_ntz\""),
            (DataType::Decimal128(20, 0), "\"decimal(20,0)\""),
        ];
        for (data_type, name) in types {
            let schema = Schema::new(vec![Field::new("key", data_type, true)]);
            let json = schema_json(&schema).unwrap();
            assert!(json.contains(name), "{json}");
            assert_eq!(parse_schema(&json).unwrap(), delta_schema(&schema).unwrap());
        }
    }

    #[test]
    fn a_type_that_delta_lacks_is_refused() {
        let schema = Schema::new(vec![Field::new("count", DataType::Duration(TimeUnit::Second), true)]);
        assert_eq!(schema_json(&schema).unwrap_err().reason, Reason::InvalidValue);
    }
}
