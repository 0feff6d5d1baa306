//! Models that earlier versions stored, read by this one and by a program in another language.
//!
//! `cargo run -p shoal-ml --example golden` writes the files of an estimator that has none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shoal_ml::model::{Estimator, LinearMethod, Model, Prediction, Values};

use crate::oracle::{ask, assert_all_close, numbers};

/// Each stored model with its rows and what the version that wrote it predicted for them.
fn golden() -> Vec<(String, PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut stored: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "cbor")).collect();
    stored.sort_unstable();
    let with_expected = |stored: PathBuf| {
        let name = stored.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected = serde_json::from_slice(&std::fs::read(stored.with_extension("json")).unwrap()).unwrap();
        (name, stored, expected)
    };
    stored.into_iter().map(with_expected).collect()
}

fn predict(model: &Model, expected: &Value) -> Prediction {
    let columns = expected["columns"].as_array().unwrap();
    let number_columns: Vec<Vec<f64>> =
        columns.iter().map(|column| column.get("numbers").map(numbers).unwrap_or_default()).collect();
    let category_columns: Vec<Vec<Option<&str>>> = columns
        .iter()
        .map(|column| {
            let values = column.get("categories").and_then(Value::as_array).into_iter().flatten();
            values.map(Value::as_str).collect()
        })
        .collect();
    let values: Vec<Values<'_>> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| match column.get("numbers") {
            Some(_) => Values::Numbers(&number_columns[place]),
            None => Values::Categories(&category_columns[place]),
        })
        .collect();
    let rows = expected["rows"].as_u64().unwrap() as usize;
    model.predict(rows, &values, expected["level"].as_f64()).unwrap()
}

fn assert_same(actual: &[f64], expected: &Value, name: &str) {
    let expected = numbers(expected);
    assert_eq!(actual.len(), expected.len(), "{name}");
    let known = |values: &[f64]| values.iter().map(|value| value.is_nan()).collect::<Vec<bool>>();
    assert_eq!(known(actual), known(&expected), "{name}");
    assert!(actual.iter().any(|value| !value.is_nan()), "{name} predicts nothing");
    let zero = |values: &[f64]| values.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect::<Vec<f64>>();
    assert_all_close(&zero(actual), &zero(&expected), 1e-12);
}

fn assert_as_expected(prediction: &Prediction, expected: &Value, name: &str) {
    assert_same(&prediction.values, &expected["values"], name);
    assert_eq!(prediction.interval.is_some(), !expected["interval"].is_null(), "{name}");
    if let Some(interval) = &prediction.interval {
        assert_same(&interval.lower, &expected["interval"]["lower"], name);
        assert_same(&interval.upper, &expected["interval"]["upper"], name);
    }
}

#[test]
fn every_stored_model_predicts_what_it_did_when_it_was_stored() {
    let mut estimators = BTreeSet::new();
    for (name, stored, expected) in golden() {
        let bytes = std::fs::read(stored).unwrap();
        let model = Model::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_as_expected(&predict(&model, &expected), &expected, &name);
        assert_eq!(Model::decode(&model.encode()).as_ref(), Ok(&model), "{name}");
        estimators.insert(match &model.estimator {
            Estimator::Linear(model) => format!("{:?}", model.method),
            Estimator::Mean(_) => "Mean".to_owned(),
            Estimator::Forest(_) => "Forest".to_owned(),
            Estimator::Boosting(_) => "Boosting".to_owned(),
        });
    }
    let linear = LinearMethod::ALL.iter().map(|method| format!("{method:?}"));
    let all: BTreeSet<String> = linear.chain(["Mean", "Forest", "Boosting"].map(str::to_owned)).collect();
    assert_eq!(estimators, all, "an estimator has no golden file: cargo run -p shoal-ml --example golden");
}

#[test]
fn another_program_reads_them_by_the_document_alone() {
    // All but the one with a hashed feature: Python has no xxh3 of its own.
    let readable: Vec<_> = golden().into_iter().filter(|(name, ..)| name != "ridge").collect();
    assert!(readable.len() >= 13);
    let questions: Vec<Value> = readable
        .iter()
        .map(|(_, stored, expected)| {
            let mut question = expected.clone();
            question["stored"] = json!(stored);
            question
        })
        .collect();
    let answers = ask("read_model.py", &json!(questions));
    for ((name, _, expected), answer) in readable.iter().zip(answers.as_array().unwrap()) {
        assert_same(&numbers(&answer["values"]), &expected["values"], name);
        assert_eq!(answer["interval"].is_null(), expected["interval"].is_null(), "{name}");
        if !expected["interval"].is_null() {
            assert_same(&numbers(&answer["interval"]["lower"]), &expected["interval"]["lower"], name);
            assert_same(&numbers(&answer["interval"]["upper"]), &expected["interval"]["upper"], name);
        }
    }
}
