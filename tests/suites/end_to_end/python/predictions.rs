//! A function predicts with what another one returned in the training, and whatever it does costs the rows of its group alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shoal_testkit::python;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::oracle::{pipelines, read_delta};
use shoal_tests::process::{Finished, Process};
use shoal_tests::table::{assert_agrees, assert_same, by_key};
use shoal_tests::{job as jobs, shoal, slots};

use super::{FIRMS, YEARS, firms, job, member, run_here, with_packages};
use crate::agreement::{copy_examples, run_example};
use crate::place::Place;
use crate::scoring::{scoring, with};

/// Trains on all firms but one, and fails for another: `model` has the firm's name, pickled, and `scale` is 10.
fn train(place: &Place) -> PathBuf {
    let code = "import pickle\n\ndef fit(group, key):\n    if key.firm == 'firm 5':\n        raise ValueError('no')\n    \
                return {'model': pickle.dumps(key.firm), 'scale': 10.0}\n";
    let models = place.join("models");
    let mut job = job("models", &firms(place), code, &models);
    let returns = json!([{"name": "model", "type": "binary"}, {"name": "scale", "type": "float64"}]);
    job = jobs::with(job, &member("returns"), returns);
    job = jobs::with(job, "/groupedTraining/input/where", json!("firm <> 'firm 3'"));
    run_here(place, &job, &[]).succeeded();
    models
}

/// A job that predicts with that code for each row of firms.
fn predicting(place: &Place, models: &Path, code: &str) -> Value {
    let job = scoring("predicting", models, &place.join("firms.csv"), &place.join("out"));
    let job = with(job, "output/mode", json!("overwrite"));
    with(job, "python", json!({"code": code, "environment": {"interpreter": python()}}))
}

/// A function that does that in one firm, and is right in all others.
fn in_firm_7(line: &str) -> String {
    format!(
        "import os, pickle, signal, sys, time\n\ndef predict(model, group, key, params):\n    \
         assert pickle.loads(model['model']) == key.firm and set(group['firm']) == {{key.firm}}\n    \
         if key.firm == 'firm 7':\n        {line}\n    return group['x'] * model['scale']\n"
    )
}

/// Every row is there, and has its prediction or why there is none: the reason of firm 7, or none where it has predictions.
fn assert_rows(table: &Path, firm_7: Option<&str>) -> Vec<Value> {
    let rows = read_delta(table);
    assert_eq!(rows.len(), FIRMS * YEARS);
    let mut of_firms: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        let firm = row["firm"].as_str().unwrap();
        *of_firms.entry(firm).or_default() += 1;
        let reason = match firm {
            "firm 3" => Some("no_model"),
            "firm 5" => Some("model_failed: raised"),
            "firm 7" => firm_7,
            _ => None,
        };
        let said = row["reason"].as_str();
        match reason {
            None => {
                let expected = row["x"].as_f64().unwrap() * 10.0;
                assert_eq!(
                    (said, &row["prediction"], &row["trace"]),
                    (None, &json!(expected), &Value::Null),
                    "{row:#}"
                );
            }
            Some(reason) => {
                assert!(
                    row["prediction"].is_null() && said.is_some_and(|said| said.starts_with(reason)),
                    "{reason}: {row:#}"
                );
            }
        }
    }
    assert!(of_firms.len() == FIRMS && of_firms.values().all(|rows| *rows == YEARS), "{of_firms:?}");
    rows
}

/// Runs a function that does that in one firm, of whose rows that must be the reason. All others must be right.
fn costs_one_group(place: &Place, models: &Path, line: &str, changes: &[(&str, Value)], reason: &str) -> Vec<Value> {
    let mut job = predicting(place, models, &in_firm_7(line));
    for (name, value) in changes {
        job = with(job, &format!("python/{name}"), value.clone());
    }
    let status = run_here(place, &job, &[]).succeeded();
    let counters = &status["report"]["counters"];
    let (ok, failed) = (json!((FIRMS - 3) * YEARS), json!(3 * YEARS));
    assert_eq!((&counters["groupsOk"], &counters["groupsFailed"]), (&ok, &failed), "{line}: {status:#}");
    let mut rows = assert_rows(&place.join("out"), Some(reason));
    rows.retain(|row| row["firm"] == "firm 7");
    rows
}

#[test]
fn pickled_pipelines_predict_what_those_of_scikit_learn_do() {
    let _slots = slots::take(5);
    let place = Place::new();
    copy_examples(&place);
    for name in ["pipeline", "predict"] {
        let mut command = place.run_command(&place.join("examples/python").join(format!("{name}.yaml")));
        let status = Process::start(with_packages(&mut command)).finish().succeeded();
        if name == "predict" {
            let stages = status["report"]["stages"].as_array().unwrap();
            let stages: Vec<&str> = stages.iter().map(|stage| stage["name"].as_str().unwrap()).collect();
            assert_eq!(stages, ["load", "deal", "predict"], "{status:#}");
            assert_eq!((&status["progress"]["unit"], &status["outputs"][0]["rows"]), (&json!("rows"), &json!(110)));
        }
    }
    let mut rows = read_delta(&place.join("target/demo/python-predict"));
    for row in &mut rows {
        let row = row.as_object_mut().unwrap();
        assert_eq!((row.remove("reason"), row.remove("trace")), (Some(Value::Null), Some(Value::Null)));
    }
    let expected = pipelines(&jobs::grunfeld_csv(), 1945);
    assert_eq!((rows.len(), expected.len()), (110, 110));
    assert_agrees(&by_key(&rows, &["firm", "year"]), &by_key(&expected, &["firm", "year"]));
}

#[test]
fn what_a_group_does_costs_its_own_rows() {
    let _slots = slots::take(2);
    let place = Place::new();
    let models = train(&place);
    let rows = costs_one_group(&place, &models, "raise ValueError('not today')", &[], "raised: ValueError: not today");
    let trace = "inline.py:6 in predict: raise ValueError('not today')";
    assert!(rows.iter().all(|row| row["trace"] == trace), "{rows:#?}");
    for (line, reason) in [
        ("return [1.0]", "wrong_return: the function returns 1 values of `prediction`, where the group has 5 rows"),
        ("return 5.0", "wrong_return: the function returns a float, where a value for each of the group's 5 rows"),
        ("return ['a'] * len(group)", "wrong_return: `prediction` is declared as double"),
        ("return group['x'][::-1]", "wrong_return: the function returns rows in another order than the group's"),
        ("return", "wrong_return: the function returns nothing"),
        ("os._exit(7)", "process_died: the function's process ended with exit code 7"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "process_died: the function's process was ended by SIGSEGV"),
    ] {
        costs_one_group(&place, &models, line, &[], reason);
    }
}

#[test]
fn limits_are_those_of_each_group() {
    let _slots = slots::take(2);
    let place = Place::new();
    let models = train(&place);
    let limit = [("groupTimeout", json!("1s"))];
    costs_one_group(&place, &models, "time.sleep(600)", &limit, "timed_out: the function's process was killed");
    let limit = [("processMemoryLimit", json!("300Mi"))];
    let line = "eaten = b'x' * (500 << 20); time.sleep(600)";
    costs_one_group(&place, &models, line, &limit, "out_of_memory: the function's process was killed");
    let job = predicting(&place, &models, &in_firm_7("os._exit(7)"));
    let failure = run_here(&place, &jobs::with(job, "/failurePolicy/maxProcessDeaths", json!(0)), &[]).failed(2);
    assert_eq!(
        (&failure["reason"], &failure["location"]["group"]),
        (&json!("ProcessesKeepDying"), &json!("firm=firm 7"))
    );
}

#[test]
fn a_function_gets_each_frame_its_parameters_and_the_columns_that_are_named() {
    let _slots = slots::take(2);
    let place = Place::new();
    let models = train(&place);
    for (frame, values) in [
        ("pandas", "group['x']"),
        ("polars", "group['x']"),
        ("arrow", "group.column('x').to_numpy()"),
        ("numpy", "group['x']"),
    ] {
        let names = if frame == "arrow" { "group.schema.names" } else { "list(group)" };
        let names = if frame == "polars" { "group.columns" } else { names };
        let code = format!(
            "def predict(model, group, key, params):\n    assert {names} == ['x']\n    \
             return {{'high': {values} * params['by'], 'low': {values} * model['scale'], 'who': [key.firm] * len({values})}}\n"
        );
        let mut job = predicting(&place, &models, &code);
        let number = |name: &str| json!({"name": name, "type": "float64"});
        let returns = json!([number("low"), number("high"), {"name": "who", "type": "string"}]);
        for (name, value) in
            [("frame", json!(frame)), ("columns", json!(["x"])), ("params", json!({"by": 3})), ("returns", returns)]
        {
            job = with(job, &format!("python/{name}"), value);
        }
        // The output has a column that the function does not see, and not the one that it sees.
        run_here(&place, &with(job, "keep", json!(["year", "firm"])), &[]).succeeded();
        let rows = by_key(&read_delta(&place.join("out")), &["firm", "year"]);
        let expected: Vec<Value> = (0..FIRMS * YEARS)
            .map(|row| {
                let (firm, year) = (row % FIRMS, row / FIRMS);
                let reason = match firm {
                    3 => json!("no_model"),
                    5 => json!("model_failed: raised"),
                    _ => Value::Null,
                };
                let is_there = reason.is_null();
                let of = |value: Value| if is_there { value } else { Value::Null };
                let firm = format!("firm {firm}");
                json!({
                    "year": year, "firm": firm, "low": of(json!(row as f64 * 10.0)), "high": of(json!(row as f64 * 3.0)),
                    "who": of(json!(firm)), "reason": reason, "trace": null,
                })
            })
            .collect();
        assert_same(&rows, &by_key(&expected, &["firm", "year"]));
    }
}

#[test]
fn models_of_our_own_predict_in_python_what_they_predict_themselves() {
    let _slots = slots::take(5);
    let place = Place::new();
    copy_examples(&place);
    run_example(&place, "grunfeld.yaml");
    let models = place.join("target/demo/models");
    let rows = jobs::grunfeld_csv();
    let by_itself = scoring("itself", &models, &rows, &place.join("itself"));
    place.run(&by_itself).succeeded();
    let code = "def predict(model, group):\n    by = model['coefficients']\n    \
                return by['intercept'] + by['value'] * group['value'] + by['capital'] * group['capital']\n";
    let in_python = scoring("in-python", &models, &rows, &place.join("in-python"));
    let function = json!({"code": code, "environment": {"interpreter": python()}});
    place.run(&with(in_python, "python", function)).succeeded();
    let mut found = read_delta(&place.join("in-python"));
    for row in &mut found {
        row.as_object_mut().unwrap().remove("trace");
    }
    let expected = read_delta(&place.join("itself"));
    assert_eq!((found.len(), expected.len()), (220, 220));
    assert_agrees(&by_key(&found, &["firm", "year"]), &by_key(&expected, &["firm", "year"]));
}

#[test]
fn what_it_prints_and_counts_is_told_with_its_group() {
    let _slots = slots::take(3);
    let place = Place::new();
    let models = train(&place);
    let line = "print('printed'); from shoal import context; context().counter('rows').add(len(group))";
    let job = predicting(&place, &models, &in_firm_7(line));
    let head = Head::start(&place.join("state-of-head"), &[]);
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    let status = head.submit(&place.job(&job), &["--wait"]).succeeded();
    assert_eq!(status["report"]["counters"]["functionCounters"], json!({"rows": YEARS}), "{status:#}");
    assert_rows(&place.join("out"), None);
    let log = head.ask(&["logs", "predicting"]).succeeded();
    let lines = log["lines"].as_array().unwrap().iter().filter_map(|line| line["text"].as_str());
    let said: Vec<&str> = lines.filter(|line| line.contains("printed")).collect();
    assert!(said.len() == 1 && said[0].contains("group=\"firm 7\""), "{said:?}");
}

#[test]
fn groups_that_are_spilled_or_too_large_keep_their_rows() {
    let _slots = slots::take(2);
    let place = Place::new();
    let models = train(&place);
    // One firm has nearly all rows, and more than a quarter of the memory.
    let text = "a text that is long enough for its group to be large".repeat(4);
    let row = |row: usize| format!("firm {},{row},{text}\n", if row.is_multiple_of(50) { row / 50 % 40 } else { 9 });
    let rows: String = (0..160_000).map(row).collect();
    std::fs::write(place.join("firms.csv"), format!("firm,x,text\n{rows}")).unwrap();
    let job = with(predicting(&place, &models, &in_firm_7("pass")), "keep", json!(["firm", "x"]));
    let job = with(job, "strategy", json!({"bucket": {"buckets": 1}}));
    run_here(&place, &job, &["--memory", "128MiB"]).succeeded();
    let rows = read_delta(&place.join("out"));
    assert_eq!(rows.len(), 160_000);
    let mut seen = vec![false; rows.len()];
    for row in &rows {
        let x = row["x"].as_f64().unwrap();
        assert!(!std::mem::replace(&mut seen[x as usize], true), "{row:#}");
        let reason = match row["firm"].as_str().unwrap() {
            "firm 3" => json!("no_model"),
            "firm 5" => json!("model_failed: raised"),
            "firm 9" => json!("group_too_large: the group has more rows than fit into the memory of a task"),
            _ => Value::Null,
        };
        let expected = if reason.is_null() { json!(x * 10.0) } else { Value::Null };
        assert_eq!((&row["reason"], &row["prediction"]), (&reason, &expected), "{row:#}");
    }
}

/// What must be said: the reason, the field, and a part of the message.
fn refused(finished: &Finished, (reason, field, message): (&str, &str, &str)) -> Value {
    let failure = finished.failed(2);
    assert_eq!(failure["reason"], reason, "{message}: {failure:#}");
    assert_eq!(failure["location"]["fieldPath"], format!("spec.groupedScoring.{field}"), "{failure:#}");
    assert!(failure["message"].as_str().is_some_and(|said| said.contains(message)), "{message}: {failure:#}");
    assert!(failure["next"].is_string(), "{failure:#}");
    failure
}

#[test]
fn what_is_wrong_shows_before_a_row_is_read() {
    let _slots = slots::take(2);
    let place = Place::new();
    let models = train(&place);
    let good = predicting(&place, &models, &in_firm_7("pass"));
    let run = |job: &Value| run_here(&place, job, &[]);
    for (code, line, message) in [
        ("def predit(model, group):\n    pass\n", None, "has no function `predict`; did you mean `predit`?"),
        (
            "\ndef predict(group):\n    pass\n",
            Some(2),
            "`predict(group)` cannot be called as `predict(model, group, key, params)`",
        ),
        ("def predict(model, group):\n  return [\n", Some(2), "SyntaxError"),
        (
            "from typing import Iterator\ndef predict(model, group: Iterator[object]):\n    pass\n",
            Some(2),
            "a function that predicts gets all rows of its group at once",
        ),
    ] {
        let job = with(good.clone(), "python/code", json!(code));
        let failure = refused(&run(&job), ("InvalidFunction", "python.function", message));
        assert_eq!(failure["location"]["line"].as_u64(), line, "{failure:#}");
    }
    let of_file = json!({"file": "nowhere.py", "environment": {"interpreter": python()}});
    refused(&run(&with(good.clone(), "python", of_file)), ("InvalidFunction", "python.file", "there is no such file"));
    let interpreter = json!({"interpreter": "/nowhere/python"});
    let job = with(good.clone(), "python/environment", interpreter);
    refused(&run(&job), ("InvalidEnvironment", "python.environment", "there is no `/nowhere/python`"));
    let job = with(good.clone(), "python/environment", json!({"requirements": "nowhere.txt"}));
    refused(&run(&job), ("InvalidEnvironment", "python.environment.requirements", "there is no such file"));
    let job = with(good.clone(), "python/columns", json!(["firm", "z"]));
    refused(&run(&job), ("ColumnNotFound", "python.columns[1]", "z"));
    for (name, message) in
        [("X", "a column of the input"), ("reason", "one of the output's own columns"), ("a b", "no space")]
    {
        let job = with(good.clone(), "python/returns", json!([{"name": name, "type": "float64"}]));
        refused(&run(&job), ("InvalidName", "python.returns[0].name", message));
    }
    let job = with(good.clone(), "models/table", json!(place.join("firms.csv")));
    refused(&run(&job), ("TableUnreadable", "models.table", "this is no table of models"));
    assert!(!place.join("out").exists(), "nothing is published");

    // Without a function such models cannot predict, and the next step says what can.
    let mut job = good.clone();
    job["spec"]["groupedScoring"].as_object_mut().unwrap().remove("python");
    let failure = run(&job).failed(2);
    assert_eq!(failure["location"]["fieldPath"], "spec.groupedScoring.models.table", "{failure:#}");
    let mut command = shoal::command(["run", "--dry-run", "--output", "json"]);
    let dry = Process::start(command.arg(place.job(&good))).finish();
    refused_dry_run(&dry);
}

fn refused_dry_run(finished: &Finished) {
    let failure = finished.failed(2);
    assert_eq!(failure["message"], "a job of kind `groupedScoring` has no dry run", "{failure:#}");
}

#[test]
fn models_of_which_two_are_of_one_group_are_refused() {
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "def fit(group):\n    return group[['x']].rename(columns={'x': 'n'})\n";
    let models = place.join("models");
    let mut training = job("twins", &firms(&place), code, &models);
    training = jobs::with(training, &member("returns"), json!([{"name": "n", "type": "float64"}]));
    run_here(&place, &training, &[]).succeeded();
    let job = predicting(&place, &models, "def predict(model, group):\n    return group['x']\n");
    let failure = run_here(&place, &job, &[]).failed(2);
    assert_eq!(
        (&failure["reason"], &failure["location"]["fieldPath"]),
        (&json!("DuplicateName"), &json!("spec.groupedScoring.models.table"))
    );
    assert!(failure["location"]["group"].as_str().is_some_and(|group| group.starts_with("firm=firm ")), "{failure:#}");
}

#[test]
fn a_pickle_of_a_class_of_the_file_is_found_again() {
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "import pickle\n\nclass Scale:\n    def __init__(self, by):\n        self.by = by\n\n\
                def fit(group):\n    return {'model': pickle.dumps(Scale(len(group)))}\n\n\
                def predict(model, group):\n    return group['x'] * pickle.loads(model['model']).by\n";
    std::fs::write(place.join("scales.py"), code).unwrap();
    let models = place.join("models");
    let function = json!({"file": "scales.py", "environment": {"interpreter": python()}});
    let mut training = job("scales", &firms(&place), "", &models);
    let mut fitting = function.clone();
    fitting["returns"] = json!([{"name": "model", "type": "binary"}]);
    training = jobs::with(training, "/groupedTraining/model/python", fitting);
    run_here(&place, &training, &[]).succeeded();
    let job = scoring("scaled", &models, &place.join("firms.csv"), &place.join("out"));
    run_here(&place, &with(job, "python", function), &[]).succeeded();
    let rows = read_delta(&place.join("out"));
    assert_eq!(rows.len(), FIRMS * YEARS);
    for row in rows {
        assert_eq!(row["prediction"].as_f64(), row["x"].as_f64().map(|x| x * YEARS as f64), "{row:#}");
    }
}
