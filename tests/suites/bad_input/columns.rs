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
fn a_column_of_texts_is_no_feature() {
    let place = Place::new();
    let expected =
        Expected { field: Some(FEATURE), column: Some("firm"), next: "TRY_CAST", ..Expected::new("ColumnNotNumeric") };
    place.refuses_with(FEATURES, json!(["value", "firm"]), &expected);
    let field = "spec.groupedTraining.model.ols.target";
    let expected = Expected { field: Some(field), next: "TRY_CAST", ..expected };
    place.refuses_with("/groupedTraining/model/ols/target", json!("firm"), &expected);
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
