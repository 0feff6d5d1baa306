//! Tables of unusual shapes, by sums and by rows: every group is there, with the numbers of statsmodels.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};
use shoal_testkit::Numbers;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::oracle::{Fit, evolve_delta, read_delta, statsmodels};
use shoal_tests::table::{ByKey, assert_agrees, assert_agrees_within, by_key};
use shoal_tests::{job, slots};

use crate::place::Place;

const FEATURES: [&str; 2] = ["a", "b"];

/// A line of CSV: the key, two features and a target that they explain.
fn line(text: &mut String, key: &str, numbers: &mut Numbers) {
    let (a, b) = (numbers.between(-2.0, 2.0), numbers.between(0.0, 9.0));
    let y = 1.0 + 2.0 * a - b + numbers.between(-1.0, 1.0);
    writeln!(text, "{key},{a},{b},{y}").unwrap();
}

/// Trains by sums and by rows, and gives the models of both.
fn train(place: &Place, input: &Path, features: &[&str]) -> [ByKey; 2] {
    let _slots = slots::take(2);
    ["aggregate", "bucket"].map(|strategy| {
        let output = place.join(strategy);
        let job = job::training(strategy, input, "g", features, "y", &output);
        place.run(&job::with_strategy(job, strategy)).succeeded();
        by_key(&read_delta(&output), &["g"])
    })
}

fn by_statsmodels(table: &Path, features: &[&str]) -> ByKey {
    by_key(&statsmodels(&Fit { table, keys: &["g"], features, target: "y", every: 1 }), &["g"])
}

#[test]
fn a_group_with_half_of_all_rows_is_one_of_many() {
    const GROUPS: usize = 50;
    const ROWS: usize = 20_000;
    let (place, mut numbers) = (Place::new(), Numbers::new(5));
    let mut text = "g,a,b,y\n".to_owned();
    for row in 0..ROWS {
        let key = if row % 2 == 0 { "hot".to_owned() } else { format!("g{}", row / 2 % GROUPS) };
        line(&mut text, &key, &mut numbers);
    }
    let input = place.join("rows.csv");
    std::fs::write(&input, text).unwrap();
    let expected = by_statsmodels(&input, &FEATURES);
    assert_eq!(expected.len(), GROUPS + 1);
    for models in train(&place, &input, &FEATURES) {
        assert_eq!(models.len(), GROUPS + 1);
        assert_eq!(models[&json!(["hot"]).to_string()]["rows_used"], ROWS / 2);
        assert_agrees(&models, &expected);
    }
}

#[test]
fn a_group_with_half_of_all_rows_is_trained_by_a_task_alone() {
    const ROWS: usize = 6_000;
    let _slots = slots::take(3);
    let (place, mut numbers) = (Place::new(), Numbers::new(5));
    let mut text = "g,a,b,y\n".to_owned();
    for row in 0..ROWS {
        let key = if row % 2 == 0 { "hot".to_owned() } else { format!("g{}", row / 2 % 50) };
        line(&mut text, &key, &mut numbers);
    }
    let input = place.join("rows.csv");
    std::fs::write(&input, text).unwrap();
    let head = Head::start(&place.join("state"), &[]);
    let worker = Worker::start(&head, "only", 3, &place.join("scratch"), &[]);
    head.wait_for_workers(1);
    let [alone, together] = ["auto", "bucket"].map(|strategy| {
        let output = place.join(strategy);
        let job = job::training(strategy, &input, "g", &FEATURES, "y", &output);
        let job = job::with(job, "/groupedTraining/model/ols/standardErrors", json!("hc1"));
        let status = head.submit(&place.job(&job::with_strategy(job, strategy)), &["--wait"]).succeeded();
        let attempts = head.ask(&["show", strategy, "--attempts"]).succeeded()["attempts"].clone();
        let reduced = attempts.as_array().unwrap().iter().filter(|attempt| attempt["stage"] == "reduce");
        // What each task read, and how many models it made of it.
        let tasks: Vec<(u64, u64)> = reduced
            .map(|attempt| {
                [&attempt["took"]["rowsIn"], &attempt["took"]["rowsOut"]].map(|it| it.as_u64().unwrap()).into()
            })
            .collect();
        (by_key(&read_delta(&output), &["g"]), tasks, status["report"]["notes"].to_string())
    });
    drop(worker);
    let half = ROWS as u64 / 2;
    assert!(alone.2.contains("a group has so many rows that a task trains it alone"), "{}", alone.2);
    assert_eq!(alone.1.iter().filter(|task| **task == (half, 1)).count(), 1, "{:?}", alone.1);
    assert_eq!(alone.1.iter().map(|(_, models)| models).sum::<u64>(), 51, "{:?}", alone.1);
    assert!(together.1.iter().all(|(rows, models)| *rows < half || *models > 1), "{:?}", together.1);
    // To the last bit, stored models included.
    assert_eq!(alone.0, together.0);
}

#[test]
fn keys_of_ten_kilobytes_differ_in_their_last_letter() {
    let (place, mut numbers) = (Place::new(), Numbers::new(6));
    let long = "k".repeat(10 * 1024);
    let mut text = "g,a,b,y\n".to_owned();
    for row in 0..240 {
        let letter = char::from(b'a' + row % 8);
        line(&mut text, &format!("{long}{letter}"), &mut numbers);
    }
    let input = place.join("rows.csv");
    std::fs::write(&input, text).unwrap();
    let expected = by_statsmodels(&input, &FEATURES);
    assert_eq!(expected.len(), 8);
    for models in train(&place, &input, &FEATURES) {
        assert_eq!(models.len(), 8);
        assert_agrees(&models, &expected);
    }
}

#[test]
fn five_hundred_features_make_a_list_of_terms() {
    const COUNT: usize = 500;
    const ROWS: usize = COUNT + 30;
    let (place, mut numbers) = (Place::new(), Numbers::new(7));
    let names: Vec<String> = (0..COUNT).map(|feature| format!("x{feature}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut text = format!("g,{},y\n", names.join(","));
    for row in 0..2 * ROWS {
        let values: Vec<f64> = names.iter().map(|_| numbers.between(-1.0, 1.0)).collect();
        let y = values.iter().enumerate().map(|(at, value)| value * at as f64 / 100.0).sum::<f64>();
        let values: Vec<String> = values.iter().map(f64::to_string).collect();
        writeln!(text, "{},{},{}", row % 2, values.join(","), y + numbers.between(-1.0, 1.0)).unwrap();
    }
    let input = place.join("rows.csv");
    std::fs::write(&input, text).unwrap();
    let expected = by_statsmodels(&input, &names);
    assert_eq!(expected.len(), 2);
    for models in train(&place, &input, &names) {
        let models: ByKey = models.into_iter().map(|(key, model)| (key, with_structs(model))).collect();
        assert_eq!(models.len(), 2);
        // Of so many terms either side loses a digit or two more.
        assert_agrees_within(1e-7, &models, &expected);
    }
}

/// A model whose list of terms is turned into a struct per column, as models of few terms have them.
fn with_structs(mut model: Value) -> Value {
    let terms = model["terms"].as_array().expect("a list of terms").clone();
    for (column, of_term) in
        [("coefficients", "coefficient"), ("std_errors", "std_error"), ("t_values", "t_value"), ("p_values", "p_value")]
    {
        let values: Map<String, Value> =
            terms.iter().map(|term| (term["term"].as_str().unwrap().to_owned(), term[of_term].clone())).collect();
        model[column] = values.into();
    }
    model
}

#[test]
fn a_thousand_small_files_are_one_table() {
    const FILES: usize = 1_000;
    const GROUPS: usize = 100;
    let (place, mut numbers) = (Place::new(), Numbers::new(8));
    let folder = place.join("rows");
    std::fs::create_dir(&folder).unwrap();
    let mut all = "g,a,b,y\n".to_owned();
    for file in 0..FILES {
        let mut text = String::new();
        for row in 0..2 {
            line(&mut text, &format!("g{}", (2 * file + row) % GROUPS), &mut numbers);
        }
        all.push_str(&text);
        std::fs::write(folder.join(format!("part-{file:05}.csv")), format!("g,a,b,y\n{text}")).unwrap();
    }
    let whole = place.join("whole.csv");
    std::fs::write(&whole, all).unwrap();
    let expected = by_statsmodels(&whole, &FEATURES);
    assert_eq!(expected.len(), GROUPS);
    for models in train(&place, &folder, &FEATURES) {
        assert_eq!(models.len(), GROUPS);
        assert!(models.values().all(|model| model["rows_used"] == 2 * FILES / GROUPS), "no row is lost or read twice");
        assert_agrees(&models, &expected);
    }
}

#[test]
fn a_delta_table_that_has_changed_is_read_without_what_was_deleted_and_with_what_came_later() {
    const ROWS: usize = 6_000;
    const EVERY: usize = 7;
    let (place, mut numbers) = (Place::new(), Numbers::new(23));
    let header = "g,a,b,y\n";
    let lines: Vec<String> = (0..ROWS)
        .map(|row| {
            let mut text = String::new();
            line(&mut text, &format!("g{}", row % 11), &mut numbers);
            text
        })
        .collect();
    let csv = |name: &str, lines: Vec<&str>| {
        let file = place.join(name);
        std::fs::write(&file, format!("{header}{}", lines.concat())).unwrap();
        file
    };
    let all = csv("all.csv", lines.iter().map(String::as_str).collect());
    let table = place.join("table");
    evolve_delta(&all, &table, "b", EVERY);
    // The first half has no `b`, and of the second half a seventh is gone.
    let left: Vec<&str> =
        lines[ROWS / 2..].iter().enumerate().filter(|(row, _)| row % EVERY != 0).map(|it| it.1.as_str()).collect();
    let rows_left = left.len();
    let mut expected = by_statsmodels(&csv("left.csv", left), &FEATURES);
    assert_eq!(expected.len(), 11);
    for group in 0..11 {
        let without = (0..ROWS / 2).filter(|row| row % 11 == group).count();
        expected.get_mut(&json!([format!("g{group}")]).to_string()).unwrap()["rows_dropped"] = json!(without);
    }
    for models in train(&place, &table, &FEATURES) {
        assert_agrees(&models, &expected);
        assert_eq!(models.values().map(|model| model["rows_used"].as_u64().unwrap()).sum::<u64>(), rows_left as u64);
    }
}
