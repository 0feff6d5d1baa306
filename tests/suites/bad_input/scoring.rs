//! What can be wrong with a scoring.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field};
use serde_json::{Value, json};
use shoal_ml::model::{Estimator, Feature, LinearMethod, LinearModel, Link, MeanModel, Model};
use shoal_tests::{job, models, shoal, slots};

use crate::case::{Expected, Place};

const MODELS: &str = "spec.groupedScoring.models.table";
const TABLE: &str = "spec.groupedScoring.input.table";

/// A model that predicts from `value` and `log_capital`.
fn linear() -> Vec<u8> {
    let names = ["value", "log_capital"];
    let estimator = Estimator::Linear(LinearModel {
        method: LinearMethod::Ridge,
        link: Link::Identity,
        terms: names.map(str::to_owned).to_vec(),
        intercepts: vec![1.0],
        coefficients: vec![2.0, 3.0],
        uncertainty: None,
    });
    let features = names.map(Feature::number).to_vec();
    Model { target: "invest".to_owned(), classes: Vec::new(), features, estimator }.encode()
}

fn mean() -> Vec<u8> {
    let estimator = Estimator::Mean(MeanModel { values: vec![1.0], rows: 3, sigma: None });
    Model { target: "invest".to_owned(), classes: Vec::new(), features: Vec::new(), estimator }.encode()
}

/// Coefficients without the models, one of which is of a category.
fn coefficients(file: &Path) {
    let number = |name: &str| {
        let field = Arc::new(Field::new(name, DataType::Float64, true));
        (field, Arc::new(Float64Array::from(vec![1.0])) as ArrayRef)
    };
    let columns: [(&str, ArrayRef); 3] = [
        ("firm", Arc::new(StringArray::from(vec!["a"]))),
        ("status", Arc::new(StringArray::from(vec!["ok"]))),
        ("coefficients", Arc::new(StructArray::from(vec![number("intercept"), number("region=west")]))),
    ];
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    models::write_parquet(file, &RecordBatch::try_from_iter_with_nullable(columns).unwrap());
}

/// A folder with `data.csv`, and models of the firms `a` and `b`.
fn place() -> Place {
    let place = Place::new();
    let firms = || -> Vec<(&str, ArrayRef)> { vec![("firm", Arc::new(StringArray::from(vec!["a", "b"])))] };
    let write = |name: &str, keys, models: &[(&str, Option<Vec<u8>>)]| {
        models::write(&place.path().join(name), keys, models);
    };
    write("models.parquet", firms(), &[("ok", Some(linear())), ("ok", Some(linear()))]);
    write("failed.parquet", firms(), &[("too_few_rows", None), ("non_finite", None)]);
    write("broken.parquet", firms(), &[("ok", Some(b"oh".to_vec())), ("non_finite", None)]);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    write("numbers.parquet", vec![("firm", numbers.clone())], &[("ok", Some(mean())), ("ok", Some(mean()))]);
    write("others.parquet", vec![("frim", numbers)], &[("ok", Some(mean())), ("ok", Some(mean()))]);
    write("keyless.parquet", Vec::new(), &[("ok", Some(mean()))]);
    coefficients(&place.path().join("coefficients.parquet"));
    let twice: ArrayRef = Arc::new(StringArray::from(vec!["a", "a"]));
    write("twins.parquet", vec![("firm", twice)], &[("ok", Some(mean())), ("ok", Some(mean()))]);
    place
}

fn good_job() -> Value {
    json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": "bad"},
        "spec": {"groupedScoring": {
            "models": {"table": "models.parquet"},
            "input": {"table": "data.csv"},
            "features": ["ln(capital) AS log_capital"],
            "output": {"table": "out"},
        }},
    })
}

fn with(field: &str, value: Value) -> Value {
    job::with(good_job(), &format!("/groupedScoring/{field}"), value)
}

#[test]
fn the_job_is_good_where_nothing_is_wrong() {
    place().accepts(&good_job());
}

#[test]
fn tables_that_are_no_models_are_refused() {
    let place = place();
    let unreadable = Expected { field: Some(MODELS), ..Expected::new("TableUnreadable") };
    let of = |table: &str| with("models/table", json!(table));
    place.refuses(&of("data.csv"), &Expected { file: Some("data.csv"), next: "groupedTraining", ..unreadable });
    place.refuses(&of("keyless.parquet"), &Expected { next: "keys", ..unreadable });
    place.refuses(&of("failed.parquet"), &Expected { next: "`status` and `message`", ..unreadable });
    place.refuses(&of("broken.parquet"), &Expected { next: "not a stored model", ..unreadable });
    place.refuses(&of("nowhere"), &Expected { field: Some(MODELS), ..Expected::new("TableNotFound") });
    let version = with("models/version", json!(3));
    place.refuses(
        &version,
        &Expected { field: Some("spec.groupedScoring.models.version"), ..Expected::new("InvalidValue") },
    );
    let twins = job::with(of("twins.parquet"), "/groupedScoring/features", json!([]));
    place.refuses(&twins, &Expected { field: Some(MODELS), next: "firm=a", ..Expected::new("DuplicateName") });
}

#[test]
fn keys_and_features_that_do_not_fit_are_named() {
    let place = place();
    let without = |table: &str| job::with(with("models/table", json!(table)), "/groupedScoring/features", json!([]));
    let key = Expected { field: Some(TABLE), column: Some("firm"), ..Expected::new("SchemaMismatch") };
    place.refuses(&without("numbers.parquet"), &Expected { next: "Int64", ..key });
    let other = Expected { field: Some(TABLE), column: Some("frim"), ..Expected::new("ColumnNotFound") };
    place.refuses(&without("others.parquet"), &Expected { next: "`firm`", ..other });
    let missing = Expected { field: Some(TABLE), column: Some("log_capital"), ..Expected::new("ColumnNotFound") };
    place.refuses(&with("features", json!([])), &Expected { next: "AS log_capital", ..missing });
    let category = Expected { column: Some("region=west"), ..missing };
    place.refuses(&without("coefficients.parquet"), &Expected { next: "train again", ..category });
    let text = "spec.groupedScoring.features[0]";
    let expression = Expected { field: Some(text), ..Expected::new("InvalidName") };
    place.refuses(
        &with("features", json!(["ln(capital) AS logcapital"])),
        &Expected { next: "`log_capital`", ..expression },
    );
    let no_number = Expected { field: Some(text), column: Some("log_capital"), ..Expected::new("ColumnNotNumeric") };
    place.refuses(&with("features", json!(["firm AS log_capital"])), &no_number);
    let volatile = Expected { field: Some(text), ..Expected::new("InvalidExpression") };
    place.refuses(&with("features", json!(["random() AS log_capital"])), &volatile);
    let filter = Expected { field: Some("spec.groupedScoring.input.where"), ..Expected::new("InvalidExpression") };
    place.refuses(&with("input", json!({"table": "data.csv", "where": "year"})), &filter);
    let nobody = Expected { code: 1, field: filter.field, next: "year > 3000", ..Expected::new("TableEmpty") };
    place.refuses(&with("input", json!({"table": "data.csv", "where": "year > 3000"})), &nobody);
}

#[test]
fn columns_that_the_output_cannot_have_are_named() {
    let place = place();
    let kept = Expected { field: Some("spec.groupedScoring.keep[1]"), ..Expected::new("ColumnNotFound") };
    place.refuses(&with("keep", json!(["firm", "yaer"])), &Expected { next: "did you mean `year`", ..kept });
    let clash =
        Expected { field: Some("spec.groupedScoring.keep"), column: Some("invest"), ..Expected::new("InvalidName") };
    place.refuses(&with("predictionColumn", json!("invest")), &clash);
    place.write("spaces.csv", "firm,value,capital,a b\na,1,2,3\n");
    let spaces = with("input/table", json!("spaces.csv"));
    place.refuses(&spaces, &Expected { column: Some("a b"), next: "keep", ..clash });
    place.accepts(&job::with(spaces, "/groupedScoring/keep", json!(["firm"])));
    let bounds = Expected { field: Some("spec.groupedScoring.interval"), ..Expected::new("NotPossible") };
    place.refuses(&with("interval", json!({})), &Expected { next: "remove `interval`", ..bounds });
}

#[test]
fn a_query_says_what_predict_takes() {
    let _slots = slots::take(1);
    let place = place();
    let at = |name: &str| place.path().join(name).display().to_string();
    let (models, rows) = (at("models.parquet"), at("data.csv"));
    for (call, reason, next) in [
        (format!("predict('{models}')"), "InvalidExpression", "predict('out/models', 'new_rows.csv')"),
        (format!("predict('{models}', '{rows}', 2)"), "InvalidExpression", "0.95"),
        (format!("predict('{models}', '{rows}', 0.9)"), "NotPossible", "interval"),
        (format!("predict('{models}', '{rows}')"), "ColumnNotFound", "groupedScoring"),
        (format!("predict('{rows}', '{rows}')"), "TableUnreadable", "groupedTraining"),
        (format!("predict('{}', '{rows}')", at("twins.parquet")), "DuplicateName", "version"),
        (format!("predict('{}', '{rows}')", at("nowhere")), "TableNotFound", ""),
    ] {
        let failure = shoal::run(["sql", &format!("SELECT * FROM {call}"), "--output", "json"]).failed(2);
        assert_eq!(failure["reason"], reason, "{call}: {failure:#}");
        assert!(failure["location"]["fieldPath"].is_null(), "{call}: {failure:#}");
        assert!(failure["next"].as_str().unwrap_or_default().contains(next), "{call}: {failure:#}");
    }
}
