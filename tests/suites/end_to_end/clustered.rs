//! Inputs whose files prove that groups lie together: no row is exchanged, and the models are those of an exchange to the
//! last bit. Inputs that only look like it are exchanged.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use shoal_testkit::Numbers;
use shoal_tests::oracle::{read_delta, write_delta};
use shoal_tests::table::by_key;
use shoal_tests::{job, slots};

use crate::place::Place;

const FIRMS: i64 = 20;
const ROWS_OF_FIRM: i64 = 40;
/// Every second row group ends where a firm does.
const ROWS_OF_GROUP: usize = 100;

/// Writes rows of these firms, in their order.
fn write(file: &Path, firms: ArrayRef) -> PathBuf {
    write_in_groups_of(ROWS_OF_GROUP, file, firms)
}

/// As [`write`], in row groups of so many rows.
fn write_in_groups_of(rows_of_group: usize, file: &Path, firms: ArrayRef) -> PathBuf {
    let (rows, mut numbers) = (firms.len(), Numbers::new(3));
    let mut column = |low, high| -> Float64Array { (0..rows).map(|_| Some(numbers.between(low, high))).collect() };
    let (a, b, noise) = (column(-2.0, 2.0), column(0.0, 3.0), column(-1.0, 1.0));
    let y: Float64Array = (0..rows).map(|row| Some(2.0 * a.value(row) - b.value(row) + noise.value(row))).collect();
    let colors: StringArray = (0..rows).map(|row| Some(["red", "green", "blue"][row % 3])).collect();
    let columns: [(&str, ArrayRef); 5] =
        [("firm", firms), ("a", Arc::new(a)), ("b", Arc::new(b)), ("color", Arc::new(colors)), ("y", Arc::new(y))];
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_of_group)).build();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file.to_owned()
}

fn sorted_firms() -> impl Iterator<Item = i64> {
    (0..FIRMS * ROWS_OF_FIRM).map(|row| row / ROWS_OF_FIRM)
}

fn forest() -> Value {
    json!({"randomForest": {"target": "y", "features": ["a", "b"], "trees": 5, "maxDepth": 4, "seed": 11}})
}

/// Trains and gives the models, stored ones included, by firm, and what was reported.
fn train(place: &Place, input: &Path, model: &Value, strategy: &str) -> (Vec<(String, Value)>, Value) {
    let output = place.join(&format!("{strategy}-models"));
    let job =
        job::with(job::training(strategy, input, "firm", &[], "", &output), "/groupedTraining/model", model.clone());
    let job = job::with(job, "/groupedTraining/input/where", json!("b < 2.9"));
    let job = job::with(job, "/groupedTraining/output/mode", json!("overwrite"));
    let status = place.run(&job::with_strategy(job, strategy)).succeeded();
    (by_key(&read_delta(&output), &["firm"]).into_iter().collect(), status["report"].clone())
}

fn stages(report: &Value) -> Vec<&str> {
    report["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap()).collect()
}

fn was_exchanged(report: &Value) -> bool {
    let counters = &report["counters"];
    counters["bytesFetched"].as_u64().unwrap() + counters["bytesLocal"].as_u64().unwrap() > 0
}

#[test]
fn groups_that_lie_together_are_trained_where_they_are_read() {
    let _slots = slots::take(3);
    let categories = json!([{"column": "color", "encode": "oneHot"}]);
    let robust =
        json!({"ols": {"target": "y", "features": ["a", "b"], "categorical": categories, "standardErrors": "hc1"}});
    for (model, expected) in [(forest(), vec!["train"]), (robust, vec!["learn", "train"])] {
        let place = Place::new();
        let firms: Int64Array = sorted_firms().map(Some).collect();
        let input = write(&place.join("rows.parquet"), Arc::new(firms));
        let (clustered, report) = train(&place, &input, &model, "auto");
        assert_eq!(stages(&report), expected, "{report:#}");
        assert!(!was_exchanged(&report), "{report:#}");
        let notes = report["notes"].to_string();
        assert!(notes.contains("no exchange: the input is clustered by `firm`"), "{notes}");
        let (exchanged, report) = train(&place, &input, &model, "bucket");
        assert!(was_exchanged(&report), "{report:#}");
        assert_eq!(clustered.len() as i64, FIRMS);
        // To the last bit, stored models included.
        assert_eq!(clustered, exchanged);
    }
}

#[test]
fn small_groups_that_lie_together_are_trained_from_sums_where_they_are_read() {
    let _slots = slots::take(3);
    let place = Place::new();
    // Two tasks' worth of pairs, whose sums take more than they do.
    let pairs: Int64Array = (0..240_000).map(|row| Some(row / 2)).collect();
    let input = write_in_groups_of(20_000, &place.join("rows.parquet"), Arc::new(pairs));
    let mean = json!({"mean": {"target": "y"}});
    let (clustered, report) = train(&place, &input, &mean, "auto");
    assert_eq!(stages(&report), ["measure", "train"], "{report:#}");
    assert!(!was_exchanged(&report), "{report:#}");
    let (exchanged, report) = train(&place, &input, &mean, "bucket");
    assert!(was_exchanged(&report), "{report:#}");
    assert!(clustered.len() > 100_000);
    assert!(clustered == exchanged, "models differ");
}

#[test]
fn a_delta_table_that_is_partitioned_by_the_key_is_not_exchanged() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (csv, input) = (place.join("rows.csv"), place.join("rows"));
    let mut numbers = Numbers::new(7);
    let rows = sorted_firms().map(|firm| {
        let (a, b) = (numbers.between(-2.0, 2.0), numbers.between(0.0, 3.0));
        format!("firm {firm},{a},{b},{}\n", 2.0 * a - b + numbers.between(-1.0, 1.0))
    });
    std::fs::write(&csv, format!("firm,a,b,y\n{}", rows.collect::<String>())).unwrap();
    write_delta(&csv, &input, "firm");
    let (clustered, report) = train(&place, &input, &forest(), "auto");
    assert_eq!(stages(&report), ["train"], "{report:#}");
    let (exchanged, _) = train(&place, &input, &forest(), "bucket");
    assert_eq!(clustered.len() as i64, FIRMS);
    assert_eq!(clustered, exchanged);
}

#[test]
fn rows_that_only_look_sorted_are_exchanged() {
    let _slots = slots::take(3);
    // The last row of all is the first firm's.
    let strays: Int64Array =
        sorted_firms().map(Some).enumerate().map(|(row, firm)| if row == 799 { Some(0) } else { firm }).collect();
    // Not a number is a firm of its own, which no statistics tell of.
    let floats: Float64Array =
        sorted_firms().map(|firm| Some(if firm == 0 || firm == FIRMS - 1 { f64::NAN } else { firm as f64 })).collect();
    // As is a missing one.
    let nulls: Int64Array = sorted_firms().map(|firm| (firm % 5 != 4).then_some(firm)).collect();
    for (name, firms, groups) in [
        ("strays", Arc::new(strays) as ArrayRef, FIRMS),
        ("floats", Arc::new(floats), FIRMS - 1),
        ("nulls", Arc::new(nulls), FIRMS - FIRMS / 5 + 1),
    ] {
        let place = Place::new();
        let input = write(&place.join("rows.parquet"), firms);
        let (by_default, report) = train(&place, &input, &forest(), "auto");
        assert_eq!(stages(&report), ["measure", "map", "reduce"], "{name}: {report:#}");
        assert!(was_exchanged(&report), "{name}: {report:#}");
        let (exchanged, _) = train(&place, &input, &forest(), "bucket");
        assert_eq!(by_default.len() as i64, groups, "{name}");
        assert_eq!(by_default, exchanged, "{name}");
    }
}

#[test]
fn a_clustered_input_of_which_no_row_is_wanted_is_empty() {
    let _slots = slots::take(3);
    let place = Place::new();
    let firms: Int64Array = sorted_firms().map(Some).collect();
    let input = write(&place.join("rows.parquet"), Arc::new(firms));
    let job = job::training("empty", &input, "firm", &[], "", &place.join("models"));
    let job = job::with(job, "/groupedTraining/model", forest());
    let job = job::with(job, "/groupedTraining/input/where", json!("b > 100"));
    let failure = place.run(&job).failed(1);
    assert_eq!(failure["reason"], "TableEmpty", "{failure:#}");
    assert_eq!(failure["location"]["fieldPath"], "spec.groupedTraining.input.where", "{failure:#}");
}
