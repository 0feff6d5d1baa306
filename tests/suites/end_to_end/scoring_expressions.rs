//! Predictions from what is no column of the input: expressions that were trained on, and categories, are stored with the
//! models, and the numbers are those of statsmodels for columns that were made beforehand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shoal_testkit::Numbers;
use shoal_tests::oracle::{read_delta, scores};
use shoal_tests::table::{assert_agrees, assert_same, by_key};
use shoal_tests::{job, slots};

use crate::place::{Place, query};
use crate::scoring::{by_both_plans, scoring, with};

const LEVEL: f64 = 0.9;
const ROWS: usize = 120;

/// Rows of four groups as jobs read them, and as statsmodels does: there `capital` is its logarithm, and the names of eras
/// in small letters, the first of which is what others are compared with, are numbers.
fn tables(place: &Place) -> (PathBuf, PathBuf) {
    let mut numbers = Numbers::new(5);
    let (mut raw, mut made) = ("g,value,capital,era,y,row\n".to_owned(), "g,value,capital,old,war,y\n".to_owned());
    for row in 0..ROWS {
        let (value, capital) = (numbers.between(-1.0, 3.0), numbers.between(0.5, 60.0));
        let era = ["Late", "OLD", "war"][numbers.below(3) as usize];
        let (is_old, is_war) = (u8::from(era == "OLD"), u8::from(era == "war"));
        let y = 2.0 * value - capital.ln() + 3.0 * f64::from(is_old) + numbers.between(-0.5, 0.5);
        let group = row % 4;
        writeln!(raw, "{group},{value},{capital},{era},{y},{row}").unwrap();
        writeln!(made, "{group},{value},{},{is_old},{is_war},{y}", capital.ln()).unwrap();
    }
    let files = (place.join("rows.csv"), place.join("made.csv"));
    std::fs::write(&files.0, raw).unwrap();
    std::fs::write(&files.1, made).unwrap();
    files
}

/// A training whose feature and category have the names of the columns that they are made of.
fn training(name: &str, rows: &Path, output: &Path, statistics: &str) -> Value {
    let features = ["value", "ln(capital) AS capital"];
    let training = job::training(name, rows, "g", &features, "y", output);
    let categorical = json!([{"column": "lower(era) AS era", "encode": "oneHot"}]);
    let training = job::with(training, "/groupedTraining/model/ols/categorical", categorical);
    job::with(training, "/groupedTraining/statistics", json!(statistics))
}

/// What statsmodels predicts for each row.
fn expected(made: &Path, features: &[&str]) -> Vec<Value> {
    let answer = scores("linear", made, made, "g", features, "y", LEVEL);
    let numbered = answer["predictions"].as_array().unwrap().iter().enumerate().map(|(row, said)| {
        let mut said = said.clone();
        said["row"] = json!(row);
        said["reason"] = Value::Null;
        said
    });
    numbered.collect()
}

fn without_bounds(mut rows: Vec<Value>) -> Vec<Value> {
    for row in &mut rows {
        let fields = row.as_object_mut().unwrap();
        fields.retain(|name, _| !name.starts_with("prediction_"));
    }
    rows
}

#[test]
fn what_has_the_name_of_a_column_is_made_anew_from_the_rows() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (rows, made) = tables(&place);
    let expected = expected(&made, &["value", "capital", "old", "war"]);
    assert_eq!(expected.len(), ROWS);
    let table = place.join("full");
    place.run(&training("full", &rows, &table, "full")).succeeded();
    let job = with(scoring("score", &table, &rows, &place.join("out")), "interval", json!({"level": LEVEL}));
    let scored = by_both_plans(&place, &job, "row");
    assert_agrees(&by_key(&scored, &["row"]), &by_key(&expected, &["row"]));
    let sql = format!("SELECT * FROM predict('{}', '{}', {LEVEL})", table.display(), rows.display());
    assert_same(&by_key(&query(&sql), &["row"]), &by_key(&scored, &["row"]));
}

#[test]
fn a_table_of_coefficients_predicts_from_categories_and_expressions() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (rows, made) = tables(&place);
    let table = place.join("categories");
    place.run(&training("categories", &rows, &table, "coefficients")).succeeded();
    let models = read_delta(&table);
    assert!(models.iter().all(|model| model["r2"].is_null() && model["model"].is_string()), "{models:#?}");
    let job = scoring("score", &table, &rows, &place.join("out"));
    let scored = by_both_plans(&place, &job, "row");
    let all = without_bounds(expected(&made, &["value", "capital", "old", "war"]));
    assert_agrees(&by_key(&scored, &["row"]), &by_key(&all, &["row"]));

    // Coefficients are not what bounds take.
    let bounded = with(job, "interval", json!({"level": LEVEL}));
    let failure = place.run(&bounded).failed(2);
    assert_eq!(failure["location"]["fieldPath"], "spec.groupedScoring.interval", "{failure:#}");
    assert!(failure["next"].as_str().unwrap().contains("statistics: full"), "{failure:#}");

    let table = place.join("expressions");
    let training = job::training("expressions", &rows, "g", &["value", "ln(capital) AS capital"], "y", &table);
    place.run(&job::with(training, "/groupedTraining/statistics", json!("coefficients"))).succeeded();
    let sql = format!("SELECT * FROM predict('{}', '{}')", table.display(), rows.display());
    let numbers = without_bounds(expected(&made, &["value", "capital"]));
    assert_agrees(&by_key(&query(&sql), &["row"]), &by_key(&numbers, &["row"]));

    // Of columns the coefficients say all.
    let table = place.join("columns");
    let training = job::training("columns", &made, "g", &["value", "capital"], "y", &table);
    place.run(&job::with(training, "/groupedTraining/statistics", json!("coefficients"))).succeeded();
    assert!(read_delta(&table).iter().all(|model| model.get("model").is_none()));
}

#[test]
fn rows_that_lack_what_an_expression_reads_are_not_predicted_from_a_column_of_its_name() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (rows, made) = tables(&place);
    let table = place.join("models");
    let features = ["value", "ln(capital) AS log_capital"];
    place.run(&job::training("train", &rows, "g", &features, "y", &table)).succeeded();
    // Whoever writes these rows has taken the logarithm already.
    let text = std::fs::read_to_string(&made).unwrap().replacen("capital", "log_capital", 1);
    let numbered = text.lines().enumerate().map(|(line, text)| match line {
        0 => format!("{text},row\n"),
        line => format!("{text},{}\n", line - 1),
    });
    let new_rows = place.join("new.csv");
    std::fs::write(&new_rows, numbered.collect::<String>()).unwrap();
    let job = scoring("score", &table, &new_rows, &place.join("out"));
    let failure = place.run(&job).failed(2);
    assert_eq!(failure["reason"], "ColumnNotFound", "{failure:#}");
    assert_eq!(failure["location"]["fieldPath"], "spec.groupedScoring.input.table", "{failure:#}");
    assert_eq!(failure["location"]["column"], "capital", "{failure:#}");
    assert!(failure["next"].as_str().unwrap().contains("add `log_capital` to `features`"), "{failure:#}");

    let scored = by_both_plans(&place, &with(job, "features", json!(["log_capital"])), "row");
    let expected = without_bounds(expected(&made, &["value", "capital"]));
    assert_agrees(&by_key(&scored, &["row"]), &by_key(&expected, &["row"]));
}
