//! Grunfeld's firms: the numbers are those of statsmodels, and readers other than ours see the table that ours sees.

use std::path::{Path, PathBuf};

use serde_json::Value;
use shoal_tests::delta_log::{commits, times_committed};
use shoal_tests::oracle::{Fit, read_delta, statsmodels, write_delta};
use shoal_tests::process::Process;
use shoal_tests::table::{assert_agrees, assert_same, by_key};
use shoal_tests::{job, slots, workspace};

use crate::place::{Place, query};

fn grunfeld_by_statsmodels() -> Vec<Value> {
    let fit = Fit {
        table: &job::grunfeld_csv(),
        keys: &["firm"],
        features: &["value", "capital"],
        target: "invest",
        every: 1,
    };
    let fits = statsmodels(&fit);
    assert_eq!(fits.len(), 11);
    fits
}

/// Checks all that a good run of Grunfeld leaves behind.
fn assert_good(status: &Value, table: &Path) {
    assert_eq!(status["phase"], "Succeeded", "{status:#}");
    assert_eq!(status["outputs"][0]["rows"], 11, "{status:#}");
    assert_eq!(status["report"]["counters"]["groupsOk"], 11, "{status:#}");

    let rows = read_delta(table);
    let models = by_key(&rows, &["firm"]);
    assert_eq!(models.len(), 11);
    assert!(rows.iter().all(|row| row["status"] == "ok" && row["rows_used"] == 20 && row["rows_dropped"] == 0));
    assert_agrees(&models, &by_key(&grunfeld_by_statsmodels(), &["firm"]));

    let ours = query(&format!("SELECT * FROM '{}'", table.display()));
    assert_same(&by_key(&ours, &["firm"]), &models);

    let uid = status["uid"].as_str().unwrap();
    assert_eq!(commits(table).len(), 1, "one commit makes the table");
    assert_eq!(times_committed(table, &format!("shoal/{uid}")), 1);
}

fn agrees_with(strategy: &str) {
    let _slots = slots::take(3);
    let place = Place::new();
    let output = place.join("models");
    let job = job::with_strategy(job::grunfeld("grunfeld", &output), strategy);
    let status = place.run(&job).succeeded();
    assert_good(&status, &output);
    let notes = status["report"]["notes"].to_string();
    assert!(notes.contains("strategy"), "the report says why: {notes}");
}

#[test]
fn grunfeld_agrees_with_statsmodels_by_aggregates() {
    agrees_with("aggregate");
}

#[test]
fn grunfeld_agrees_with_statsmodels_by_buckets() {
    agrees_with("bucket");
}

/// A copy of the examples, since their outputs lie outside of their folder.
pub(crate) fn copy_examples(place: &Place) -> PathBuf {
    for file in workspace::files().iter().filter(|file| file.starts_with("examples")) {
        let copy = place.join(file.to_str().unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(workspace::root().join(file), copy).unwrap();
    }
    place.join("examples")
}

pub(crate) fn run_example(place: &Place, name: &str) -> Value {
    let file = place.join("examples").join(name);
    Process::start(&mut place.run_command(&file)).finish().succeeded()
}

#[test]
fn the_first_example_runs_as_it_stands_and_again() {
    let _slots = slots::take(3);
    let place = Place::new();
    copy_examples(&place);
    let status = run_example(&place, "grunfeld.yaml");
    assert_good(&status, &place.join("target/demo/models"));
    let again = run_example(&place, "grunfeld.yaml");
    assert_ne!(again["uid"], status["uid"], "a run is a submission of its own");
    assert_eq!(read_delta(&place.join("target/demo/models")).len(), 11, "it overwrites");
}

#[test]
fn the_second_example_agrees_with_statsmodels_on_logarithms() {
    let _slots = slots::take(3);
    let place = Place::new();
    copy_examples(&place);
    // What the job says in SQL, said in Rust.
    let text = std::fs::read_to_string(job::grunfeld_csv()).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let mut logarithms = "firm,log_value,log_capital,log_invest\n".to_owned();
    for line in lines {
        let at = |name: &str| line[header.iter().position(|column| *column == name).unwrap()];
        let ln = |name: &str| at(name).parse::<f64>().unwrap().ln();
        if at("year").parse::<f64>().unwrap() >= 1945.0 {
            logarithms += &format!("{},{},{},{}\n", at("firm"), ln("value"), ln("capital"), ln("invest"));
        }
    }
    let table = place.join("logarithms.csv");
    std::fs::write(&table, logarithms).unwrap();
    let features = ["log_value", "log_capital"];
    let fits =
        statsmodels(&Fit { table: &table, keys: &["firm"], features: &features, target: "log_invest", every: 1 });
    assert_eq!(fits.len(), 11);

    run_example(&place, "grunfeld-postwar.yaml");
    let output = place.join("target/demo/postwar");
    assert_agrees(&by_key(&read_delta(&output), &["firm"]), &by_key(&fits, &["firm"]));
    run_example(&place, "grunfeld-postwar.yaml");
    assert_eq!(read_delta(&output).len(), 22, "it appends");
}

#[test]
fn examples_of_other_models_run_as_they_stand() {
    let _slots = slots::take(3);
    let place = Place::new();
    copy_examples(&place);
    for (name, firms) in [("high-years", 5), ("boosting", 11)] {
        run_example(&place, &format!("{name}.yaml"));
        let rows = read_delta(&place.join(&format!("target/demo/{name}")));
        let are_good = rows.iter().all(|row| row["status"] == "ok" && row["model"].is_string());
        assert!(rows.len() == firms && are_good, "{name}: {rows:#?}");
    }
}

#[test]
fn every_example_is_tested() {
    let examples = workspace::files_with_extension("yaml");
    let known = ["grunfeld.yaml", "grunfeld-postwar.yaml", "high-years.yaml", "boosting.yaml", "score.yaml"]
        .map(|name| Path::new("examples").join(name));
    // Those are run in pods, by a suite of its own.
    let in_pods = ["cluster.yaml", "grunfeld.yaml", "grunfeld-own-cluster.yaml", "python-cluster.yaml", "python.yaml"]
        .map(|name| Path::new("examples/kubernetes").join(name));
    let in_python = ["ols.yaml", "pipeline.yaml", "predict.yaml", "growth.yaml", "decades.yaml", "trend.yaml"]
        .map(|name| Path::new("examples/python").join(name));
    let is_known = |file: &PathBuf| known.contains(file) || in_pods.contains(file) || in_python.contains(file);
    let unknown: Vec<&PathBuf> =
        examples.iter().filter(|file| file.starts_with("examples") && !is_known(file)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_rank_deficient_group_keeps_what_can_be_estimated() {
    let _slots = slots::take(3);
    let place = Place::new();
    let output = place.join("models");
    let job = job::grunfeld("deficient", &output);
    let features = serde_json::json!(["value", "capital", "2 * value + 1 AS twice"]);
    let job = job::with(job, "/groupedTraining/model/ols/features", features);
    assert_eq!(place.run(&job).succeeded()["report"]["counters"]["groupsFailed"], 11);
    let models = by_key(&read_delta(&output), &["firm"]);
    for (firm, model) in &models {
        assert_eq!(model["status"], "rank_deficient", "{firm}");
        assert!(model["message"].as_str().is_some_and(|message| message.contains("twice")), "{model:#}");
        assert_eq!(model["coefficients"]["twice"], Value::Null, "{model:#}");
    }
    // What is left is the model without the feature that adds nothing.
    let kept: Vec<Value> = grunfeld_by_statsmodels();
    assert_agrees(&models, &by_key(&kept, &["firm"]));
}

#[test]
fn a_version_of_a_partitioned_delta_table_is_read_as_it_was() {
    let _slots = slots::take(3);
    let place = Place::new();
    let (table, output) = (place.join("table"), place.join("models"));
    // Version 0 is Grunfeld's data; version 1 adds what would change every number.
    write_delta(&job::grunfeld_csv(), &table, "firm");
    let job = job::training("partitioned", &table, "firm", &["value", "capital"], "invest", &output);
    let job = job::with(job, "/groupedTraining/input/version", serde_json::json!(0));
    assert_good(&place.run(&job).succeeded(), &output);
}
