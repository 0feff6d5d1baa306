//! Trees that learn from rows in which features are missing: as good as scikit-learn's, from the job to the prediction.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shoal_testkit::Numbers;
use shoal_tests::oracle::{models, read_delta};
use shoal_tests::table::by_key;
use shoal_tests::{job, slots};

use crate::place::{Place, query};

const GROUPS: usize = 3;
const ROWS: usize = 120;

/// Rows of which so many have no target.
const WITHOUT_TARGET: usize = 4;

/// How far the predictions of boosted trees may be from those of scikit-learn, whose sums have 32 bits.
const IN_SINGLE_PRECISION: f64 = 1e-4;

/// Rows of which every fifth value of a feature is missing, the more so the larger the target is: where it is missing says
/// something.
fn table(place: &Place) -> PathBuf {
    let mut numbers = Numbers::new(5);
    let mut text = "g,row,a,b,color,y,kind\n".to_owned();
    for row in 0..GROUPS * ROWS {
        let (a, b) = (numbers.between(-2.0, 2.0), numbers.between(0.0, 3.0));
        let color = numbers.below(3);
        let y = 2.0 * a - b + color as f64 + numbers.between(-0.5, 0.5);
        let kind = u8::from(y > 0.0);
        let has = |often: f64, numbers: &mut Numbers| numbers.uniform() > if y > 0.0 { often } else { often / 4.0 };
        let known = |value: String, is_known: bool| if is_known { value } else { String::new() };
        let (a, b) = (known(a.to_string(), has(0.3, &mut numbers)), known(b.to_string(), has(0.2, &mut numbers)));
        let color = known(["blue", "green", "red"][color as usize].to_owned(), has(0.2, &mut numbers));
        let y = known(y.to_string(), row / GROUPS >= WITHOUT_TARGET);
        writeln!(text, "store {},{row},{a},{b},{color},{y},{kind}", row % GROUPS).unwrap();
    }
    let file = place.join("rows.csv");
    std::fs::write(&file, text).unwrap();
    file
}

fn training(name: &str, model: &Value, input: &Path, output: &Path) -> Value {
    let job = job::training(name, input, "g", &[], "", output);
    let job = job::with(job, "/groupedTraining/model", model.clone());
    job::with(job, "/groupedTraining/onMissing", json!("keep"))
}

fn variables(target: &str, options: Value) -> Value {
    let color = json!({"column": "color", "encode": "ordinal"});
    let mut model = json!({"target": target, "features": ["a", "b"], "categorical": [color]});
    model.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    model
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn trees_learn_where_rows_go_that_lack_a_value() {
    let _slots = slots::take(3);
    let place = Place::new();
    let input = table(&place);
    let cases = [
        ("boosting", json!({"gradientBoosting": variables("y", json!({}))})),
        ("boosted-classes", json!({"gradientBoosting": variables("kind", json!({"predict": "class"}))})),
        ("forest", json!({"randomForest": variables("y", json!({}))})),
        ("classes", json!({"randomForest": variables("kind", json!({"predict": "class"}))})),
    ];
    let made = cases.map(|(name, model)| {
        let output = place.join(name);
        let job = training(name, &model, &input, &output);
        let job = job::with(job, "/groupedTraining/evaluate", json!({"folds": 4}));
        place.run(&job).succeeded();
        (output, model, Value::Null)
    });
    let said = models(&input, "g", &made);
    for ((output, model, _), said) in made.iter().zip(&said) {
        let name = output.file_name().unwrap().to_str().unwrap();
        let without = if model.to_string().contains("kind") { 0 } else { WITHOUT_TARGET };
        let trained = by_key(&read_delta(output), &["g"]);
        for (group, said) in by_key(said, &["g"]) {
            let row = &trained[&group];
            assert_eq!((&row["rows_used"], &row["rows_dropped"]), (&json!(ROWS - without), &json!(without)), "{name}");
            assert_eq!(row["cv_rows"], ROWS - without, "{name} {group}: every fold is predicted");
            let tested = if without > 0 { number(&row["cv_r2"]) } else { number(&row["cv_accuracy"]) };
            assert!(tested > 0.6, "{name} {group}: {tested} on other rows");
            let stored = &said["stored"];
            if name.starts_with("boost") {
                let difference = number(&stored["difference"]);
                assert!(difference < IN_SINGLE_PRECISION, "{name} {group}: {difference} off");
            }
            let (fit, peer) = (number(&stored["fit"]), number(&stored["peer_fit"]));
            assert!((fit - peer).abs() < 0.03, "{name} {group}: {fit}, and {peer} of scikit-learn's");
        }
    }
    predicts_every_row(&place, &input, &made[0].0, &said[0]);
}

/// A scoring and a query predict for rows without a value too, as well as the reader of the stored model that the oracle
/// has.
fn predicts_every_row(place: &Place, input: &Path, table: &Path, said: &[Value]) {
    let output = place.join("scored");
    let scoring = json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": "score"},
        "spec": {"groupedScoring": {
            "models": {"table": table}, "input": {"table": input}, "output": {"table": output},
        }},
    });
    place.run(&scoring).succeeded();
    let scored = read_delta(&output);
    assert_eq!(scored.len(), GROUPS * ROWS);
    assert!(scored.iter().all(|row| row["reason"].is_null()), "nothing is missing that the models cannot do without");
    for said in said {
        let rows: Vec<(f64, f64)> = scored
            .iter()
            .filter(|row| row["g"] == said["g"] && !row["y"].is_null())
            .map(|row| (number(&row["y"]), number(&row["prediction"])))
            .collect();
        let mean = rows.iter().map(|(y, _)| y).sum::<f64>() / rows.len() as f64;
        let squares = |of: &dyn Fn(&(f64, f64)) -> f64| rows.iter().map(|row| of(row).powi(2)).sum::<f64>();
        let fit = 1.0 - squares(&|(y, predicted)| y - predicted) / squares(&|(y, _)| y - mean);
        assert!((fit - number(&said["stored"]["fit"])).abs() < 1e-9, "{fit}, and {said:#}");
    }
    let sql = format!("SELECT row, prediction, reason FROM predict('{}', '{}')", table.display(), input.display());
    let (queried, scored) = (by_key(&query(&sql), &["row"]), by_key(&scored, &["row"]));
    assert_eq!(queried.len(), scored.len());
    for (row, said) in queried {
        assert_eq!((&said["prediction"], &said["reason"]), (&scored[&row]["prediction"], &Value::Null), "{row}");
    }
}
