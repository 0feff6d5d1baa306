use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Float64Array, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Field, Fields, Float64Type, TimeUnit};

use shoal_core::job::{Learner, Work};
use shoal_core::spec::v1alpha1::{Ols, StandardErrors};

use super::*;
use crate::session::query_session;

const RESERVED: [&str; 2] = ["status", "message"];

fn schema() -> Schema {
    let fields = vec![
        Field::new("firm", DataType::Utf8, true),
        Field::new("year", DataType::Int32, true),
        Field::new("invest", DataType::Float64, true),
        Field::new("value", DataType::Decimal128(10, 2), true),
        Field::new("Value", DataType::Boolean, true),
        Field::new("net worth (%)", DataType::Float32, true),
        Field::new("day", DataType::Timestamp(TimeUnit::Second, None), true),
        Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
        Field::new("size", DataType::Struct(Fields::from(vec![Field::new("rows", DataType::Int64, true)])), true),
        Field::new("status", DataType::Utf8, true),
    ];
    Schema::new(fields)
}

fn ols(features: Vec<String>, target: &str) -> Model {
    let ols = Ols {
        target: target.to_owned(),
        features,
        categorical: Vec::new(),
        weight: None,
        intercept: true,
        standard_errors: StandardErrors::Classical,
    };
    Model::Ols(ols)
}

fn with(keys: &[&str], features: &[&str], target: &str, filter: Option<&str>) -> Result<ResolvedColumns, Failure> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (keys, features) = (owned(keys), owned(features));
    let model = ols(features, target);
    let wanted = Wanted { group_by: &keys, model: &model, evaluate: None, filter };
    resolve(&query_session(), &schema(), &wanted, "spec.groupedTraining", &RESERVED)
}

fn feature(text: &str) -> Result<NumericColumn, Failure> {
    Ok(with(&["firm"], &[text], "invest", None)?.features.remove(0))
}

fn refused(text: &str) -> (Reason, String) {
    let failure = feature(text).unwrap_err();
    assert_eq!(
        failure.location.field_path.as_deref(),
        Some("spec.groupedTraining.model.ols.features[0]"),
        "{failure:?}"
    );
    let next = failure.next.unwrap_or_else(|| panic!("{text}: {} has no mend", failure.message));
    (failure.reason, format!("{}; {next}", failure.message))
}

#[test]
fn exact_names_win_and_expressions_need_a_name() {
    for (text, name, is_column) in [
        ("value", "value", true),
        ("Value", "Value", true),
        ("ln(value) AS log_value", "log_value", false),
        ("\"net worth (%)\" / 100 AS net_worth", "net_worth", false),
        ("size['rows'] AS rows", "rows", false),
        ("date_part('year', day) AS y", "y", false),
        ("CASE WHEN Value THEN 1 ELSE 0 END AS flag", "flag", false),
        ("LN(value) as Log", "Log", false),
    ] {
        let expected = NumericColumn { name: name.into(), expression: text.into(), is_column };
        assert_eq!(feature(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn each_slip_has_its_reason_and_its_mend() {
    for (text, reason, hint) in [
        ("yeer", Reason::ColumnNotFound, "did you mean `year`?"),
        ("VALUES", Reason::ColumnNotFound, "did you mean"),
        ("ln(valu) AS v", Reason::ColumnNotFound, "did you mean `value`?"),
        ("net worth", Reason::ColumnNotFound, "did you mean `net worth (%)`?"),
        ("\"value\"", Reason::ColumnNotFound, "without quotes"),
        ("ln(value)", Reason::InvalidExpression, "AS my_name"),
        ("ln(value AS v", Reason::InvalidExpression, "Expected"),
        ("lnn(value) AS v", Reason::InvalidExpression, "lnn"),
        ("sum(value) AS v", Reason::InvalidExpression, "aggregates"),
        ("(SELECT 1) AS v", Reason::InvalidExpression, "subqueries"),
        ("random() AS v", Reason::InvalidExpression, "random"),
        ("firm", Reason::ColumnNotNumeric, "TRY_CAST(firm AS DOUBLE) AS firm"),
        ("upper(firm) AS f", Reason::ColumnNotNumeric, "TRY_CAST(... AS DOUBLE) AS f"),
        ("day", Reason::ColumnNotNumeric, "date_part('year', day) AS day"),
        ("size", Reason::ColumnNotNumeric, "size['rows'] AS rows"),
        ("tags", Reason::ColumnNotNumeric, "another column"),
        ("net worth (%)", Reason::InvalidName, "\"net worth (%)\" AS \"net_worth__%_\""),
        ("value AS \"a b\"", Reason::InvalidName, "no space in a name"),
        ("value AS \"\"", Reason::InvalidName, "empty"),
        ("value AS intercept", Reason::InvalidName, "constant term"),
        ("invest AS x", Reason::DuplicateName, "target and a feature"),
        ("invest", Reason::DuplicateName, "target and a feature"),
    ] {
        let (found, said) = refused(text);
        assert_eq!(found, reason, "{text}: {said}");
        assert!(said.contains(hint), "{text}: {said}");
    }
}

#[test]
fn features_have_different_names() {
    let failure = with(&["firm"], &["value", "year", "ln(year) AS value"], "invest", None).unwrap_err();
    assert_eq!(failure.reason, Reason::DuplicateName);
    assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.model.ols.features[2]"));
}

#[test]
fn keys_are_columns_with_storable_names_and_comparable_types() {
    let resolved = with(&["firm", "year"], &["value"], "invest", None).unwrap();
    assert_eq!(resolved.keys[1], KeyColumn { name: "year".into(), data_type: DataType::Int64 });
    for (key, reason) in [
        ("frm", Reason::ColumnNotFound),
        ("upper(firm) AS f", Reason::ColumnNotFound),
        ("status", Reason::InvalidName),
        ("net worth (%)", Reason::InvalidName),
        ("tags", Reason::InvalidValue),
        ("size", Reason::InvalidValue),
    ] {
        let failure = with(&["firm", key], &["value"], "invest", None).unwrap_err();
        assert_eq!(failure.reason, reason, "{key}: {failure:?}");
        assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.groupBy[1]"));
    }
}

#[test]
fn the_target_and_the_condition_have_their_own_paths() {
    let failure = with(&["firm"], &["value"], "invst", None).unwrap_err();
    assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.model.ols.target"));
    assert!(with(&["firm"], &["value"], "ln(invest) AS y", Some("year > 1935 AND firm IS NOT NULL")).is_ok());
    for (filter, reason) in [
        ("year", Reason::InvalidExpression),
        ("yeer > 1", Reason::ColumnNotFound),
        ("year >", Reason::InvalidExpression),
        ("year > 1 AS late", Reason::InvalidExpression),
        ("day > now()", Reason::InvalidExpression),
    ] {
        let failure = with(&["firm"], &["value"], "invest", Some(filter)).unwrap_err();
        assert_eq!(failure.reason, reason, "{filter}: {failure:?}");
        assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.input.where"));
    }
}

#[test]
fn texts_are_a_target_where_classes_are_predicted() {
    let target = |model: serde_json::Value| {
        let spec = serde_json::json!({
            "apiVersion": "shoal.dev/v1alpha1",
            "kind": "ShoalJob",
            "metadata": {"name": "job"},
            "spec": {"groupedTraining": {
                "input": {"table": "/in.csv"}, "groupBy": ["year"], "model": model, "output": {"table": "/out"},
            }},
        });
        let uid = serde_json::from_value(serde_json::json!("00000000-0000-0000-0000-000000000001")).unwrap();
        let job = shoal_core::Job::parse(uid, Arc::new(serde_json::from_value(spec).unwrap())).unwrap();
        let Work::GroupedTraining(training) = job.work else { unreachable!() };
        let Learner::Model(model) = &training.learner else { unreachable!() };
        let wanted = Wanted { group_by: &training.group_by, model, evaluate: None, filter: None };
        let resolved = resolve(&query_session(), &schema(), &wanted, "spec.groupedTraining", &RESERVED);
        resolved.map(|resolved| resolved.target.map(|target| (target.is_text, target.is_boolean)).unwrap())
    };
    let of =
        |target: &str, predict: &str| serde_json::json!({"target": target, "features": ["value"], "predict": predict});
    let logistic = |target: &str| serde_json::json!({"logistic": {"target": target, "features": ["value"]}});
    assert_eq!(target(logistic("firm")).unwrap(), (true, false));
    assert_eq!(target(logistic("upper(firm) AS f")).unwrap(), (true, false));
    assert_eq!(target(logistic("Value")).unwrap(), (false, true));
    assert_eq!(target(serde_json::json!({"randomForest": of("firm", "class")})).unwrap(), (true, false));
    let failure = target(serde_json::json!({"gradientBoosting": of("firm", "number")})).unwrap_err();
    assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.model.gradientBoosting.target"));
    assert!(failure.next.unwrap().contains("`predict: class`"));
    assert_eq!(target(logistic("tags")).unwrap_err().reason, Reason::ColumnNotNumeric);
}

#[tokio::test]
async fn a_selection_is_keys_then_features_then_the_target() {
    let ctx = query_session();
    let fields = vec![
        Field::new("a.b", DataType::Int32, true),
        Field::new("__k", DataType::Utf8, true),
        Field::new("y", DataType::Float64, true),
    ];
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(Int32Array::from(vec![1, 2, 3])),
            Arc::new(StringArray::from(vec!["x", "y", "z"])),
            Arc::new(Float64Array::from(vec![10.0, 20.0, 30.0])),
        ],
    )
    .unwrap();
    let keys = ["a.b".to_owned(), "__k".to_owned()];
    let features = ["a.b".to_owned(), "\"a.b\" * y AS product".to_owned()];
    let model = ols(features.to_vec(), "y");
    let wanted = Wanted { group_by: &keys, model: &model, evaluate: None, filter: Some("\"a.b\" > 1") };
    let columns = resolve(&ctx, &schema, &wanted, "spec", &RESERVED).unwrap();
    let stored = serde_json::to_string(&columns).unwrap();
    assert_eq!(serde_json::from_str::<ResolvedColumns>(&stored).unwrap(), columns);
    let rows = select(&ctx, ctx.read_batch(batch).unwrap(), &columns, &[]).unwrap().collect().await.unwrap();
    let names: Vec<_> = rows[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["a.b", "__k", "___variable_0", "___variable_1", "___variable_2"]);
    assert_eq!(rows[0].column(0).data_type(), &DataType::Int64);
    assert_eq!(rows[0].column(3).as_primitive::<Float64Type>().values(), &[40.0, 90.0]);
    assert_eq!(rows[0].column(4).as_primitive::<Float64Type>().values(), &[20.0, 30.0]);
}
