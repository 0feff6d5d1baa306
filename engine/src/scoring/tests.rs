use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, Float64Array, StringArray};
use datafusion::arrow::datatypes::Float64Type;
use shoal_ml::encode::{Encoder, Unknown};
use shoal_ml::model::{Estimator, Feature, LinearMethod, LinearModel, Link, MeanModel, Model};

use super::cache::Cache;
use super::predict::Predictor;
use super::*;

fn linear(terms: &[&str], coefficients: &[f64], features: Vec<Feature>) -> Model {
    let estimator = Estimator::Linear(LinearModel {
        method: LinearMethod::Ols,
        link: Link::Identity,
        terms: terms.iter().map(|term| (*term).to_owned()).collect(),
        intercepts: vec![1.0],
        coefficients: coefficients.to_vec(),
        uncertainty: None,
    });
    Model { target: "y".into(), classes: Vec::new(), features, estimator }
}

fn mean_of_classes() -> Model {
    let estimator = Estimator::Mean(MeanModel { values: vec![0.25, 0.75], rows: 4, sigma: None });
    Model { target: "y".into(), classes: vec!["no".into(), "yes".into()], features: Vec::new(), estimator }
}

fn predictor(features: &[(&str, bool)], outcome: Outcome) -> Predictor {
    let features = features.iter().map(|(name, is_category)| FeatureColumn {
        name: (*name).to_owned(),
        expression: (*name).to_owned(),
        is_column: true,
        is_category: *is_category,
        is_as_trained: true,
    });
    Predictor {
        features: features.collect(),
        outcome,
        level: None,
        statuses: vec!["ok".to_owned()],
        cache: Cache::default(),
    }
}

/// Predictions and reasons of rows: status, model.
fn said(
    predictor: &Predictor,
    rows: &[(Option<&str>, Option<&[u8]>)],
    columns: &[ArrayRef],
) -> (Vec<Option<f64>>, Vec<Option<String>>) {
    let status: StringArray = rows.iter().map(|(status, _)| *status).collect();
    let models: BinaryViewArray = rows.iter().map(|(_, model)| *model).collect();
    let scored = predictor.predict(&status, &models, columns).unwrap();
    let predictions = match predictor.outcome {
        Outcome::Number => scored.column(0).as_primitive::<Float64Type>().iter().collect(),
        Outcome::Classes => Vec::new(),
    };
    let reasons = scored.columns().last().unwrap().as_string::<i32>();
    (predictions, reasons.iter().map(|reason| reason.map(str::to_owned)).collect())
}

#[test]
fn every_row_has_a_prediction_or_a_reason() {
    let predictor = predictor(&[("a", false), ("b", false)], Outcome::Number);
    let both = || vec![Feature::number("a"), Feature::number("b")];
    let model = linear(&["a", "b"], &[2.0, 10.0], both()).encode();
    let without_a = linear(&["b"], &[10.0], both()).encode();
    let of_another = linear(&["c"], &[1.0], vec![Feature::number("c")]).encode();
    let huge = linear(&["a", "b"], &[f64::MAX, 10.0], both()).encode();
    let classes = mean_of_classes().encode();
    let nan = f64::NAN;
    type Row<'a> = (Option<&'a str>, Option<&'a [u8]>, Option<f64>, Option<f64>, Result<f64, &'a str>);
    #[rustfmt::skip]
    let rows: [Row<'_>; 12] = [
        (Some("ok"), Some(&model), Some(1.0), Some(2.0), Ok(23.0)),
        (None, None, Some(1.0), Some(2.0), Err("no_model")),
        (Some("too_few_rows"), None, Some(1.0), Some(2.0), Err("model_failed: too_few_rows")),
        (Some("rank_deficient"), Some(&model), Some(1.0), Some(2.0), Err("model_failed: rank_deficient")),
        (Some("ok"), Some(&model), Some(1.0), None, Err("missing_value: b")),
        (Some("ok"), Some(&model), Some(nan), None, Err("missing_value: a")),
        (Some("ok"), Some(&model), Some(f64::INFINITY), Some(0.0), Err("infinite_value: a")),
        (Some("ok"), Some(&without_a), None, Some(3.0), Ok(31.0)),
        (Some("ok"), Some(&of_another), Some(1.0), Some(2.0), Err("model_differs: it predicts from `c` too, which others do not")),
        (Some("ok"), Some(&huge), Some(10.0), Some(2.0), Err("not_finite")),
        (Some("ok"), Some(&classes), Some(1.0), Some(2.0), Err("model_differs: it predicts classes")),
        (Some("ok"), Some(&model), Some(0.0), Some(0.0), Ok(1.0)),
    ];
    let column = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let columns = [column(rows.iter().map(|row| row.2).collect()), column(rows.iter().map(|row| row.3).collect())];
    let with_models: Vec<_> = rows.iter().map(|row| (row.0, row.1)).collect();
    let (predictions, reasons) = said(&predictor, &with_models, &columns);
    for (row, (prediction, reason)) in predictions.into_iter().zip(reasons).enumerate() {
        let found = prediction.ok_or_else(|| reason.clone().unwrap_or_default());
        assert_eq!(found, rows[row].4.map_err(str::to_owned), "row {row}");
        assert_eq!(reason.is_none(), rows[row].4.is_ok(), "row {row}");
    }
}

#[test]
fn a_model_of_another_expression_is_told_from_others() {
    let of = |expression: Option<&str>| {
        linear(&["a"], &[2.0], vec![Feature::number("a").made_by(expression.map(str::to_owned))]).encode()
    };
    let (same, column, other) = (of(Some("ln(a) AS a")), of(None), of(Some("exp(a) AS a")));
    let rows: Vec<_> = [&same, &column, &other].into_iter().map(|model| (Some("ok"), Some(model.as_slice()))).collect();
    let a: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 3]));
    let mut predictor = predictor(&[("a", false)], Outcome::Number);
    predictor.features[0].expression = "ln(a) AS a".to_owned();
    predictor.features[0].is_column = false;
    let (predictions, reasons) = said(&predictor, &rows, std::slice::from_ref(&a));
    assert_eq!(predictions, [Some(3.0), None, None]);
    let (column, other) = (reasons[1].as_deref().unwrap(), reasons[2].as_deref().unwrap());
    assert_eq!(column, "model_differs: its `a` is a column, and that of others is not");
    assert_eq!(other, "model_differs: its `a` is exp(a) AS a, and that of others is not");
    // What the job says holds for all.
    predictor.features[0].is_as_trained = false;
    predictor.cache = Cache::default();
    assert_eq!(said(&predictor, &rows, &[a]).0, [Some(3.0); 3]);
}

#[test]
fn categories_that_a_model_does_not_know_are_as_it_says() {
    let model = |unknown| {
        let categories = vec!["east".to_owned(), "west".to_owned()];
        let encoder = Encoder::OneHot { categories, drop_first: false, unknown };
        linear(&["r=east", "r=west"], &[10.0, 20.0], vec![Feature::categories("r", encoder)]).encode()
    };
    let (lenient, strict) = (model(Unknown::Ignore), model(Unknown::Error));
    let values: ArrayRef =
        Arc::new(StringArray::from(vec![Some("west"), Some("north"), Some("north"), Some("east"), None]));
    let rows: Vec<(Option<&str>, Option<&[u8]>)> = [&strict, &strict, &lenient, &strict, &strict]
        .into_iter()
        .map(|model| (Some("ok"), Some(model.as_slice())))
        .collect();
    let (predictions, reasons) =
        said(&predictor(&[("r", true)], Outcome::Number), &rows, std::slice::from_ref(&values));
    assert_eq!(predictions, [Some(21.0), None, Some(1.0), Some(11.0), Some(1.0)]);
    assert_eq!(reasons[1].as_deref(), Some("unknown_category: r"));
    // The columns at hand hold categories, and the model wants numbers.
    let numbers = linear(&["r"], &[1.0], vec![Feature::number("r")]).encode();
    let rows = [(Some("ok"), Some(numbers.as_slice())); 5];
    let (_, reasons) = said(&predictor(&[("r", true)], Outcome::Number), &rows, &[values]);
    assert!(reasons.iter().all(|reason| reason.as_deref().is_some_and(|reason| reason.starts_with("model_differs"))));
}

#[test]
fn coefficients_alone_are_models_too() {
    use datafusion::arrow::array::{Float64Builder, ListBuilder, StringBuilder, StructArray, StructBuilder};
    use datafusion::arrow::datatypes::{DataType, Field, Fields};

    let number = |name: &str, values: [Option<f64>; 3]| {
        let field = Arc::new(Field::new(name, DataType::Float64, true));
        (field, Arc::new(Float64Array::from(values.to_vec())) as ArrayRef)
    };
    // The second model has a dropped term, and of the third nothing is known.
    let table = [
        number("a", [Some(2.0), None, None]),
        number("intercept", [Some(1.0), Some(5.0), None]),
        number("b", [Some(3.0), Some(4.0), None]),
    ];
    let fields = vec![Field::new("term", DataType::Utf8, true), Field::new("coefficient", DataType::Float64, true)];
    let fields = Fields::from(fields);
    let mut lists = ListBuilder::new(StructBuilder::from_fields(fields, 9));
    for row in 0..3 {
        for (field, values) in &table {
            let values = values.as_primitive::<Float64Type>();
            let item = lists.values();
            item.field_builder::<StringBuilder>(0).unwrap().append_value(field.name());
            let value = values.is_valid(row).then(|| values.value(row));
            item.field_builder::<Float64Builder>(1).unwrap().append_option(value);
            item.append(true);
        }
        lists.append(true);
    }
    let lists: ArrayRef = Arc::new(lists.finish());
    assert!(coefficients::is_terms(lists.data_type()));
    let structs: ArrayRef = Arc::new(StructArray::from(table.to_vec()));
    assert!(coefficients::is_coefficients(structs.data_type()) && !coefficients::is_terms(structs.data_type()));
    for column in [structs, lists] {
        let stored = coefficients::encode(&column);
        let rows: Vec<_> = stored.iter().map(|model| (Some("ok"), model)).collect();
        let a: ArrayRef = Arc::new(Float64Array::from(vec![Some(10.0), None, Some(1.0)]));
        let b: ArrayRef = Arc::new(Float64Array::from(vec![100.0; 3]));
        let (predictions, reasons) = said(&predictor(&[("a", false), ("b", false)], Outcome::Number), &rows, &[a, b]);
        assert_eq!(predictions, [Some(321.0), Some(405.0), None]);
        assert_eq!(reasons[2].as_deref(), Some("model_failed: ok"));
    }
}

#[test]
fn classes_have_a_probability_each() {
    let model = mean_of_classes().encode();
    let predictor = predictor(&[], Outcome::Classes);
    let status = StringArray::from(vec![Some("ok"), None]);
    let models: BinaryViewArray = [Some(model.as_slice()), None].into_iter().collect();
    let scored = predictor.predict(&status, &models, &[]).unwrap();
    assert_eq!(scored.column(0).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("yes"), None]);
    let shares = scored.column(1).as_map();
    assert!(shares.is_null(1));
    let row = shares.value(0);
    assert_eq!(row.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["no", "yes"]);
    assert_eq!(row.column(1).as_primitive::<Float64Type>().values(), &[0.25, 0.75]);
}

#[test]
fn types_that_a_table_lacks_become_ones_that_it_has() {
    use datafusion::arrow::datatypes::{DataType::*, Field, TimeUnit};
    for (from, to) in [
        (UInt8, Some(Int16)),
        (UInt64, Some(Decimal128(20, 0))),
        (Utf8View, Some(Utf8)),
        (
            Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into())),
            Some(Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ),
        (Dictionary(Box::new(Int8), Box::new(LargeUtf8)), Some(Utf8)),
        (Struct(vec![Field::new("a", UInt16, true)].into()), Some(Struct(vec![Field::new("a", Int32, true)].into()))),
        (Time64(TimeUnit::Microsecond), None),
        (Duration(TimeUnit::Second), None),
    ] {
        let stored = output::storable_type(&from);
        assert_eq!(stored, to, "{from}");
        if let Some(stored) = stored {
            let schema = datafusion::arrow::datatypes::Schema::new(vec![Field::new("a", stored, true)]);
            crate::delta::schema_json(&schema).unwrap();
        }
    }
}
