//! Least squares with weights, robust errors, from rows, and predictions with intervals.

use proptest::prelude::*;
use serde_json::json;
use shoal_ml::{
    FitStatus, IntervalOf, OlsFit, OlsOptions, OlsPredictor, RobustKind, WeightKind, WeightedMoments, fit_ols,
    fit_ols_rows, robust_errors,
};

use crate::oracle::{ask, assert_all, assert_near, number, numbers};
use crate::problem::Problem;

fn problems() -> Vec<Problem> {
    vec![
        Problem::random(1, 100, 5),
        Problem::random(2, 100, 5).weighted(3),
        Problem::random(4, 8, 3).weighted(5),
        Problem::random(6, 4, 1),
        Problem::random(7, 300, 20).weighted(8),
        Problem::random(9, 50, 2).rescaled(0, 1e-2, 1e2).rescaled(1, 1e3, 0.0).weighted(10),
    ]
}

fn by_moments(problem: &Problem, kind: WeightKind, intercept: bool) -> OlsFit {
    problem.with_rows(|rows| fit_ols(rows.weighted_moments().summary(kind), &OlsOptions { intercept }))
}

fn by_rows(problem: &Problem, kind: WeightKind, intercept: bool) -> OlsFit {
    problem.with_rows(|rows| fit_ols_rows(rows, kind, &OlsOptions { intercept }))
}

#[test]
fn weights_and_rows_agree_with_statsmodels() {
    let cases: Vec<_> =
        problems().into_iter().flat_map(|problem| [(problem.clone(), true), (problem, false)]).collect();
    let questions: Vec<_> =
        cases.iter().map(|(problem, intercept)| problem.ask(json!({"intercept": intercept}))).collect();
    for (answer, (problem, intercept)) in ask("least_squares.py", &questions).iter().zip(&cases) {
        for (way, fit) in [
            ("moments", by_moments(problem, WeightKind::Analytic, *intercept)),
            ("rows", by_rows(problem, WeightKind::Analytic, *intercept)),
        ] {
            let what = format!("{} by {way}, intercept {intercept}", problem.name);
            assert_eq!(fit.status, FitStatus::Ok, "{what}");
            assert_all(&fit.coefficients, &numbers(answer, "/coefficients"), 1e-6, 1e-8, &what);
            assert_all(&fit.std_errors, &numbers(answer, "/std_errors"), 0.0, 1e-9, &what);
            assert_all(&fit.t_values, &numbers(answer, "/t_values"), 1e-6, 1e-8, &what);
            assert_all(&fit.p_values, &numbers(answer, "/p_values"), 1e-30, 1e-6, &what);
            for (name, value) in [
                ("r2", fit.r2),
                ("adj_r2", fit.adj_r2),
                ("sigma", fit.sigma),
                ("f_value", fit.f_value),
                ("log_likelihood", fit.log_likelihood),
                ("aic", fit.aic),
                ("bic", fit.bic),
            ] {
                assert_near(value, number(answer, &format!("/{name}")), 1e-3, 1e-8, &format!("{what}: {name}"));
            }
        }
    }
}

#[test]
fn robust_errors_are_those_of_statsmodels() {
    let cases: Vec<_> =
        problems().into_iter().flat_map(|problem| [(problem.clone(), true), (problem, false)]).collect();
    let questions: Vec<_> =
        cases.iter().map(|(problem, intercept)| problem.ask(json!({"intercept": intercept}))).collect();
    for (answer, (problem, intercept)) in ask("least_squares.py", &questions).iter().zip(&cases) {
        let options = OlsOptions { intercept: *intercept };
        let fit = by_moments(problem, WeightKind::Analytic, *intercept);
        for (name, kind) in
            [("HC0", RobustKind::Hc0), ("HC1", RobustKind::Hc1), ("HC2", RobustKind::Hc2), ("HC3", RobustKind::Hc3)]
        {
            let what = format!("{} {name}, intercept {intercept}", problem.name);
            let errors =
                problem.with_rows(|rows| robust_errors(rows, WeightKind::Analytic, &options, &fit, kind)).unwrap();
            assert_all(&errors.std_errors, &numbers(answer, &format!("/{name}/std_errors")), 0.0, 1e-7, &what);
            assert_all(&errors.p_values, &numbers(answer, &format!("/{name}/p_values")), 1e-12, 1e-5, &what);
        }
    }
}

#[test]
fn intervals_are_those_of_statsmodels() {
    let problems: Vec<_> = problems().into_iter().filter(|problem| problem.weights.is_none()).collect();
    let questions: Vec<_> = problems.iter().map(|problem| problem.ask(json!({"intercept": true}))).collect();
    for (answer, problem) in ask("least_squares.py", &questions).iter().zip(&problems) {
        let predictor = problem.with_rows(|rows| {
            let moments = rows.moments();
            OlsPredictor::new(&moments, &fit_ols(&moments, &OlsOptions { intercept: true })).unwrap()
        });
        let stored = serde_json::to_string(&predictor).unwrap();
        let predictor: OlsPredictor = serde_json::from_str(&stored).unwrap();
        for (of, name) in [(IntervalOf::Mean, "mean"), (IntervalOf::Observation, "observation")] {
            let intervals = predictor.intervals(0.9, of);
            for i in 0..problem.target.len() {
                let row: Vec<f64> = problem.features.iter().map(|column| column[i]).collect();
                let predicted = intervals.predict(&row).unwrap();
                let (lower, upper) = predicted.interval.unwrap();
                let at = |end: &str| number(answer, &format!("/intervals/{name}/{end}/{i}"));
                assert_near(Some(lower), at("lower"), 1e-3, 1e-9, &problem.name);
                assert_near(Some(upper), at("upper"), 1e-3, 1e-9, &problem.name);
                assert_eq!(Some(predicted.value), predictor.predict(&row));
            }
        }
    }
}

#[test]
fn frequencies_are_repeated_rows() {
    let mut problem = Problem::random(21, 30, 3);
    let times: Vec<usize> = (0..30).map(|i| i % 4).collect();
    let repeat = |column: &Vec<f64>| -> Vec<f64> {
        column.iter().zip(&times).flat_map(|(value, times)| std::iter::repeat_n(*value, *times)).collect()
    };
    let mut repeated = problem.clone();
    repeated.features = problem.features.iter().map(repeat).collect();
    repeated.target = repeat(&problem.target);
    problem.weights = Some(times.iter().map(|&times| times as f64).collect());
    let options = OlsOptions { intercept: true };
    for fit in [by_moments, by_rows] {
        let (weighted, plain) =
            (fit(&problem, WeightKind::Frequency, true), fit(&repeated, WeightKind::Analytic, true));
        let some = |values: &[Option<f64>]| values.iter().flatten().copied().collect::<Vec<_>>();
        assert_eq!(weighted.df_residual, plain.df_residual);
        assert_all(&weighted.coefficients, &some(&plain.coefficients), 1e-3, 1e-11, "coefficients");
        assert_all(&weighted.std_errors, &some(&plain.std_errors), 0.0, 1e-11, "errors");
        assert_near(weighted.log_likelihood, plain.log_likelihood.unwrap(), 1.0, 1e-11, "likelihood");
        for kind in [RobustKind::Hc0, RobustKind::Hc1, RobustKind::Hc2, RobustKind::Hc3] {
            let [weighted, plain] =
                [(&problem, WeightKind::Frequency, &weighted), (&repeated, WeightKind::Analytic, &plain)].map(
                    |(problem, weights, fit)| {
                        problem.with_rows(|rows| robust_errors(rows, weights, &options, fit, kind)).unwrap()
                    },
                );
            assert_all(&weighted.std_errors, &some(&plain.std_errors), 0.0, 1e-10, "robust errors");
        }
    }
}

#[test]
fn a_row_that_alone_decides_a_coefficient_has_no_careful_robust_errors() {
    let mut problem = Problem::random(22, 10, 2);
    problem.features[1] = (0..10).map(|i| f64::from(u8::from(i == 3))).collect();
    let options = OlsOptions { intercept: true };
    let fit = by_moments(&problem, WeightKind::Analytic, true);
    let errors =
        |kind| problem.with_rows(|rows| robust_errors(rows, WeightKind::Analytic, &options, &fit, kind)).unwrap();
    assert!(errors(RobustKind::Hc1).std_errors.iter().all(Option::is_some));
    assert!(errors(RobustKind::Hc3).std_errors.iter().all(Option::is_none));
}

#[test]
fn a_weight_that_is_none_is_reported() {
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let mut problem = Problem::random(23, 10, 1);
        problem.weights = Some(vec![1.0; 10]);
        problem.weights.as_mut().unwrap()[4] = bad;
        for fit in [by_moments, by_rows] {
            let fit = fit(&problem, WeightKind::Analytic, true);
            assert_eq!((fit.status, fit.coefficients), (FitStatus::NonFinite, vec![None; 2]));
        }
    }
}

#[test]
fn rows_find_the_same_dependent_features_as_moments() {
    for offset in [0.0, 1e3, 1e6] {
        let mut problem = Problem::random(24, 40, 5);
        problem.features.iter_mut().flatten().for_each(|value| *value += offset);
        problem.features[2] =
            problem.features[0].iter().zip(&problem.features[1]).map(|(a, b)| 2.0 * a - 0.3 * b).collect();
        problem.features[4].fill(0.7);
        let (moments, rows) =
            (by_moments(&problem, WeightKind::Analytic, true), by_rows(&problem, WeightKind::Analytic, true));
        assert_eq!((moments.status, rows.status), (FitStatus::RankDeficient, FitStatus::RankDeficient), "{offset}");
        assert_eq!((&moments.dropped, &rows.dropped), (&vec![2, 4], &vec![2, 4]));
        let message = rows.message(&["a", "b", "c", "d", "e"], 40).unwrap();
        assert!(message.starts_with("dropped c, e"), "{message}");
    }
}

proptest! {
    #[test]
    fn weighted_moments_merge_in_any_order(seed in 0u64..1000, cut in 1usize..29, swap in any::<bool>()) {
        let problem = Problem::random(seed, 30, 2).weighted(seed + 1);
        let fits = problem.with_rows(|rows| {
            let mut parts = [WeightedMoments::new(3), WeightedMoments::new(3)];
            for i in 0..30 {
                let row = [rows.features()[0][i], rows.features()[1][i], rows.target()[i]];
                parts[usize::from(i >= cut)].push(&row, rows.weight(i));
            }
            let [mut left, mut right] = parts;
            let merged = if swap { right.merge(&left); right } else { left.merge(&right); left };
            [rows.weighted_moments(), merged].map(|m| fit_ols(m.summary(WeightKind::Analytic), &OlsOptions { intercept: true }))
        });
        let [whole, merged] = fits;
        let expected: Vec<f64> = whole.coefficients.into_iter().flatten().collect();
        assert_all(&merged.coefficients, &expected, 1e-3, 1e-10, "coefficients");
        assert_near(merged.log_likelihood, whole.log_likelihood.unwrap(), 1.0, 1e-10, "likelihood");
    }

    #[test]
    fn weights_matter_only_in_proportion(seed in 0u64..1000, factor in 1e-3..1e3) {
        let problem = Problem::random(seed, 20, 2).weighted(seed + 1);
        let mut scaled = problem.clone();
        scaled.weights.as_mut().unwrap().iter_mut().for_each(|weight| *weight *= factor);
        let [fit, scaled] = [problem, scaled].map(|problem| by_moments(&problem, WeightKind::Analytic, true));
        let some = |values: &[Option<f64>]| values.iter().flatten().copied().collect::<Vec<_>>();
        assert_all(&scaled.coefficients, &some(&fit.coefficients), 1e-3, 1e-10, "coefficients");
        assert_all(&scaled.std_errors, &some(&fit.std_errors), 0.0, 1e-10, "errors");
        assert_near(scaled.log_likelihood, fit.log_likelihood.unwrap(), 1.0, 1e-8, "likelihood");
    }
}
