use std::collections::BTreeSet;

use deltalake::kernel::{Protocol, StructType, contains_timestampntz};
use serde_json::json;
use shoal_core::Failure;

/// The table feature that a timestamp without time zone needs.
const TIMESTAMP_NTZ: &str = "timestampNtz";

/// Versions from which on a protocol lists its features one by one.
const READER_WITH_FEATURES: i32 = 3;
const WRITER_WITH_FEATURES: i32 = 7;

/// The protocol of a new table: the lowest that its schema allows, so that the most readers can read it.
pub(super) fn new_protocol(schema: &StructType) -> Result<Protocol, Failure> {
    if contains_timestampntz(schema.fields()) {
        with_features(BTreeSet::from([TIMESTAMP_NTZ.into()]), BTreeSet::from([TIMESTAMP_NTZ.into()]))
    } else {
        parse(json!({"minReaderVersion": 1, "minWriterVersion": 2}))
    }
}

/// The protocol that a table has to be raised to before it gets that schema, where it has to be.
pub(super) fn raised_protocol(current: &Protocol, schema: &StructType) -> Result<Option<Protocol>, Failure> {
    if !contains_timestampntz(schema.fields()) {
        return Ok(None);
    }
    let names = |features: Option<&[_]>| -> Option<BTreeSet<String>> {
        Some(features?.iter().map(ToString::to_string).collect())
    };
    let mut reader = match current.min_reader_version() {
        READER_WITH_FEATURES.. => names(current.reader_features()).unwrap_or_default(),
        version => legacy_features(&[(2, &["columnMapping"])], version),
    };
    let mut writer = match current.min_writer_version() {
        WRITER_WITH_FEATURES.. => names(current.writer_features()).unwrap_or_default(),
        version => legacy_features(
            &[
                (2, &["appendOnly", "invariants"]),
                (3, &["checkConstraints"]),
                (4, &["changeDataFeed", "generatedColumns"]),
                (5, &["columnMapping"]),
                (6, &["identityColumns"]),
            ],
            version,
        ),
    };
    let is_new = reader.insert(TIMESTAMP_NTZ.to_owned()) | writer.insert(TIMESTAMP_NTZ.to_owned());
    if is_new { with_features(reader, writer).map(Some) } else { Ok(None) }
}

/// What a version below the lists stood for; a protocol that lists its features has to name them.
fn legacy_features(introduced: &[(i32, &[&str])], version: i32) -> BTreeSet<String> {
    let old = introduced.iter().filter(|(since, _)| *since <= version);
    old.flat_map(|(_, features)| features.iter().map(ToString::to_string)).collect()
}

fn with_features(reader: BTreeSet<String>, writer: BTreeSet<String>) -> Result<Protocol, Failure> {
    parse(json!({
        "minReaderVersion": READER_WITH_FEATURES,
        "minWriterVersion": WRITER_WITH_FEATURES,
        "readerFeatures": reader,
        "writerFeatures": writer,
    }))
}

/// The library makes no protocols but by reading them.
fn parse(json: serde_json::Value) -> Result<Protocol, Failure> {
    serde_json::from_value(json).map_err(|error| Failure::internal("a table's protocol cannot be made").because(&error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use deltalake::kernel::{DataType, StructField};

    use super::*;

    fn schema(data_type: DataType) -> StructType {
        StructType::try_new([StructField::nullable("key", data_type)]).unwrap()
    }

    #[test]
    fn only_a_timestamp_without_zone_asks_for_more_than_the_oldest_protocol() {
        let plain = new_protocol(&schema(DataType::TIMESTAMP)).unwrap();
        assert_eq!((plain.min_reader_version(), plain.min_writer_version()), (1, 2));
        assert_eq!(raised_protocol(&plain, &schema(DataType::LONG)).unwrap(), None);

        let raised = raised_protocol(&plain, &schema(DataType::TIMESTAMP_NTZ)).unwrap().unwrap();
        assert_eq!((raised.min_reader_version(), raised.min_writer_version()), (3, 7));
        let mut writer: Vec<String> = raised.writer_features().unwrap().iter().map(ToString::to_string).collect();
        writer.sort();
        assert_eq!(writer, ["appendOnly", "invariants", "timestampNtz"]);
        assert_eq!(raised_protocol(&raised, &schema(DataType::TIMESTAMP_NTZ)).unwrap(), None);

        let new = new_protocol(&schema(DataType::TIMESTAMP_NTZ)).unwrap();
        assert_eq!((new.min_reader_version(), new.min_writer_version()), (3, 7));
    }
}
