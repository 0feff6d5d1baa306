//! Columns and expressions that the table does not have, or cannot compute.

use serde_json::json;

use crate::case::{Expected, GOOD_CSV, Place};

const FEATURES: &str = "/groupedTraining/model/ols/features";
const FEATURE: &str = "spec.groupedTraining.model.ols.features[1]";

#[test]
fn a_missing_or_misspelt_column_is_named_wherever_it_stands() {
    let place = Place::new();
    let not_found = Expected::new("ColumnNotFound");
    for (at, value, field, column, next) in [
        (FEATURES, json!(["value", "captal"]), FEATURE, "captal", "did you mean `capital`"),
        (FEATURES, json!(["value", "zzz"]), FEATURE, "zzz", "its columns are: firm, year, value"),
        (
            "/groupedTraining/model/ols/target",
            json!("investt"),
            "spec.groupedTraining.model.ols.target",
            "investt",
            "did you mean `invest`",
        ),
        ("/groupedTraining/groupBy", json!(["Firm"]), "spec.groupedTraining.groupBy[0]", "Firm", "did you mean `firm`"),
        (
            "/groupedTraining/input",
            json!({"table": "data.csv", "where": "yaer > 1"}),
            "spec.groupedTraining.input.where",
            "yaer",
            "did you mean `year`",
        ),
    ] {
        let expected = Expected { field: Some(field), column: Some(column), next, ..not_found };
        place.refuses_with(at, value, &expected);
    }
}

#[test]
fn columns_of_other_models_and_of_tests_are_named_at_their_field() {
    let place = Place::new();
    let model = |kind: &str, more: serde_json::Value| {
        let mut model = json!({"target": "invest", "features": ["value"]});
        model.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({kind: model})
    };
    let at = "/groupedTraining/model";
    let not_found = Expected::new("ColumnNotFound");
    for (value, field, column) in [
        (model("ridge", json!({"weight": "wait"})), "spec.groupedTraining.model.ridge.weight", "wait"),
        (
            model("glm", json!({"family": "gamma", "features": ["valu"]})),
            "spec.groupedTraining.model.glm.features[0]",
            "valu",
        ),
        (
            model("ols", json!({"categorical": [{"column": "frim"}]})),
            "spec.groupedTraining.model.ols.categorical[0].column",
            "frim",
        ),
    ] {
        place.refuses_with(at, value, &Expected { field: Some(field), column: Some(column), ..not_found });
    }
    let field = Some("spec.groupedTraining.evaluate.column");
    let expected = Expected { field, column: Some("fold"), ..not_found };
    place.refuses_with("/groupedTraining/evaluate", json!({"column": "fold"}), &expected);
    let field = Some("spec.groupedTraining.evaluate.time.column");
    let expected = Expected { field, column: Some("firm"), next: "CAST", ..Expected::new("InvalidValue") };
    place.refuses_with("/groupedTraining/evaluate", json!({"time": {"column": "firm"}}), &expected);
    let field = Some("spec.groupedTraining.groupBy[0]");
    let expected = Expected { field, column: Some("cv_rows"), ..Expected::new("InvalidName") };
    place.write("data.csv", "cv_rows,invest\n1,2\n");
    let job = json!({"input": {"table": "data.csv"}, "groupBy": ["cv_rows"], "evaluate": {"folds": 2},
        "model": {"mean": {"target": "invest"}}, "output": {"table": "out"}});
    place.refuses_with("/groupedTraining", job, &expected);
}

#[test]
fn a_column_of_texts_is_neither_a_feature_nor_a_number_to_predict() {
    let place = Place::new();
    let expected =
        Expected { field: Some(FEATURE), column: Some("firm"), next: "TRY_CAST", ..Expected::new("ColumnNotNumeric") };
    place.refuses_with(FEATURES, json!(["value", "firm"]), &expected);
    let field = "spec.groupedTraining.model.ols.target";
    let expected = Expected { field: Some(field), next: "TRY_CAST", ..expected };
    place.refuses_with("/groupedTraining/model/ols/target", json!("firm"), &expected);
    let field = "spec.groupedTraining.model.randomForest.target";
    let expected = Expected { field: Some(field), next: "predict: class", ..expected };
    let model = json!({"randomForest": {"target": "firm", "features": ["value"]}});
    place.refuses_with("/groupedTraining/model", model, &expected);
}

#[test]
fn an_expression_that_does_not_parse_is_named() {
    let place = Place::new();
    let invalid = Expected { field: Some(FEATURE), ..Expected::new("InvalidExpression") };
    place.refuses_with(FEATURES, json!(["value", "ln(capital AS x"]), &invalid);
    place.refuses_with(FEATURES, json!(["value", "sum(capital) AS x"]), &invalid);
    place.refuses_with(FEATURES, json!(["value", "ln(capital)"]), &Expected { next: "AS", ..invalid });
    let expected = Expected { field: Some("spec.groupedTraining.input.where"), ..invalid };
    place.refuses_with("/groupedTraining/input", json!({"table": "data.csv", "where": "year >"}), &expected);
}

#[test]
fn a_name_that_delta_cannot_hold_is_refused_with_a_name_that_it_can() {
    let place = Place::new();
    place.write("data.csv", GOOD_CSV.replace("capital", "my capital"));
    let expected = Expected { field: Some(FEATURE), next: "AS", ..Expected::new("InvalidName") };
    place.refuses_with(FEATURES, json!(["value", "my capital"]), &expected);
    place.refuses_with(FEATURES, json!(["value", "value + 1 AS \"a;b\""]), &expected);
    place.refuses_with(FEATURES, json!(["value", "value + 1 AS intercept"]), &expected);
    place.write("data.csv", GOOD_CSV.replace("firm", "status"));
    let expected = Expected { field: Some("spec.groupedTraining.groupBy[0]"), ..Expected::new("InvalidName") };
    place.refuses_with("/groupedTraining/groupBy", json!(["status"]), &expected);
}
