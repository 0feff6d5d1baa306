//! The examples run as they stand, and say what statsmodels, scikit-learn and DuckDB say.

use serde_json::{Value, json};
use shoal_tests::oracle::{Fit, decades, read_delta, statsmodels};
use shoal_tests::process::Process;
use shoal_tests::table::{assert_agrees, by_key};
use shoal_tests::{job, slots};

use super::with_packages;
use crate::agreement::copy_examples;
use crate::place::Place;

fn run_example(place: &Place, name: &str) -> (Value, Vec<Value>) {
    copy_examples(place);
    let mut command = place.run_command(&place.join("examples/python").join(format!("{name}.yaml")));
    let status = Process::start(with_packages(&mut command)).finish().succeeded();
    (status, read_delta(&place.join(&format!("target/demo/python-{name}"))))
}

#[test]
fn least_squares_in_python_are_those_of_statsmodels() {
    let _slots = slots::take(5);
    let place = Place::new();
    let (status, rows) = run_example(&place, "ols");
    assert_eq!(status["report"]["counters"]["groupsOk"], 11, "{status:#}");
    let stages: Vec<&str> =
        status["report"]["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap()).collect();
    assert_eq!(stages, ["load", "measure", "map", "reduce"], "{status:#}");
    let grunfeld = job::grunfeld_csv();
    let fit = Fit { table: &grunfeld, keys: &["firm"], features: &["value", "capital"], target: "invest", every: 1 };
    let expected: Vec<Value> = statsmodels(&fit)
        .iter()
        .map(|fit| {
            let slope = |term: &str| fit["coefficients"][term].clone();
            json!({
                "firm": fit["firm"], "status": "ok", "message": null, "rows_used": 20, "rows": 20, "r2": fit["r2"],
                "intercept": slope("intercept"), "value": slope("value"), "capital": slope("capital"),
            })
        })
        .collect();
    assert_eq!((rows.len(), expected.len()), (11, 11));
    assert_agrees(&by_key(&rows, &["firm"]), &by_key(&expected, &["firm"]));
}

#[test]
fn a_pickled_pipeline_lies_in_the_row_of_its_group() {
    let _slots = slots::take(5);
    let (_, rows) = run_example(&Place::new(), "pipeline");
    assert_eq!(rows.len(), 11);
    for row in rows {
        assert!(row["status"] == "ok" && row["score"].as_f64().is_some_and(|score| score > 0.1), "{row:#}");
        // In hex digits, as a pickle of protocol 2 or later begins.
        assert!(row["model"].as_str().is_some_and(|model| model.starts_with("80") && model.len() > 500), "{row:#}");
    }
}

#[test]
fn a_function_may_return_several_rows() {
    let _slots = slots::take(5);
    let (status, rows) = run_example(&Place::new(), "growth");
    assert_eq!(status["report"]["counters"]["groupsOk"], 11, "{status:#}");
    assert_eq!(rows.len(), 11 * 19);
    let of_1936 = rows.iter().find(|row| row["firm"] == "General Motors" && row["year"] == 1936).unwrap();
    let growth = of_1936["growth"].as_f64().unwrap();
    assert!((growth - (52.6 - 2.8) / 2.8).abs() < 1e-12, "{growth}");
}

#[test]
fn decades_by_polars_are_those_of_duckdb() {
    let _slots = slots::take(5);
    let (status, rows) = run_example(&Place::new(), "decades");
    let counters = &status["report"]["counters"];
    assert_eq!(counters["groupsOk"], 11, "{status:#}");
    let grunfeld = job::grunfeld_csv();
    let expected = decades(&grunfeld, 6);
    // Of 1935 to 1954 two decades are cut to five years.
    assert_eq!((rows.len(), expected.len()), (11, 11));
    assert_eq!(counters["functionCounters"], json!({"decades_left_out": 22}));
    assert_agrees(&by_key(&rows, &["firm", "decade"]), &by_key(&expected, &["firm", "decade"]));
}
