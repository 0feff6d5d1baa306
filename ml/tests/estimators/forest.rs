//! Forests against scikit-learn, and at the edges.

use serde_json::{Value, json};
use shoal_ml::FitStatus;
use shoal_ml::forest::{ForestFit, ForestOptions, fit_forest_classes, fit_forest_numbers};
use shoal_ml::metrics::{LogLoss, RegressionErrors};
use shoal_ml::trees::{Columns, Ensemble};

use crate::data::{Problem, friedman};
use crate::oracle::{ask, assert_all_close, numbers};
use crate::preorder;

fn fit_numbers(problem: &Problem, options: &ForestOptions) -> ForestFit {
    let slices = problem.slices();
    fit_forest_numbers(&Columns::new(problem.rows(), &slices), &problem.target, options)
}

fn fit_classes(problem: &Problem, classes: usize, of_rows: &[usize], options: &ForestOptions) -> ForestFit {
    let slices = problem.slices();
    fit_forest_classes(&Columns::new(problem.rows(), &slices), classes, of_rows, options)
}

fn predict(fit: &ForestFit, problem: &Problem) -> Vec<f64> {
    let slices = problem.slices();
    fit.model.as_ref().unwrap().predict(&Columns::new(problem.rows(), &slices))
}

fn ask_forest(task: &str, learn: &Problem, y: &Value, test: &Problem, options: &Value, single: bool) -> Value {
    let question = json!({
        "x": learn.columns, "y": y, "x_test": test.columns, "task": task, "options": options, "single": single,
    });
    ask("forest_sklearn.py", &question)
}

/// Fails unless the first tree is the one of the answer, but for its thresholds.
fn assert_same_tree(trees: &Ensemble, answer: &Value, what: &str) {
    let (actual, expected) = (preorder::of(trees, 0), preorder::from_oracle(&answer["trees"][0]));
    preorder::assert_same(&preorder::shape(actual), &preorder::shape(expected), 1e-9, what);
}

/// Without bootstrap and with all features a tree is a plain decision tree. Its thresholds are midway between the
/// neighbours among the node's rows there and among all rows here, so that only what they separate is the same.
#[test]
fn a_single_tree_is_that_of_scikit_learn() {
    let plain = |depth| ForestOptions {
        trees: 1,
        max_depth: Some(depth),
        bootstrap: false,
        features_per_split: Some(1.0),
        min_samples_leaf: 3,
        ..ForestOptions::default()
    };
    for (seed, depth) in [(1, 1), (2, 2), (3, 3), (4, 6)] {
        let (learn, test) = friedman(seed, 250, 1.0).split(250);
        let theirs = json!({"max_depth": depth, "min_samples_leaf": 3});
        let fit = fit_numbers(&learn, &plain(depth));
        let answer = ask_forest("numbers", &learn, &json!(learn.target), &learn, &theirs, true);
        assert_same_tree(&fit.model.unwrap().trees, &answer, &format!("numbers, depth {depth}"));
        assert_eq!(test.rows(), 0);

        // Deeper trees of classes have splits that gain the same, and which of them is taken is anyone's choice.
        let (depth, classes) = (depth.min(2), learn.classes(3));
        let theirs = json!({"max_depth": depth, "min_samples_leaf": 3});
        let fit = fit_classes(&learn, 3, &classes, &plain(depth));
        let answer = ask_forest("classes", &learn, &json!(classes), &learn, &theirs, true);
        assert_same_tree(&fit.model.unwrap().trees, &answer, &format!("classes, depth {depth}"));
    }
}

#[test]
fn forests_predict_as_well_as_those_of_scikit_learn() {
    for seed in 0..2 {
        let all = friedman(seed, 1400, 1.0);
        let (learn, test) = all.split(400);
        let (ours, theirs) = (ForestOptions { trees: 150, ..Default::default() }, json!({"n_estimators": 150}));
        let fit = fit_numbers(&learn, &ours);
        let answer = ask_forest("numbers", &learn, &json!(learn.target), &test, &theirs, false);
        let error = |predictions: &[f64]| RegressionErrors::of(&test.expected, predictions).rmse().unwrap();
        let (mine, peers) = (error(&predict(&fit, &test)), error(&numbers(&answer["predictions"])));
        assert!((mine / peers - 1.0).abs() < 0.05, "{mine} and not about {peers}");
        let (mine, peers) = (fit.out_of_bag_score.unwrap(), answer["oob"].as_f64().unwrap());
        assert!((mine - peers).abs() < 0.02, "out of bag {mine} and not about {peers}");

        for count in [2, 3] {
            let classes = all.classes(count);
            let (of_learn, of_test) = classes.split_at(400);
            let options = ForestOptions { min_samples_leaf: 3, ..ours.clone() };
            let theirs = json!({"n_estimators": 150, "min_samples_leaf": 3});
            let fit = fit_classes(&learn, count, of_learn, &options);
            let answer = ask_forest("classes", &learn, &json!(of_learn), &test, &theirs, false);
            let loss = |shares: &[f64]| LogLoss::of(count, of_test, shares).mean().unwrap();
            let (mine, peers) = (loss(&predict(&fit, &test)), loss(&numbers(&answer["predictions"])));
            assert!((mine / peers - 1.0).abs() < 0.05, "{mine} and not about {peers}");
            let (mine, peers) = (fit.out_of_bag_score.unwrap(), answer["oob"].as_f64().unwrap());
            assert!((mine - peers).abs() < 0.03, "out of bag {mine} and not about {peers}");
        }
    }
}

#[test]
fn a_forest_follows_from_its_seed() {
    let problem = friedman(3, 120, 1.0);
    let fit = |seed| fit_numbers(&problem, &ForestOptions { trees: 5, seed, ..Default::default() });
    assert_eq!(fit(1), fit(1));
    assert_ne!(fit(1), fit(2));
}

#[test]
fn tiny_groups_are_said_not_failed() {
    let defaults = ForestOptions::default();
    let empty = fit_forest_numbers(&Columns::new(0, &[&[]]), &[], &defaults);
    assert_eq!((empty.status, empty.model), (FitStatus::TooFewRows, None));
    assert_eq!(fit_forest_classes(&Columns::new(0, &[]), 2, &[], &defaults).status, FitStatus::TooFewRows);

    let one: [&[f64]; 1] = [&[f64::NAN]];
    let one = Columns::new(1, &one);
    let fit = fit_forest_numbers(&one, &[1e12 + 0.1], &defaults);
    assert_eq!((fit.status, fit.out_of_bag_score), (FitStatus::Ok, None));
    assert_all_close(&fit.model.unwrap().predict(&one), &[1e12 + 0.1], 1e-14);
    for target in [f64::NAN, f64::INFINITY, 1e300] {
        let two: [&[f64]; 1] = [&[0.0, 1.0]];
        let fit = fit_forest_numbers(&Columns::new(2, &two), &[0.0, target], &defaults);
        assert_eq!(fit.status, FitStatus::NonFinite);
    }
    let bare =
        fit_forest_classes(&Columns::new(4, &[]), 3, &[0, 0, 2, 0], &ForestOptions { bootstrap: false, ..defaults });
    assert_eq!(bare.model.unwrap().predict(&Columns::new(1, &[])), [0.75, 0.0, 0.25]);
    assert_eq!(bare.out_of_bag_score, None);
}

#[test]
fn each_option_outside_its_range_is_named() {
    let defaults = ForestOptions::default;
    assert_eq!(defaults().check(), Ok(()));
    let wrong = [
        ForestOptions { trees: 0, ..defaults() },
        ForestOptions { max_depth: Some(0), ..defaults() },
        ForestOptions { max_leaves: Some(1), ..defaults() },
        ForestOptions { min_samples_leaf: 0, ..defaults() },
        ForestOptions { features_per_split: Some(f64::NAN), ..defaults() },
        ForestOptions { max_bins: 1, ..defaults() },
    ];
    let named: Vec<&str> = wrong.iter().map(|options| options.check().unwrap_err().option).collect();
    assert_eq!(named, ["trees", "max_depth", "max_leaves", "min_samples_leaf", "features_per_split", "max_bins"]);
}
