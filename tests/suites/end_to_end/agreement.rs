//! Grunfeld's firms: the numbers are those of statsmodels, and readers other than ours see the table that ours sees.

use std::path::Path;

use serde_json::Value;
use shoal_tests::delta_log::{commits, times_committed};
use shoal_tests::oracle::{Fit, read_delta, statsmodels};
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

#[test]
fn the_first_example_runs_as_it_stands() {
    let _slots = slots::take(3);
    // A copy, since its output lies outside of its folder.
    let place = Place::new();
    let examples = place.join("examples");
    std::fs::create_dir_all(examples.join("data")).unwrap();
    for file in ["grunfeld.yaml", "data/grunfeld.csv"] {
        std::fs::copy(workspace::root().join("examples").join(file), examples.join(file)).unwrap();
    }
    let mut command = place.run_command(&examples.join("grunfeld.yaml"));
    let status = shoal_tests::process::Process::start(&mut command).finish().succeeded();
    assert_good(&status, &place.join("target/demo/models"));
    // The same job again is the same job, and says so with the same answer.
    let mut command = place.run_command(&examples.join("grunfeld.yaml"));
    let again = shoal_tests::process::Process::start(&mut command).finish().succeeded();
    assert_eq!(again["phase"], "Succeeded");
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
