//! Ridge, lasso and elastic net.

use proptest::prelude::*;
use serde_json::{Value, json};
use shoal_ml::{
    ElasticNetOptions, FitStatus, OlsOptions, PenalizedFit, RidgeOptions, WeightKind, alpha_path, fit_elastic_net,
    fit_elastic_net_path, fit_ols, fit_ridge,
};

use crate::oracle::{ask, assert_all, assert_near, number, numbers};
use crate::problem::Problem;

fn problems() -> Vec<Problem> {
    let collinear = {
        let mut problem = Problem::random(11, 60, 4);
        problem.features[3] = problem.features[0].iter().zip(&problem.features[1]).map(|(a, b)| a - b).collect();
        problem.name += ", the last a difference";
        problem
    };
    let constant = {
        let mut problem = Problem::random(12, 30, 3);
        problem.features[1].fill(0.1);
        problem.name += ", one constant";
        problem
    };
    vec![
        Problem::random(1, 100, 5),
        Problem::random(2, 12, 20),
        Problem::random(3, 3, 1),
        Problem::random(4, 500, 1),
        Problem::random(5, 200, 40),
        Problem::random(6, 100, 5).weighted(7),
        Problem::random(8, 100, 3).rescaled(0, 1e3, 1e6).rescaled(1, 1e-3, 0.0),
        collinear,
        constant,
    ]
}

fn fit(problem: &Problem, fit: impl FnOnce(shoal_ml::Summary<'_>) -> PenalizedFit) -> PenalizedFit {
    problem.with_rows(|rows| match rows.weights() {
        Some(_) => fit(rows.weighted_moments().summary(WeightKind::Analytic)),
        None => fit((&rows.moments()).into()),
    })
}

/// What both say of each problem with each of the options.
fn compare(options: Vec<(Value, impl Fn(shoal_ml::Summary<'_>) -> PenalizedFit)>, tolerance: f64) {
    let mut questions = Vec::new();
    let mut fits = Vec::new();
    for problem in problems() {
        for (asked, estimator) in &options {
            questions.push(problem.ask(asked.clone()));
            fits.push((format!("{}, {asked}", problem.name), fit(&problem, estimator)));
        }
    }
    for (answer, (what, fit)) in ask("penalized.py", &questions).iter().zip(fits) {
        assert_eq!(fit.status, FitStatus::Ok, "{what}");
        // The intercept is the mean less the slopes times the means, and no more accurate than those.
        let coefficients = numbers(answer, "/coefficients");
        let size = coefficients.iter().fold(0.0, |size: f64, c| size.max(c.abs()));
        assert_all(&fit.coefficients, &coefficients, 1e-3 * size, tolerance, &what);
        assert_near(fit.r2, number(answer, "/r2"), 1.0, 1e-8, &what);
        assert_near(fit.rmse, number(answer, "/rmse"), 1e-9, 1e-6, &what);
    }
}

#[test]
fn ridge_is_that_of_scikit_learn() {
    let mut options = Vec::new();
    for alpha in [1e-3, 1.0, 100.0] {
        for intercept in [true, false] {
            let asked = json!({"estimator": "ridge", "alpha": alpha, "intercept": intercept});
            let options_here = RidgeOptions { alpha, intercept };
            options.push((asked, move |summary: shoal_ml::Summary<'_>| fit_ridge(summary, &options_here)));
        }
    }
    compare(options, 1e-7);
}

#[test]
fn elastic_net_is_that_of_scikit_learn() {
    let mut options = Vec::new();
    for (alpha, l1_ratio) in [(1e-3, 0.5), (0.1, 1.0), (0.1, 0.2), (0.05, 0.0), (3.0, 0.9)] {
        for intercept in [true, false] {
            let asked =
                json!({"estimator": "elastic_net", "alpha": alpha, "l1_ratio": l1_ratio, "intercept": intercept});
            let here = ElasticNetOptions { alpha, l1_ratio, intercept, max_iterations: 100_000, tolerance: 1e-13 };
            options.push((asked, move |summary: shoal_ml::Summary<'_>| fit_elastic_net(summary, &here)));
        }
    }
    compare(options, 1e-6);
}

#[test]
fn the_default_tolerance_gives_six_digits() {
    let options = ElasticNetOptions { alpha: 0.05, ..ElasticNetOptions::default() };
    for seed in 0..50 {
        let problem = Problem::random(seed, 100, 5);
        let fine = ElasticNetOptions { tolerance: 0.0, ..options.clone() };
        let [fine, usual] = [fine, options.clone()].map(|options| fit(&problem, |s| fit_elastic_net(s, &options)));
        let expected: Vec<f64> = fine.coefficients.into_iter().flatten().collect();
        assert_all(&usual.coefficients, &expected, 1e-2, 1e-6, &problem.name);
    }
}

#[test]
fn a_path_is_the_fits_of_its_alphas() {
    for problem in problems() {
        let options = ElasticNetOptions {
            l1_ratio: 0.7,
            tolerance: 1e-13,
            max_iterations: 100_000,
            ..ElasticNetOptions::default()
        };
        problem.with_rows(|rows| {
            let moments = rows.moments();
            let alphas = alpha_path(&moments, &options, 20, 1e-3);
            assert_eq!(alphas.len(), 20);
            let path = fit_elastic_net_path(&moments, &options, &alphas);
            // The first leaves nothing but what rounding does.
            assert!(path[0].r2.unwrap() < 1e-12, "{}", problem.name);
            assert!(path[1].nonzero > 0, "{}", problem.name);
            for (fit, alpha) in path.iter().zip(&alphas) {
                let single = fit_elastic_net(&moments, &ElasticNetOptions { alpha: *alpha, ..options.clone() });
                let expected: Vec<f64> = single.coefficients.into_iter().flatten().collect();
                let size = expected.iter().fold(1e-6, |size: f64, c| size.max(c.abs()));
                assert_all(&fit.coefficients, &expected, size, 1e-6, &problem.name);
            }
        });
    }
}

#[test]
fn the_alphas_of_a_path_are_those_of_scikit_learn() {
    let problem = Problem::random(21, 80, 6);
    let options = ElasticNetOptions { l1_ratio: 0.5, ..ElasticNetOptions::default() };
    let asked = json!({"estimator": "alphas", "l1_ratio": 0.5, "count": 7, "smallest": 1e-3, "intercept": true});
    let answer = ask("penalized.py", &[problem.ask(asked)]);
    let alphas: Vec<_> = problem.with_rows(|rows| alpha_path(&rows.moments(), &options, 7, 1e-3));
    let alphas: Vec<_> = alphas.into_iter().map(Some).collect();
    assert_all(&alphas, &numbers(&answer[0], "/alphas"), 0.0, 1e-12, "alphas");
}

#[test]
fn ridge_without_a_penalty_is_least_squares() {
    for problem in problems().iter().filter(|problem| problem.weights.is_none()) {
        problem.with_rows(|rows| {
            let moments = rows.moments();
            let ols = fit_ols(&moments, &OlsOptions { intercept: true });
            let ridge = fit_ridge(&moments, &RidgeOptions { intercept: true, alpha: 0.0 });
            assert_eq!(ridge.dropped, ols.dropped);
            assert_eq!(
                ridge.coefficients.iter().map(Option::is_some).collect::<Vec<_>>(),
                ols.coefficients.iter().map(Option::is_some).collect::<Vec<_>>()
            );
            for (ridge, ols) in ridge.coefficients.iter().flatten().zip(ols.coefficients.iter().flatten()) {
                assert_near(Some(*ridge), *ols, 1e-9, 1e-12, &problem.name);
            }
        });
    }
}

#[test]
fn too_few_rounds_are_reported() {
    let problem = Problem::random(31, 200, 40);
    let options = ElasticNetOptions { alpha: 1e-4, l1_ratio: 1.0, max_iterations: 2, ..ElasticNetOptions::default() };
    let fit = fit(&problem, |summary| fit_elastic_net(summary, &options));
    assert_eq!(fit.status, FitStatus::NotConverged);
    assert_eq!(fit.iterations, 2);
    assert!(fit.duality_gap.unwrap() > options.tolerance);
    assert!(fit.coefficients.iter().all(Option::is_some));
}

#[test]
fn groups_at_the_edge_get_an_answer() {
    let ridge = RidgeOptions { intercept: true, alpha: 1.0 };
    let net = ElasticNetOptions::default();
    let both = |problem: &Problem| {
        [fit(problem, |summary| fit_ridge(summary, &ridge)), fit(problem, |summary| fit_elastic_net(summary, &net))]
    };
    let mut problem = Problem::random(41, 1, 3);
    for fit in both(&problem) {
        assert_eq!((fit.status, fit.nonzero), (FitStatus::Ok, 0));
        assert_eq!((fit.predict(&[9.0, 9.0, 9.0]), fit.r2), (Some(problem.target[0]), None));
    }
    problem.target.clear();
    problem.features.iter_mut().for_each(Vec::clear);
    for fit in both(&problem) {
        assert_eq!((fit.status, fit.predict(&[1.0; 3])), (FitStatus::TooFewRows, None));
    }
    for bad in [f64::NAN, f64::INFINITY, 1e300] {
        let mut problem = Problem::random(42, 10, 2);
        problem.features[1][3] = bad;
        for fit in both(&problem) {
            assert_eq!((fit.status, fit.coefficients), (FitStatus::NonFinite, vec![None; 3]));
        }
    }
}

#[test]
fn wrong_options_are_named() {
    let wrong = |options: ElasticNetOptions| options.check().unwrap_err().option;
    assert_eq!(wrong(ElasticNetOptions { alpha: -1.0, ..Default::default() }), "alpha");
    assert_eq!(wrong(ElasticNetOptions { l1_ratio: f64::NAN, ..Default::default() }), "l1_ratio");
    assert_eq!(wrong(ElasticNetOptions { max_iterations: 0, ..Default::default() }), "max_iterations");
    assert_eq!(wrong(ElasticNetOptions { tolerance: f64::INFINITY, ..Default::default() }), "tolerance");
    assert_eq!(RidgeOptions { intercept: true, alpha: f64::NAN }.check().unwrap_err().option, "alpha");
}

proptest! {
    #[test]
    fn a_feature_and_the_target_in_other_units_scale_the_lasso(seed in 0u64..1000, power in -300..300i32) {
        // A power of two rounds nothing, so the fit is the same to the last bit, also where squares would overflow.
        let factor = 2f64.powi(power);
        let problem = Problem::random(seed, 20, 3);
        let mut scaled = problem.clone().target(|y| y * factor);
        scaled.features.iter_mut().flatten().for_each(|value| *value *= factor);
        let options = |alpha| ElasticNetOptions { alpha, l1_ratio: 1.0, ..Default::default() };
        let original = fit(&problem, |summary| fit_elastic_net(summary, &options(0.1)));
        let scaled = fit(&scaled, |summary| fit_elastic_net(summary, &options(0.1 * factor * factor)));
        prop_assert_eq!(&original.coefficients[1..], &scaled.coefficients[1..]);
        prop_assert_eq!(original.status, FitStatus::Ok);
    }

    #[test]
    fn the_optimum_is_where_no_slope_is_left(seed in 0u64..1000, alpha in 1e-3..1.0, l1_ratio in 0.05..1.0) {
        let problem = Problem::random(seed, 40, 6);
        let options = ElasticNetOptions { alpha, l1_ratio, tolerance: 1e-13, ..Default::default() };
        let fit = fit(&problem, |summary| fit_elastic_net(summary, &options));
        let n = problem.target.len();
        let residuals: Vec<f64> = (0..n).map(|i| {
            let row: Vec<f64> = problem.features.iter().map(|column| column[i]).collect();
            problem.target[i] - fit.predict(&row).unwrap()
        }).collect();
        for (j, column) in problem.features.iter().enumerate() {
            let w = fit.coefficients[j + 1].unwrap();
            let pull: f64 = column.iter().zip(&residuals).map(|(x, r)| x * r).sum::<f64>() / n as f64
                - alpha * (1.0 - l1_ratio) * w;
            if w == 0.0 {
                prop_assert!(pull.abs() <= alpha * l1_ratio + 1e-5);
            } else {
                prop_assert!((pull - alpha * l1_ratio * w.signum()).abs() < 1e-5, "{pull} {alpha} {l1_ratio}");
            }
        }
    }
}
