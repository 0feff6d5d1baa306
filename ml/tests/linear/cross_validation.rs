//! Errors on rows that a model was not fitted on.

use serde_json::json;
use shoal_ml::{
    CrossValidation, ElasticNetOptions, Moments, OlsOptions, RidgeOptions, Summary, complements, cross_validate,
    cross_validate_rows, fit_elastic_net, fit_ols, fit_ridge,
};

use crate::oracle::{ask, assert_near, number};
use crate::problem::Problem;

type Fit = Box<dyn Fn(Summary<'_>) -> Vec<Option<f64>>>;

fn estimators() -> Vec<(serde_json::Value, Fit)> {
    let net = ElasticNetOptions { alpha: 0.05, l1_ratio: 0.7, tolerance: 1e-12, ..ElasticNetOptions::default() };
    vec![
        (
            json!({"estimator": "ols"}),
            Box::new(|summary: Summary<'_>| fit_ols(summary, &OlsOptions { intercept: true }).coefficients) as Fit,
        ),
        (
            json!({"estimator": "ridge", "alpha": 2.0}),
            Box::new(|summary| fit_ridge(summary, &RidgeOptions { intercept: true, alpha: 2.0 }).coefficients),
        ),
        (
            json!({"estimator": "elastic_net", "alpha": 0.05, "l1_ratio": 0.7}),
            Box::new(move |summary| fit_elastic_net(summary, &net).coefficients),
        ),
    ]
}

fn both_ways(problem: &Problem, fold_of: &[usize], fit: &Fit) -> [CrossValidation; 2] {
    problem.with_rows(|rows| {
        let width = problem.features.len() + 1;
        let mut folds = vec![Moments::new(width); 5];
        for i in 0..rows.len() {
            let row: Vec<f64> = rows.features().iter().chain([&rows.target()]).map(|column| column[i]).collect();
            folds[fold_of[i]].as_mut().push(&row);
        }
        [cross_validate(&folds, fit), cross_validate_rows(rows, fold_of, fit)]
    })
}

#[test]
fn errors_are_those_of_scikit_learn() {
    let problems =
        [Problem::random(1, 100, 5), Problem::random(2, 17, 2), Problem::random(3, 60, 3).rescaled(1, 1e-3, 1e3)];
    let mut questions = Vec::new();
    let mut cases = Vec::new();
    for problem in problems {
        let fold_of: Vec<usize> = (0..problem.target.len()).map(|i| i * i % 11 % 5).collect();
        for (mut options, fit) in estimators() {
            options["fold_of"] = json!(fold_of);
            questions.push(problem.ask(options));
            cases.push((problem.name.clone(), both_ways(&problem, &fold_of, &fit)));
        }
    }
    for (answer, (what, [moments, rows])) in ask("cross_validation.py", &questions).iter().zip(cases) {
        for found in [&moments, &rows] {
            assert_near(found.rmse, number(answer, "/rmse"), 0.0, 1e-7, &what);
            assert_near(found.r2, number(answer, "/r2"), 0.1, 1e-7, &what);
        }
        assert_near(rows.mae, number(answer, "/mae"), 0.0, 1e-7, &what);
        assert_eq!((moments.mae, moments.rows), (None, rows.rows));
    }
}

#[test]
fn merging_the_others_keeps_the_digits_that_subtracting_a_fold_loses() {
    // One fold lies far away, so what is left of a total without it would be rounding error.
    let mut folds = vec![Moments::new(2); 4];
    let mut others = Moments::new(2);
    for i in 0..40 {
        let far = if i % 4 == 3 { 1e12 } else { 0.0 };
        let row = [far + f64::from(i), far + f64::from(i * i % 7)];
        folds[i as usize % 4].as_mut().push(&row);
        if far == 0.0 {
            others.as_mut().push(&row);
        }
    }
    let found = &complements(&folds)[3];
    assert_eq!(found.count, 30.0);
    for (found, expected) in found.comoment.iter().zip(&others.comoment) {
        assert_near(Some(*found), *expected, 0.0, 1e-13, "cross-products");
    }
}

#[test]
fn folds_that_cannot_be_left_out_are_not_scored() {
    let problem = Problem::random(5, 7, 3);
    let fit: Fit = Box::new(|summary| fit_ols(summary, &OlsOptions { intercept: true }).coefficients);
    // Without the four rows of fold 0 there are three rows for four terms.
    let [moments, rows] = both_ways(&problem, &[0, 0, 0, 0, 1, 2, 3], &fit);
    assert_eq!((moments.rows, rows.rows), (3, 3));
    assert_near(moments.rmse, rows.rmse.unwrap(), 0.0, 1e-9, "rmse");
    let nothing = cross_validate(&[], &fit);
    assert_eq!((nothing.rows, nothing.rmse, nothing.r2), (0, None, None));
}
