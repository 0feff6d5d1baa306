//! From rows to models to a file, on both ways that a training can go.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::prelude::{SessionContext, col};
use futures::stream;
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use shoal_core::spec::v1alpha1::{Predicted, Statistics};
use shoal_core::{Failure, Reason};
use shoal_ml::OlsOptions;
use shoal_ml::forest::ForestOptions;

use super::*;
use crate::group_apply::{GroupCutter, ModelTrainer, ModelsOfGroups};
use crate::moments::moments_udaf;
use crate::storage::Location;

/// Rows of three groups, sorted: a line with noise, too few rows, and a group whose key is missing.
fn rows() -> RecordBatch {
    let keys =
        StringArray::from(vec![None, None, None, Some("few"), Some("line"), Some("line"), Some("line"), Some("line")]);
    let x = [1.0, 2.0, 3.0, 1.0, 1.0, 2.0, 3.0, f64::NAN];
    let y = [2.0, 4.5, 6.0, 1.0, 1.0, 1.0, 4.0, 1.0];
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("firm", Arc::new(keys), true),
        ("x", Arc::new(Float64Array::from(x.to_vec())), true),
        ("y", Arc::new(Float64Array::from(y.to_vec())), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn table() -> Arc<ModelTable> {
    table_of(Estimator::Ols(OlsOptions { intercept: true }, None), Statistics::Full)
}

fn table_of(estimator: Estimator, statistics: Statistics) -> Arc<ModelTable> {
    let training = Training {
        target: "y".to_owned(),
        boolean_target: false,
        text_target: false,
        features: vec!["x".to_owned()],
        encoded: Vec::new(),
        has_categories: false,
        expressions: BTreeMap::new(),
        weighted: false,
        keeps_missing: false,
        estimator,
        alphas: None,
        statistics,
        folds: None,
    };
    Arc::new(ModelTable::new(&[Field::new("firm", DataType::Utf8, true)], training))
}

fn trained(batches: &[RecordBatch]) -> (RecordBatch, ModelCounts) {
    trained_as(table(), 1 << 20, batches)
}

fn trained_as(table: Arc<ModelTable>, group_bytes_max: u64, batches: &[RecordBatch]) -> (RecordBatch, ModelCounts) {
    let (mut cutter, mut trainer) = (GroupCutter::new(1), ModelTrainer::new(table, group_bytes_max));
    for batch in batches {
        cutter.push(batch, &mut trainer).unwrap();
    }
    cutter.end(&mut trainer).unwrap();
    let models = trainer.models().take().unwrap();
    assert!(trainer.models().is_empty());
    (models, trainer.models().counts())
}

#[test]
fn sorted_rows_become_models() {
    let (models, counts) = trained(&[rows()]);
    assert_eq!(counts, ModelCounts { ok: 2, failed: 1, rows_used: 7, rows_dropped: 1 });
    assert_eq!(models.schema(), *table().schema());
    let firms: Vec<_> = models["firm"].as_string::<i32>().iter().collect();
    assert_eq!(firms, [None, Some("few"), Some("line")]);
    let statuses: Vec<_> = models["status"].as_string::<i32>().iter().flatten().collect();
    assert_eq!(statuses, ["ok", "too_few_rows", "ok"]);
    assert!(models["message"].is_null(0) && models["message"].is_valid(1));
    assert_eq!(models["rows_used"].as_primitive::<Int64Type>().values(), &[3, 1, 3]);
    assert_eq!(models["rows_dropped"].as_primitive::<Int64Type>().values(), &[0, 0, 1]);
    let slopes = models["coefficients"].as_struct()["x"].as_primitive::<Float64Type>().clone();
    assert!((slopes.value(0) - 2.0).abs() < 1e-12 && (slopes.value(2) - 1.5).abs() < 1e-12);
    assert!(slopes.is_null(1) && models["df_residual"].is_null(1));
}

#[test]
fn models_do_not_depend_on_where_batches_end() {
    let whole = rows();
    for cut in 0..=whole.num_rows() {
        let pieces = [whole.slice(0, cut), whole.slice(cut, whole.num_rows() - cut)];
        assert_eq!(trained(&pieces), trained(std::slice::from_ref(&whole)), "{cut}");
    }
    let (models, _) = trained(&[]);
    assert_eq!((models.num_rows(), models.schema()), (0, Arc::clone(table().schema())));
}

/// `groups` groups of so many rows each, whose target is twice `x` and a little more.
fn groups(groups: usize, rows: usize) -> RecordBatch {
    let keys: StringArray = (0..groups).flat_map(|group| vec![Some(format!("{group:03}")); rows]).collect();
    let x: Float64Array = (0..groups * rows).map(|row| Some((row % 7) as f64)).collect();
    let y: Float64Array = (0..groups * rows).map(|row| Some((row % 7) as f64 * 2.0 + (row % 3) as f64)).collect();
    let columns: [(&str, ArrayRef, bool); 3] =
        [("firm", Arc::new(keys), true), ("x", Arc::new(x), true), ("y", Arc::new(y), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[test]
fn a_group_of_any_size_is_folded_where_moments_are_enough() {
    let ols = || table_of(Estimator::Ols(OlsOptions { intercept: true }, None), Statistics::Coefficients);
    let slope = |models: &RecordBatch| models["coefficients"].as_struct()["x"].as_primitive::<Float64Type>().value(0);
    let rows = groups(1, 5_000);
    let pieces: Vec<RecordBatch> = (0..50).map(|piece| rows.slice(piece * 100, 100)).collect();
    let (bounded, counts) = trained_as(ols(), 1_000, &pieces);
    let (whole, _) = trained_as(ols(), u64::MAX, &pieces);
    assert_eq!(counts, ModelCounts { ok: 1, failed: 0, rows_used: 5_000, rows_dropped: 0 });
    assert!((slope(&bounded) - slope(&whole)).abs() < 1e-12);
}

#[test]
fn a_group_that_does_not_fit_is_told_and_the_next_one_is_trained() {
    let forest = Estimator::Forest(ForestOptions { trees: 2, ..ForestOptions::default() }, Predicted::Number);
    let table = table_of(forest, Statistics::Full);
    let large = groups(2, 100);
    let rows = concat_batches(&large.schema(), [&large.slice(0, 100), &large.slice(100, 20)]).unwrap();
    let (models, counts) = trained_as(table, 1_000, &[rows]);
    assert_eq!((counts.ok, counts.failed, counts.rows_used), (1, 1, 120));
    let statuses: Vec<_> = models["status"].as_string::<i32>().iter().flatten().collect();
    assert_eq!(statuses, ["group_too_large", "ok"]);
    assert!(models["model"].is_null(0) && models["model"].is_valid(1));
}

#[tokio::test]
async fn merged_moments_become_the_same_models() {
    let moments = moments_udaf(2).call(vec![col("x"), col("y")]).alias("moments");
    let states = SessionContext::new().read_batch(rows()).unwrap().aggregate(vec![col("firm")], vec![moments]).unwrap();
    let states = states.sort(vec![col("firm").sort(true, true)]).unwrap().collect().await.unwrap();
    let states = arrow::compute::concat_batches(&states[0].schema(), &states).unwrap();
    let ((merged, counts), (whole, expected)) = (fit_moments_batch(&states, &table()).unwrap(), trained(&[rows()]));
    assert_eq!((counts, merged.schema(), &merged["status"]), (expected, whole.schema(), &whole["status"]));
    for term in ["intercept", "x"] {
        let of = |models: &RecordBatch| models["coefficients"].as_struct()[term].as_primitive::<Float64Type>().clone();
        for (merged, whole) in of(&merged).iter().zip(&of(&whole)) {
            let difference = merged.zip(whole).map(|(merged, whole)| (merged - whole).abs());
            assert!(merged.is_some() == whole.is_some() && difference.is_none_or(|it| it < 1e-12));
        }
    }
    assert!(fit_moments_batch(&rows(), &table()).is_err());
}

#[tokio::test]
async fn a_file_holds_the_models_and_tells_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new folder");
    let (models, _) = trained(&[rows()]);
    let batches = stream::iter([Ok(models.slice(0, 1)), Ok(models.slice(1, 2))]);
    let location = Location::parse(path.to_str().unwrap()).unwrap();
    let file = write_parquet(&location, "part.parquet", models.schema(), 1, batches).await.unwrap();

    let handle = std::fs::File::open(path.join(&file.path)).unwrap();
    assert_eq!((file.rows, file.bytes), (3, handle.metadata().unwrap().len()));
    let statistics: serde_json::Value = serde_json::from_str(&file.statistics.unwrap()).unwrap();
    let expected = serde_json::json!({
        "numRecords": 3, "minValues": {"firm": "few"}, "maxValues": {"firm": "line"}, "nullCount": {"firm": 1},
    });
    assert_eq!(statistics, expected);
    let read: Vec<_> =
        ParquetRecordBatchReaderBuilder::try_new(handle).unwrap().build().unwrap().map(Result::unwrap).collect();
    assert_eq!(arrow::compute::concat_batches(&models.schema(), &read).unwrap(), models);
}

#[tokio::test]
async fn a_file_that_fails_or_is_dropped_is_deleted_and_none_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::parse(folder.path().to_str().unwrap()).unwrap();
    let (models, _) = trained(&[rows()]);
    let batches = stream::iter([Ok(models.clone()), Err(Failure::new(Reason::PartitionLost, "gone"))]);
    let failure = write_parquet(&location, "a.parquet", models.schema(), 1, batches).await.unwrap_err();
    assert_eq!(failure.reason, Reason::PartitionLost);
    assert!(!folder.path().join("a.parquet").exists());

    let mut file = ParquetFile::create(&location, "a.parquet", models.schema(), 1).unwrap();
    file.write(&models).await.unwrap();
    assert!(folder.path().join("a.parquet").exists());
    drop(file);
    assert!(!folder.path().join("a.parquet").exists());

    std::fs::write(folder.path().join("b.parquet"), "another's").unwrap();
    assert!(ParquetFile::create(&location, "b.parquet", models.schema(), 1).is_err());
    assert_eq!(std::fs::read(folder.path().join("b.parquet")).unwrap(), b"another's");
}

/// Rows that compress badly.
fn noise(rows: i64) -> RecordBatch {
    let values = (0..rows).map(|row| (row.wrapping_mul(0x5851_f42d_4c95_7f2d) >> 7) as f64);
    let values: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
    RecordBatch::try_from_iter([("x", values)]).unwrap()
}

#[tokio::test]
async fn an_object_appears_whole_in_one_request_or_in_parts() {
    for rows in [1_000, 1_500_000] {
        let store = Arc::new(InMemory::new());
        let table = Location::in_store(store.clone(), "memory://", "models");
        let noise = noise(rows);
        let mut file = ParquetFile::create(&table, "a.parquet", noise.schema(), 0).unwrap();
        file.write(&noise).await.unwrap();
        assert!(table.entries().await.unwrap().objects.is_empty(), "readers see nothing yet");
        let file = file.finish().await.unwrap();
        let there = table.child("a.parquet").head().await.unwrap();
        assert_eq!((file.rows, file.bytes), (rows as u64, there.size));
        let bytes = table.child("a.parquet").read(0..there.size).await.unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().with_batch_size(rows as usize);
        let read: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(arrow::compute::concat_batches(&noise.schema(), &read).unwrap(), noise);
    }
}

#[tokio::test]
async fn an_object_that_is_dropped_never_appears() {
    let store = Arc::new(InMemory::new());
    let table = Location::in_store(store.clone(), "memory://", "models");
    let noise = noise(1_500_000);
    let mut file = ParquetFile::create(&table, "a.parquet", noise.schema(), 0).unwrap();
    file.write(&noise).await.unwrap();
    drop(file);
    tokio::task::yield_now().await;
    assert!(table.entries().await.unwrap().objects.is_empty());
}
