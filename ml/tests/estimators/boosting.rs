//! Boosting against scikit-learn's HistGradientBoosting, and at the edges.

use serde_json::{Value, json};
use shoal_ml::FitStatus;
use shoal_ml::boosting::{
    BoostingFit, BoostingOptions, EarlyStopping, NumberLoss, fit_boosted_classes, fit_boosted_numbers,
};
use shoal_ml::metrics::{LogLoss, RegressionErrors};
use shoal_ml::trees::Columns;

use crate::data::{Problem, friedman, with_missing};
use crate::oracle::{ask, assert_all_close, numbers};
use crate::preorder;

/// What the user would write, for both sides.
fn options(
    rounds: usize,
    depth: Option<usize>,
    leaves: Option<usize>,
    min_leaf: usize,
    l2: f64,
) -> (BoostingOptions, Value) {
    let ours = BoostingOptions {
        rounds,
        max_depth: depth,
        max_leaves: leaves,
        min_samples_leaf: min_leaf,
        l2,
        ..BoostingOptions::default()
    };
    let theirs = json!({
        "max_iter": rounds, "max_depth": depth, "max_leaf_nodes": leaves, "min_samples_leaf": min_leaf,
        "l2_regularization": l2, "learning_rate": ours.learning_rate,
    });
    (ours, theirs)
}

fn fit_numbers(problem: &Problem, loss: NumberLoss, options: &BoostingOptions) -> BoostingFit {
    let slices = problem.slices();
    fit_boosted_numbers(&Columns::new(problem.rows(), &slices), &problem.target, loss, options)
}

fn fit_classes(problem: &Problem, classes: usize, of_rows: &[usize], options: &BoostingOptions) -> BoostingFit {
    let slices = problem.slices();
    fit_boosted_classes(&Columns::new(problem.rows(), &slices), classes, of_rows, options)
}

fn predict(fit: &BoostingFit, problem: &Problem) -> Vec<f64> {
    let slices = problem.slices();
    fit.model.as_ref().unwrap().predict(&Columns::new(problem.rows(), &slices))
}

fn ask_boosting(task: &str, learn: &Problem, y: &Value, test: &Problem, options: &Value) -> Value {
    let question = json!({"x": learn.columns, "y": y, "x_test": test.columns, "task": task, "options": options});
    ask("boosting_sklearn.py", &question)
}

/// Every value has a bin of its own, so that the trees have to be the same, node by node.
#[test]
fn small_problems_give_the_trees_of_scikit_learn() {
    let settings = [
        (1, Some(1), None, 1, 0.0),
        (1, Some(2), None, 5, 0.0),
        (1, Some(3), None, 5, 2.5),
        (5, Some(3), None, 10, 0.5),
        (5, None, Some(6), 8, 0.0),
    ];
    for (seed, (rounds, depth, leaves, min_leaf, l2)) in settings.into_iter().enumerate() {
        let (ours, theirs) = options(rounds, depth, leaves, min_leaf, l2);
        for missing in [0.0, 0.15] {
            let (learn, test) = with_missing(friedman(seed as u64, 300, 1.0), 9, missing).split(200);
            let fit = fit_numbers(&learn, NumberLoss::SquaredError, &ours);
            // With missing values the trees agree on the rows that they were grown on.
            let test = if missing > 0.0 { &learn } else { &test };
            let answer = ask_boosting("squared_error", &learn, &json!(learn.target), test, &theirs);
            let model = fit.model.as_ref().unwrap();
            let trees = answer["trees"].as_array().unwrap();
            assert_eq!(model.trees.len(), trees.len());
            for (place, tree) in trees.iter().enumerate() {
                let what = format!("setting {seed}, missing {missing}, tree {place}");
                let (mut actual, mut expected) = (preorder::of(&model.trees, place), preorder::from_oracle(tree));
                if missing > 0.0 {
                    // A threshold may lie anywhere between two neighbours of the node, and a missing value may go anywhere
                    // where the node has none: scikit-learn's choice hangs on which way it looked first.
                    (actual, expected) = (preorder::shape(actual), preorder::shape(expected));
                }
                preorder::assert_same(&actual, &expected, 1e-5, &what);
            }
            assert_all_close(&predict(&fit, test), &numbers(&answer["predictions"]), 1e-5);
        }
    }
}

/// Many rows to a bin, so that nodes have the histograms that their siblings leave of their parents'.
#[test]
fn coarse_values_give_the_trees_of_scikit_learn() {
    for (seed, (rounds, depth, leaves, l2)) in
        [(1, Some(5), None, 0.0), (6, None, Some(20), 0.0), (4, Some(4), None, 1.5)].into_iter().enumerate()
    {
        let (ours, theirs) = options(rounds, depth, leaves, 10, l2);
        for missing in [0.0, 0.15] {
            let mut problem = friedman(20 + seed as u64, 1500, 1.0);
            problem.columns.iter_mut().flatten().for_each(|value| *value = (*value * 24.0).floor());
            let (learn, test) = with_missing(problem, 9, missing).split(1000);
            let fit = fit_numbers(&learn, NumberLoss::SquaredError, &ours);
            let test = if missing > 0.0 { &learn } else { &test };
            let answer = ask_boosting("squared_error", &learn, &json!(learn.target), test, &theirs);
            let trees = &fit.model.as_ref().unwrap().trees;
            for (place, tree) in answer["trees"].as_array().unwrap().iter().enumerate() {
                let what = format!("setting {seed}, missing {missing}, tree {place}");
                let (actual, expected) = (preorder::of(trees, place), preorder::from_oracle(tree));
                let (actual, expected) = (preorder::shape(actual), preorder::shape(expected));
                preorder::assert_same(&actual, &expected, 1e-5, &what);
            }
            assert_all_close(&predict(&fit, test), &numbers(&answer["predictions"]), 1e-5);
        }
    }
}

#[test]
fn the_losses_are_those_of_scikit_learn() {
    let (ours, theirs) = options(8, Some(3), None, 10, 0.1);
    let (learn, test) = friedman(11, 300, 1.0).split(200);
    let counts = Problem { target: learn.target.iter().map(|y| (y / 3.0).max(0.0).floor()).collect(), ..learn.clone() };
    for (loss, task, learn) in
        [(NumberLoss::AbsoluteError, "absolute_error", &learn), (NumberLoss::Poisson, "poisson", &counts)]
    {
        let fit = fit_numbers(learn, loss, &ours);
        let answer = ask_boosting(task, learn, &json!(learn.target), &test, &theirs);
        assert_all_close(&predict(&fit, &test), &numbers(&answer["predictions"]), 1e-4);
    }
    for count in [2, 4] {
        let classes = learn.classes(count);
        let fit = fit_classes(&learn, count, &classes, &ours);
        let answer = ask_boosting("classes", &learn, &json!(classes), &test, &theirs);
        assert_all_close(&predict(&fit, &test), &numbers(&answer["predictions"]), 1e-4);
    }
}

/// More values than bins, and enough rounds that rounding leads to other trees: what counts is how good they are, over several
/// problems, since on a single one either is ahead by some percent.
#[test]
fn larger_problems_are_predicted_as_well_as_by_scikit_learn() {
    let (ours, theirs) = options(40, None, Some(15), 20, 0.0);
    let mut totals = [[0.0; 2]; 3];
    for seed in 0..4 {
        let all = with_missing(friedman(seed, 1200, 1.0), seed, 0.05);
        let (learn, test) = all.split(500);
        let fit = fit_numbers(&learn, NumberLoss::SquaredError, &ours);
        let answer = ask_boosting("squared_error", &learn, &json!(learn.target), &test, &theirs);
        let error = |predictions: &[f64]| RegressionErrors::of(&test.expected, predictions).rmse().unwrap();
        totals[0][0] += error(&predict(&fit, &test));
        totals[0][1] += error(&numbers(&answer["predictions"]));

        for count in [2, 3] {
            let classes = all.classes(count);
            let (of_learn, of_test) = classes.split_at(500);
            let fit = fit_classes(&learn, count, of_learn, &ours);
            let answer = ask_boosting("classes", &learn, &json!(of_learn), &test, &theirs);
            let loss = |shares: &[f64]| LogLoss::of(count, of_test, shares).mean().unwrap();
            totals[count - 1][0] += loss(&predict(&fit, &test));
            totals[count - 1][1] += loss(&numbers(&answer["predictions"]));
        }
    }
    for [mine, peers] in totals {
        assert!((mine / peers - 1.0).abs() < 0.03, "{totals:?}");
    }
}

#[test]
fn sampling_follows_from_the_seed_and_still_learns() {
    let (learn, test) = friedman(5, 1000, 1.0).split(400);
    let sampled = |seed| BoostingOptions { subsample: 0.6, column_subsample: 0.5, seed, ..BoostingOptions::default() };
    let fits = [3, 3, 4].map(|seed| fit_numbers(&learn, NumberLoss::SquaredError, &sampled(seed)));
    assert_eq!(fits[0], fits[1]);
    assert_ne!(fits[0], fits[2]);
    let whole = fit_numbers(&learn, NumberLoss::SquaredError, &BoostingOptions::default());
    let error = |fit| RegressionErrors::of(&test.expected, &predict(fit, &test)).rmse().unwrap();
    assert!(error(&fits[0]) < 1.15 * error(&whole), "{} and {}", error(&fits[0]), error(&whole));
}

#[test]
fn stops_early_where_more_rounds_learn_noise() {
    let (learn, test) = friedman(6, 1800, 3.0).split(800);
    let many = BoostingOptions { rounds: 300, min_samples_leaf: 2, ..BoostingOptions::default() };
    let stopping = EarlyStopping { validation_fraction: 0.25, ..EarlyStopping::default() };
    let stopped = BoostingOptions { early_stopping: Some(stopping), ..many.clone() };
    let [all, some] = [many, stopped].map(|options| fit_numbers(&learn, NumberLoss::SquaredError, &options));
    assert_eq!((all.rounds, all.validation_loss), (300, None));
    assert!((1..200).contains(&some.rounds), "{} rounds", some.rounds);
    assert_eq!(some.model.as_ref().unwrap().trees.len(), some.rounds);
    let error = |fit: &BoostingFit| RegressionErrors::of(&test.expected, &predict(fit, &test)).rmse().unwrap();
    assert!(error(&some) < error(&all), "{} and {}", error(&some), error(&all));
    assert!(some.validation_loss.unwrap() > all.train_loss.unwrap());

    let classes = learn.classes(3);
    let options = BoostingOptions { early_stopping: Some(EarlyStopping::default()), rounds: 60, ..Default::default() };
    let fit = fit_classes(&learn, 3, &classes, &options);
    assert_eq!(fit.model.unwrap().trees.len(), 3 * fit.rounds);
}

#[test]
fn tiny_and_hopeless_groups_are_said_not_failed() {
    let none: [&[f64]; 2] = [&[], &[]];
    let defaults = BoostingOptions::default();
    let columns = Columns::new(0, &none);
    let empty = fit_boosted_numbers(&columns, &[], NumberLoss::SquaredError, &defaults);
    assert_eq!((empty.status, empty.model), (FitStatus::TooFewRows, None));
    assert_eq!(fit_boosted_classes(&columns, 2, &[], &defaults).status, FitStatus::TooFewRows);

    let one: [&[f64]; 2] = [&[1.0], &[f64::NAN]];
    let columns = Columns::new(1, &one);
    let stopping = BoostingOptions { early_stopping: Some(EarlyStopping::default()), ..BoostingOptions::default() };
    for options in [&defaults, &stopping] {
        let fit = fit_boosted_numbers(&columns, &[1e12 + 0.1], NumberLoss::SquaredError, options);
        assert_eq!((fit.status, fit.model.unwrap().predict(&columns)), (FitStatus::Ok, vec![1e12 + 0.1]));
    }
    let fit = |target, loss| fit_boosted_numbers(&columns, &[target], loss, &defaults).status;
    assert_eq!(fit(f64::NAN, NumberLoss::SquaredError), FitStatus::NonFinite);
    assert_eq!(fit(-1.0, NumberLoss::Poisson), FitStatus::InvalidTarget);
    assert_eq!(fit(0.0, NumberLoss::Poisson), FitStatus::Ok);

    // No feature, and a class that no row has.
    let bare = fit_boosted_classes(&Columns::new(4, &[]), 3, &[0, 0, 0, 2], &defaults).model.unwrap();
    let shares = bare.predict(&Columns::new(1, &[]));
    assert_all_close(&shares, &[0.75, 0.0, 0.25], 1e-9);
    let single = fit_boosted_classes(&Columns::new(3, &[&[1.0, 2.0, 3.0]]), 2, &[1, 1, 1], &defaults).model.unwrap();
    assert_all_close(&single.predict(&Columns::new(1, &[&[5.0]])), &[0.0, 1.0], 1e-9);
}

#[test]
fn a_constant_target_is_not_split() {
    let problem = friedman(8, 100, 0.0);
    let constant = Problem { target: vec![0.1; 100], ..problem };
    let options = BoostingOptions { min_samples_leaf: 1, ..BoostingOptions::default() };
    let fit = fit_numbers(&constant, NumberLoss::SquaredError, &options);
    let trees = fit.model.as_ref().unwrap().trees.clone();
    assert_eq!(trees.nodes(), trees.len());
    assert_eq!(predict(&fit, &constant), vec![0.1; 100]);
}

#[test]
fn each_option_outside_its_range_is_named() {
    let defaults = BoostingOptions::default;
    assert_eq!(defaults().check(), Ok(()));
    let wrong = [
        BoostingOptions { rounds: 0, ..defaults() },
        BoostingOptions { learning_rate: f64::NAN, ..defaults() },
        BoostingOptions { max_depth: Some(0), ..defaults() },
        BoostingOptions { max_leaves: Some(1), ..defaults() },
        BoostingOptions { min_samples_leaf: 0, ..defaults() },
        BoostingOptions { l2: -1.0, ..defaults() },
        BoostingOptions { max_bins: 256, ..defaults() },
        BoostingOptions { subsample: 0.0, ..defaults() },
        BoostingOptions { column_subsample: 1.1, ..defaults() },
        BoostingOptions {
            early_stopping: Some(EarlyStopping { validation_fraction: 1.0, ..Default::default() }),
            ..defaults()
        },
        BoostingOptions { early_stopping: Some(EarlyStopping { patience: 0, ..Default::default() }), ..defaults() },
        BoostingOptions { early_stopping: Some(EarlyStopping { tolerance: -0.1, ..Default::default() }), ..defaults() },
    ];
    let named: Vec<&str> = wrong.iter().map(|options| options.check().unwrap_err().option).collect();
    let expected = [
        "rounds",
        "learning_rate",
        "max_depth",
        "max_leaves",
        "min_samples_leaf",
        "l2",
        "max_bins",
        "subsample",
        "column_subsample",
        "validation_fraction",
        "patience",
        "tolerance",
    ];
    assert_eq!(named, expected);
}
