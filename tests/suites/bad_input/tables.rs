//! Tables that are not there, or not what they should be.

use std::fs::File;
use std::sync::Arc;

use serde_json::json;

use arrow::array::{Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::case::{Expected, GOOD_CSV, Place, good_job};

const INPUT: &str = "/groupedTraining/input";
const TABLE: &str = "spec.groupedTraining.input.table";

/// Parquet bytes with the columns of `data.csv` and so many rows.
fn parquet_bytes(rows: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let floats =
        |seed: f64| Arc::new((0..rows).map(|row| Some((row as f64 * seed).sin())).collect::<Float64Array>()) as _;
    let firms: StringArray = (0..rows).map(|row| Some(if row % 2 == 0 { "a" } else { "b" })).collect();
    let batch = RecordBatch::try_from_iter([
        ("firm", Arc::new(firms) as _),
        ("value", floats(1.1)),
        ("capital", floats(2.3)),
        ("invest", floats(3.7)),
    ])
    .unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_missing_table_is_named_with_the_nearest_file() {
    let place = Place::new();
    let expected =
        Expected { field: Some(TABLE), file: Some("/dat.csv"), next: "data.csv", ..Expected::new("TableNotFound") };
    place.refuses_with(INPUT, json!({"table": "dat.csv"}), &expected);
    let expected = Expected { file: Some("/parts/*.csv"), next: "parts", ..expected };
    place.write("parts/readme.txt", "no table");
    place.refuses_with(INPUT, json!({"table": "parts/*.csv"}), &expected);
}

#[test]
fn what_is_no_table_is_refused() {
    let place = Place::new();
    place.write("parts/readme.txt", "no table");
    let unreadable = Expected { field: Some(TABLE), ..Expected::new("TableUnreadable") };
    place.refuses_with(INPUT, json!({"table": "parts"}), &Expected { next: "format", ..unreadable });
    place.refuses_with(INPUT, json!({"table": "parts/readme.txt"}), &Expected { next: "format", ..unreadable });
    let no_log = json!({"table": "parts", "format": "delta"});
    place.refuses_with(INPUT, no_log, &Expected { next: "remove the format", ..unreadable });
    let of_csv = json!({"table": "data.csv", "version": 3});
    let expected = Expected { field: Some("spec.groupedTraining.input.version"), ..Expected::new("InvalidValue") };
    place.refuses_with(INPUT, of_csv, &expected);
}

#[test]
fn what_could_be_two_tables_or_none_is_refused() {
    let place = Place::new();
    place.write("mixed/a.csv", GOOD_CSV);
    place.write("mixed/b.parquet", parquet_bytes(10));
    let unreadable = Expected { field: Some(TABLE), ..Expected::new("TableUnreadable") };
    let mixed = Expected { file: Some("mixed"), next: "format", ..unreadable };
    place.refuses_with(INPUT, json!({"table": "mixed"}), &mixed);
    place.write("twins.csv", GOOD_CSV.replace("capital", "value"));
    let twins = Expected { file: Some("twins.csv"), column: Some("value"), ..unreadable };
    place.refuses_with(INPUT, json!({"table": "twins.csv"}), &twins);
    let elsewhere = Expected { field: Some(TABLE), next: "local", ..Expected::new("InvalidValue") };
    place.refuses_with(INPUT, json!({"table": "ftp://host/rows.csv"}), &elsewhere);
}

#[test]
fn a_version_that_a_table_does_not_have_is_named() {
    let place = Place::new();
    let mut models = good_job();
    models["metadata"]["name"] = json!("models");
    models["spec"]["groupedTraining"]["output"]["table"] = json!("models");
    place.accepts(&models);
    let field = "spec.groupedTraining.input.version";
    let expected = Expected { field: Some(field), file: Some("/models"), ..Expected::new("TableNotFound") };
    place.refuses_with(INPUT, json!({"table": "models", "version": 9}), &expected);
}

#[test]
fn an_empty_table_is_refused() {
    let place = Place::new();
    let empty = Expected { field: Some(TABLE), ..Expected::new("TableEmpty") };
    place.write("header.csv", GOOD_CSV.lines().next().unwrap());
    place.refuses_with(INPUT, json!({"table": "header.csv"}), &Expected { file: Some("header.csv"), ..empty });
    place.write("nothing.csv", "");
    place.refuses_with(INPUT, json!({"table": "nothing.csv"}), &Expected { file: Some("nothing.csv"), ..empty });
    place.write("none.parquet", parquet_bytes(0));
    place.refuses_with(INPUT, json!({"table": "none.parquet"}), &Expected { file: Some("none.parquet"), ..empty });
    let filtered = json!({"table": "data.csv", "where": "year > 3000"});
    // Only tasks see that no row is left.
    let expected = Expected { code: 1, field: Some("spec.groupedTraining.input.where"), next: "year > 3000", ..empty };
    place.refuses_with(INPUT, filtered, &expected);
}

#[test]
fn a_malformed_csv_line_is_named() {
    let malformed = Expected::new("MalformedRow");
    let place = Place::new();
    place.write("data.csv", format!("{GOOD_CSV}b,6,1.0,2.0\n"));
    let expected = Expected { file: Some("data.csv"), line: Some(12), next: "mend the line", ..malformed };
    place.refuses_with(INPUT, json!({"table": "data.csv"}), &expected);
    place.write("latin.csv", [GOOD_CSV.as_bytes(), b"\xe9,6,1.0,2.0,3.0\n"].concat());
    let expected = Expected { file: Some("latin.csv"), line: Some(12), next: "UTF-8", ..malformed };
    place.refuses_with(INPUT, json!({"table": "latin.csv"}), &expected);
    // Types are guessed from the first lines: this one comes long after them.
    let rows: String = (0..20_000).map(|row| format!("a,{row},{}.5,{}.25,{}\n", row % 7, row % 11, row % 13)).collect();
    place.write("long.csv", format!("firm,year,value,capital,invest\n{rows}a,1,n/a,2.0,3.0\n"));
    let expected = Expected {
        code: 1,
        file: Some("long.csv"),
        line: Some(20_002),
        column: Some("value"),
        next: "mend",
        ..malformed
    };
    place.refuses_with(INPUT, json!({"table": "long.csv"}), &expected);
}

#[test]
fn a_truncated_parquet_file_is_named() {
    let place = Place::new();
    let bytes = parquet_bytes(5_000);
    let expected = Expected {
        field: Some(TABLE),
        file: Some("cut.parquet"),
        next: "write the file again",
        ..Expected::new("CorruptFile")
    };
    for length in [bytes.len() - 10, bytes.len() / 2, 3] {
        place.write("parts/cut.parquet", &bytes[..length]);
        place.write("parts/whole.parquet", &bytes);
        place.refuses_with(INPUT, json!({"table": "parts"}), &expected);
    }
}

#[test]
fn a_missing_value_is_refused_where_the_job_wants_none() {
    let place = Place::new();
    place.write("data.csv", format!("{GOOD_CSV}b,6,,2.0,1.0\n"));
    let expected = Expected {
        code: 1,
        field: Some("spec.groupedTraining.onMissing"),
        next: "onMissing: drop",
        ..Expected::new("MissingValue")
    };
    place.refuses_with("/groupedTraining/onMissing", json!("fail"), &expected);
}
