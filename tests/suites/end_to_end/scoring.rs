//! Predictions for new rows: the numbers are those of statsmodels and scikit-learn, by either plan and in SQL.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use serde_json::{Value, json};
use shoal_ml::model::{Estimator, MeanModel, Model};
use shoal_tests::oracle::{read_delta, scores};
use shoal_tests::table::{assert_agrees, assert_agrees_within, assert_same, by_key};
use shoal_tests::{job, models, slots};

use crate::agreement::{copy_examples, run_example};
use crate::place::{Place, query};

const LEVEL: f64 = 0.9;

pub(crate) fn scoring(name: &str, models: &Path, rows: &Path, output: &Path) -> Value {
    json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": name},
        "spec": {"groupedScoring": {
            "models": {"table": models},
            "input": {"table": rows},
            "output": {"table": output},
        }},
    })
}

pub(crate) fn with(job: Value, field: &str, value: Value) -> Value {
    job::with(job, &format!("/groupedScoring/{field}"), value)
}

/// Runs the job by both plans, which must give the same rows, and gives these.
pub(crate) fn by_both_plans(place: &Place, job: &Value, key: &str) -> Vec<Value> {
    let mut tables = ["broadcast", "bucket"].map(|strategy| {
        let table = place.join(&format!("by-{strategy}"));
        let job = with(job.clone(), "output/table", json!(table));
        let job = with(job, "strategy", json!({strategy: {}}));
        let job = job::with(job, "/failurePolicy/maxFailed", json!("100%"));
        let status = place.run(&job).succeeded();
        assert!(status["report"]["notes"].to_string().contains(strategy), "{status:#}");
        assert_eq!(status["progress"]["unit"], "rows", "{status:#}");
        let rows = read_delta(&table);
        let without = rows.iter().filter(|row| !row["reason"].is_null()).count();
        assert_eq!(status["report"]["counters"]["groupsFailed"], without, "{status:#}");
        assert_eq!(status["outputs"][0]["rows"], rows.len(), "{status:#}");
        rows
    });
    for rows in &mut tables {
        rows.sort_by_key(|row| row[key].as_i64());
    }
    let [broadcast, bucket] = tables;
    // To the last bit.
    assert_eq!(broadcast, bucket);
    broadcast
}

/// Grunfeld's rows, numbered, and some that nothing can be predicted for.
fn new_rows() -> String {
    let text = std::fs::read_to_string(job::grunfeld_csv()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let header: Vec<&str> = lines[0].split(',').collect();
    let line = |firm: &str, value: &str, capital: &str| {
        let of = |name: &&str| match *name {
            "firm" => firm.to_owned(),
            "value" => value.to_owned(),
            "capital" => capital.to_owned(),
            _ => "1".to_owned(),
        };
        header.iter().map(of).collect::<Vec<_>>().join(",")
    };
    let more = [line("Nobody", "1.0", "2.0"), line("IBM", "1.0", ""), line("", "1.0", "2.0")];
    let rows = lines[1..].iter().map(|line| (*line).to_owned()).chain(more);
    let numbered: String = rows.enumerate().map(|(row, line)| format!("{line},{row}\n")).collect();
    format!("{},row\n{numbered}", lines[0])
}

#[test]
fn predictions_and_bounds_are_those_of_statsmodels() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (rows, table) = (place.join("rows.csv"), place.join("models.parquet"));
    std::fs::write(&rows, new_rows()).unwrap();
    let features = ["value", "capital"];
    let expected = scores("linear", &job::grunfeld_csv(), &rows, "firm", &features, "invest", LEVEL);
    let fits = expected["models"].as_array().unwrap();
    let firms: StringArray = fits.iter().map(|fit| fit["firm"].as_str()).collect();
    let stored: Vec<(&str, Option<Vec<u8>>)> = fits
        .iter()
        .map(|fit| match fit["firm"].as_str() {
            Some("Goodyear") => ("too_few_rows", None),
            Some("US Steel") => ("ok", Some(b"no model".to_vec())),
            _ => ("ok", Some(models::linear(fit, &features).encode())),
        })
        .collect();
    models::write(&table, vec![("firm", Arc::new(firms))], &stored);

    let job = with(scoring("score", &table, &rows, &place.join("out")), "interval", json!({"level": LEVEL}));
    let scored = by_both_plans(&place, &job, "row");
    assert_eq!(scored.len(), 223);
    let (mut found, mut wanted) = (Vec::new(), Vec::new());
    for (row, expected) in scored.iter().zip(expected["predictions"].as_array().unwrap()) {
        let reason = match row["firm"].as_str() {
            Some("Goodyear") => json!("model_failed: too_few_rows"),
            Some("US Steel") => json!("model_unreadable: this is not a stored model"),
            Some("Nobody") | None => json!("no_model"),
            _ if row["capital"].is_null() => json!("missing_value: capital"),
            _ => Value::Null,
        };
        assert_eq!(row["reason"], reason, "{row:#}");
        if reason.is_null() {
            let mut expected = expected.clone();
            expected["row"] = row["row"].clone();
            found.push(row.clone());
            wanted.push(expected);
        } else {
            assert!(row["prediction"].is_null() && row["prediction_upper"].is_null(), "{row:#}");
        }
    }
    assert!(found.len() > 150);
    assert_agrees(&by_key(&found, &["row"]), &by_key(&wanted, &["row"]));

    // SQL gives the same, and more of it than the table that a job writes: nothing but the number of bounds differs.
    let sql = format!("SELECT * FROM predict('{}', '{}', {LEVEL})", table.display(), rows.display());
    assert_same(&by_key(&query(&sql), &["row"]), &by_key(&scored, &["row"]));
}

#[test]
fn the_example_scores_what_the_first_one_trains() {
    let _slots = slots::take(3);
    let place = Place::new();
    copy_examples(&place);
    run_example(&place, "grunfeld.yaml");
    run_example(&place, "score.yaml");
    let scored = read_delta(&place.join("target/demo/predictions"));
    assert_eq!(scored.len(), 11 * 10);
    let expected =
        scores("linear", &job::grunfeld_csv(), &job::grunfeld_csv(), "firm", &["value", "capital"], "invest", LEVEL);
    let text = std::fs::read_to_string(job::grunfeld_csv()).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let place_of = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (firm, year) = (place_of("firm"), place_of("year"));
    let wanted = lines.zip(expected["predictions"].as_array().unwrap()).filter_map(|(line, expected)| {
        let year = line[year].parse::<f64>().unwrap() as i64;
        let mut expected = expected.clone();
        expected["firm"] = json!(line[firm]);
        expected["year"] = json!(year);
        expected["reason"] = Value::Null;
        (year >= 1945).then_some(expected)
    });
    let wanted: Vec<Value> = wanted.collect();
    assert_agrees(&by_key(&scored, &["firm", "year"]), &by_key(&wanted, &["firm", "year"]));
}

/// Two groups whose models have other classes, and other numbers of them.
fn labelled_rows() -> String {
    let mut text = "region,a,b,label,row\n".to_owned();
    for row in 0..120_i32 {
        let (a, b) = (f64::from(row * 7 % 23) / 5.0, f64::from(row * 11 % 17) / 4.0);
        let noise = f64::from(row * 13 % 7) - 3.0;
        let (region, label) = if row % 2 == 0 {
            ("north", if a - b + noise > 0.0 { "yes" } else { "no" })
        } else {
            (
                "south",
                if a + noise > 3.0 {
                    "high"
                } else if b > 2.0 {
                    "low"
                } else {
                    "middle"
                },
            )
        };
        text += &format!("{region},{a},{b},{label},{row}\n");
    }
    text
}

/// The row with its map of probabilities as one: that reader has it as a list of pairs.
fn with_probabilities_by_class(mut row: Value) -> Value {
    let pairs = row["probabilities"].as_array().unwrap().iter();
    let map = pairs.map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone())).collect();
    row["probabilities"] = Value::Object(map);
    row
}

/// What is said of each row of a file, with the row's number.
fn numbered(said: &Value) -> Vec<Value> {
    let number = |(row, said): (usize, &Value)| {
        let mut said = said.clone();
        said["row"] = json!(row);
        said
    };
    said.as_array().unwrap().iter().enumerate().map(number).collect()
}

#[test]
fn classes_and_their_probabilities_are_those_of_scikit_learn() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (train, rows, table) = (place.join("train.csv"), place.join("rows.csv"), place.join("models.parquet"));
    let text = labelled_rows();
    std::fs::write(&train, &text).unwrap();
    std::fs::write(&rows, &text).unwrap();
    let features = ["a", "b"];
    let expected = scores("classes", &train, &rows, "region", &features, "label", LEVEL);
    let fits = expected["models"].as_array().unwrap();
    let regions: StringArray = fits.iter().map(|fit| fit["region"].as_str()).collect();
    let stored: Vec<_> = fits.iter().map(|fit| ("ok", Some(models::classes(fit, &features).encode()))).collect();
    models::write(&table, vec![("region", Arc::new(regions))], &stored);

    let job = with(scoring("classes", &table, &rows, &place.join("out")), "keep", json!(["row", "region"]));
    let scored = by_both_plans(&place, &job, "row");
    assert_eq!(scored.len(), 120);
    let classes: Vec<usize> =
        scored.iter().map(|row| row["probabilities"].as_array().or_else(|| panic!("{row:#}")).unwrap().len()).collect();
    assert!(classes.contains(&2) && classes.contains(&3));
    let found: Vec<Value> = scored.into_iter().map(with_probabilities_by_class).collect();
    let wanted = numbered(&expected["predictions"]);
    assert_agrees(&by_key(&found, &["row"]), &by_key(&wanted, &["row"]));

    let sql = format!(
        "SELECT row, probabilities['yes'] AS yes FROM predict('{}', '{}') WHERE region = 'north' AND predicted_class = 'yes'",
        table.display(),
        rows.display()
    );
    let likely = query(&sql);
    assert!(!likely.is_empty() && likely.iter().all(|row| row["yes"].as_f64().unwrap() > 0.5), "{likely:#?}");
}

#[test]
fn classes_that_a_training_learned_are_predicted_from_its_coefficients() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (table, output) = (place.join("models"), place.join("predictions"));
    let training = job::grunfeld("train", &table);
    let model = json!({"logistic": {"target": "invest > 100 AS high", "features": ["capital"]}});
    place.run(&job::with(training, "/groupedTraining/model", model)).succeeded();
    place.run(&scoring("score", &table, &job::grunfeld_csv(), &output)).succeeded();
    let models = by_key(&read_delta(&table), &["firm"]);
    let scored = read_delta(&output);
    assert_eq!(scored.len(), 220);
    let mut predicted = 0;
    for row in &scored {
        let model = &models[&json!([row["firm"]]).to_string()];
        if model["status"] != "ok" {
            let reason = format!("model_failed: {}", model["status"].as_str().unwrap());
            assert_eq!(row["reason"], reason, "{row:#}");
            continue;
        }
        predicted += 1;
        let number = |value: &Value| value.as_f64().unwrap();
        let terms = &model["coefficients"];
        let eta = number(&terms["intercept"]) + number(&terms["capital"]) * number(&row["capital"]);
        let expected = 1.0 / (1.0 + (-eta).exp());
        let pairs = row["probabilities"].as_array().unwrap();
        let share = |class: &str| number(&pairs.iter().find(|pair| pair[0] == class).unwrap()[1]);
        assert!((share("true") - expected).abs() < 1e-9 && (share("false") - 1.0 + expected).abs() < 1e-9, "{row:#}");
        assert_eq!(row["predicted_class"], if expected > 0.5 { "true" } else { "false" }, "{row:#}");
    }
    assert!(predicted > 20, "{predicted}");
}

#[test]
fn texts_that_a_training_learned_are_predicted() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (rows, table) = (place.join("rows.csv"), place.join("models"));
    std::fs::write(&rows, labelled_rows() + "north,1.0,2.0,,120\n").unwrap();
    let job = job::training("train", &rows, "region", &[], "", &table);
    let options = json!({"multinomial": true, "penalty": {"l2": {"c": 1000}}});
    let mut model = json!({"target": "label", "features": ["a", "b"]});
    model.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let job = job::with(job, "/groupedTraining/model", json!({"logistic": model}));
    let job = job::with(job, "/groupedTraining/evaluate", json!({"folds": 3}));
    place.run(&job).succeeded();
    let models = by_key(&read_delta(&table), &["region"]);
    let north = &models["[\"north\"]"];
    assert_eq!((&north["rows_used"], &north["rows_dropped"], &north["cv_rows"]), (&json!(60), &json!(1), &json!(60)));
    let train = place.join("train.csv");
    std::fs::write(&train, labelled_rows()).unwrap();
    let expected = scores("classes", &train, &rows, "region", &["a", "b"], "label", LEVEL);
    let job = with(scoring("score", &table, &rows, &place.join("out")), "keep", json!(["row", "region"]));
    let scored: Vec<Value> = by_both_plans(&place, &job, "row").into_iter().map(with_probabilities_by_class).collect();
    let wanted = numbered(&expected["predictions"]);
    assert_eq!(scored.len(), wanted.len());
    assert_agrees_within(1e-4, &by_key(&scored, &["row"]), &by_key(&wanted, &["row"]));
}

fn mean(value: f64) -> Option<Vec<u8>> {
    let estimator = Estimator::Mean(MeanModel { values: vec![value], rows: 3, sigma: Some(1.0) });
    Some(Model { target: "y".to_owned(), classes: Vec::new(), features: Vec::new(), estimator }.encode())
}

#[test]
fn missing_keys_and_those_that_are_no_number_are_groups_of_their_own() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (rows, table) = (place.join("rows.parquet"), place.join("models.parquet"));
    let keys: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.0), Some(f64::NAN), None]));
    models::write(&table, vec![("k", keys)], &[("ok", mean(1.0)), ("ok", mean(2.0)), ("ok", mean(3.0))]);
    let other_nan = f64::from_bits(0xfff8_0000_0000_0001);
    let keys = [Some(-0.0), Some(0.0), Some(other_nan), Some(f64::NAN), None, Some(7.0)];
    let columns: [(&str, ArrayRef); 2] = [
        ("k", Arc::new(Float64Array::from(keys.to_vec()))),
        ("row", Arc::new(Int64Array::from_iter_values(0..keys.len() as i64))),
    ];
    models::write_parquet(&rows, &RecordBatch::try_from_iter(columns).unwrap());
    let scored = by_both_plans(&place, &scoring("keys", &table, &rows, &place.join("out")), "row");
    let predicted: Vec<&Value> = scored.iter().map(|row| &row["prediction"]).collect();
    assert_eq!(json!(predicted), json!([1.0, 1.0, 2.0, 2.0, 3.0, null]));
    assert_eq!(scored[5]["reason"], "no_model");
    let sql = format!("SELECT prediction FROM predict('{}', '{}') ORDER BY row", table.display(), rows.display());
    let in_sql: Vec<Value> = query(&sql).iter().map(|row| row["prediction"].clone()).collect();
    assert_eq!(json!(in_sql), json!(predicted));
}

#[test]
fn what_a_training_made_of_expressions_is_scored_with_them() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (table, output) = (place.join("models"), place.join("predictions"));
    let training = job::training(
        "train",
        &job::grunfeld_csv(),
        "firm",
        &["value", "ln(capital) AS log_capital"],
        "invest",
        &table,
    );
    place.run(&training).succeeded();
    let job = scoring("score", &table, &job::grunfeld_csv(), &output);
    let job = with(job, "predictionColumn", json!("expected"));
    let job = with(job, "input/where", json!("year >= 1940"));
    place.run(&job).succeeded();
    let models = by_key(&read_delta(&table), &["firm"]);
    let scored = read_delta(&output);
    assert_eq!(scored.len(), 11 * 15);
    for row in &scored {
        let terms = &models[&json!([row["firm"]]).to_string()]["coefficients"];
        let number = |value: &Value| value.as_f64().unwrap();
        let expected = number(&terms["intercept"])
            + number(&terms["value"]) * number(&row["value"])
            + number(&terms["log_capital"]) * number(&row["capital"]).ln();
        assert!((number(&row["expected"]) - expected).abs() < 1e-9 * expected.abs().max(1.0), "{row:#} {expected}");
    }
}

#[test]
fn a_table_whose_files_came_to_have_more_columns_is_scored_as_one() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (folder, table) = (place.join("rows"), place.join("models.parquet"));
    let fit =
        json!({"intercept": 1.0, "coefficients": [2.0], "sigma": 1.0, "df": 5.0, "inverse_gram": [1.0, 0.0, 1.0]});
    let model = models::linear(&fit, &["x"]).encode();
    models::write(&table, vec![("k", Arc::new(Int64Array::from(vec![1])))], &[("ok", Some(model))]);
    // The first file is older: its keys are narrower, and it does not know `x`.
    let columns: [(&str, ArrayRef); 2] =
        [("k", Arc::new(Int32Array::from(vec![1, 1]))), ("row", Arc::new(Int64Array::from(vec![0, 1])))];
    models::write_parquet(&folder.join("1.parquet"), &RecordBatch::try_from_iter(columns).unwrap());
    let columns: [(&str, ArrayRef); 3] = [
        ("k", Arc::new(Int64Array::from(vec![1, 2]))),
        ("row", Arc::new(Int64Array::from(vec![2, 3]))),
        ("x", Arc::new(Float64Array::from(vec![3.0, 3.0]))),
    ];
    models::write_parquet(&folder.join("2.parquet"), &RecordBatch::try_from_iter(columns).unwrap());
    let scored = by_both_plans(&place, &scoring("evolved", &table, &folder, &place.join("out")), "row");
    let said: Vec<(&Value, &Value)> = scored.iter().map(|row| (&row["prediction"], &row["reason"])).collect();
    let missing = json!("missing_value: x");
    let (null, seven, none) = (Value::Null, json!(7.0), json!("no_model"));
    assert_eq!(said, [(&null, &missing), (&null, &missing), (&seven, &null), (&null, &none)]);
}

#[test]
fn rows_without_a_prediction_fail_the_job_only_where_it_says_so() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (rows, table, output) = (place.join("rows.csv"), place.join("models.parquet"), place.join("out"));
    std::fs::write(&rows, "k\n1\n2\n2\n").unwrap();
    models::write(&table, vec![("k", Arc::new(Int64Array::from(vec![1])))], &[("ok", mean(1.0))]);
    let job = scoring("failing", &table, &rows, &output);
    let strict = job::with(job.clone(), "/failurePolicy/maxFailed", json!(1));
    let failure = place.run(&strict).failed(1);
    assert_eq!(
        (&failure["reason"], &failure["location"]["fieldPath"]),
        (&json!("TooManyFailed"), &json!("spec.failurePolicy.maxFailed"))
    );
    assert!(!output.exists(), "nothing is published");
    place.run(&job).succeeded();
    assert_eq!(read_delta(&output).len(), 3);
}

#[test]
fn a_query_joins_the_models_and_hands_filters_down() {
    let _slots = slots::take(1);
    let place = Place::new();
    let (rows, table) = (place.join("rows.csv"), place.join("models.parquet"));
    std::fs::write(&rows, "k,x\n1,5\n2,6\n").unwrap();
    models::write(&table, vec![("k", Arc::new(Int64Array::from(vec![1])))], &[("ok", mean(1.0))]);
    let call = format!("predict('{}', '{}')", table.display(), rows.display());
    let plan = query(&format!("EXPLAIN SELECT k, prediction FROM {call} WHERE x > 5"));
    let logical = plan.iter().find(|row| row["plan_type"] == "logical_plan").unwrap()["plan"].as_str().unwrap();
    let place_of = |text: &str| logical.find(text).unwrap_or_else(|| panic!("{text} is not in {logical}"));
    assert!(place_of("predict(") < place_of("Right Join"), "{logical}");
    assert!(place_of("Right Join") < place_of("Filter: "), "the filter is below the join: {logical}");
    assert_eq!(logical.matches("TableScan").count(), 2, "{logical}");
    assert_eq!(logical.matches("predict(__").count(), 1, "a model is asked once: {logical}");
    let joined = query(&format!("SELECT a.prediction FROM {call} a JOIN {call} b ON a.k = b.k WHERE a.k = 1"));
    assert_eq!(joined, [json!({"prediction": 1.0})]);
}
