//! Logistic regression of two classes and of more.

use proptest::prelude::*;
use serde_json::{Value, json};
use shoal_ml::{FitStatus, LogisticFit, LogisticOptions, Penalty, fit_logistic};

use crate::oracle::{ask, assert_all, assert_near, number, numbers};
use crate::problem::{Problem, Random};

/// The target made classes: by chance, the more likely the larger it was.
fn classified(problem: Problem, classes: usize, seed: u64) -> Problem {
    let random = &mut Random::new(seed);
    let name = format!("{}, {classes} classes", problem.name);
    let mut problem = problem.target(|y| {
        let noisy = y + 2.0 * random.normal();
        (noisy + classes as f64 / 2.0).floor().clamp(0.0, classes as f64 - 1.0)
    });
    problem.name = name;
    problem
}

fn binary_problems() -> Vec<Problem> {
    vec![
        classified(Problem::random(1, 100, 5), 2, 101),
        classified(Problem::random(2, 40, 2), 2, 102),
        classified(Problem::random(3, 300, 8), 2, 103),
        classified(Problem::random(4, 100, 3).rescaled(0, 0.5, 2.0).rescaled(2, 2.0, 0.0), 2, 104),
        classified(Problem::random(5, 120, 3), 2, 105).weighted(6),
        classified(Problem::random(7, 200, 4).target(|y| 2.0 * (y + 3.0)), 2, 107),
    ]
}

fn multinomial_problems() -> Vec<Problem> {
    vec![
        classified(Problem::random(11, 150, 4), 3, 111),
        classified(Problem::random(12, 400, 3), 5, 112),
        classified(Problem::random(13, 120, 2), 3, 113).weighted(14),
        classified(Problem::random(15, 200, 2).rescaled(0, 0.5, 2.0), 4, 115),
    ]
}

fn fit(problem: &Problem, options: &LogisticOptions) -> LogisticFit {
    problem.with_rows(|rows| fit_logistic(rows, options))
}

fn penalties() -> Vec<(Value, Penalty)> {
    vec![
        (json!({"c": 1.0, "l1_ratio": 0.0}), Penalty::L2 { c: 1.0 }),
        (json!({"c": 0.01, "l1_ratio": 0.0}), Penalty::L2 { c: 0.01 }),
        (json!({"c": 0.1, "l1_ratio": 1.0}), Penalty::L1 { c: 0.1 }),
        (json!({"c": 2.0, "l1_ratio": 1.0}), Penalty::L1 { c: 2.0 }),
        (json!({"c": 0.3, "l1_ratio": 0.4}), Penalty::ElasticNet { c: 0.3, l1_ratio: 0.4 }),
    ]
}

#[test]
fn penalised_fits_are_those_of_scikit_learn() {
    let mut questions = Vec::new();
    let mut cases = Vec::new();
    for problem in binary_problems().into_iter().chain(multinomial_problems()) {
        for (asked, penalty) in penalties() {
            for intercept in [true, false] {
                let mut asked = asked.clone();
                asked["intercept"] = json!(intercept);
                asked["estimator"] = json!("scikit-learn");
                let options = LogisticOptions { intercept, penalty: penalty.clone(), ..LogisticOptions::default() };
                cases.push((format!("{}, {asked}", problem.name), fit(&problem, &options)));
                questions.push(problem.ask(asked));
            }
        }
    }
    for (answer, (what, fit)) in ask("logistic.py", &questions).iter().zip(&cases) {
        assert_eq!(fit.status, FitStatus::Ok, "{what}");
        let lists = fit.coefficients.len();
        let mut expected: Vec<_> = (0..lists).map(|class| numbers(answer, &format!("/coefficients/{class}"))).collect();
        let mut found: Vec<Vec<f64>> =
            fit.coefficients.iter().map(|list| list.iter().map(|value| value.unwrap()).collect()).collect();
        // Absolute values of an even number of classes cost the same from one middle class to the other, so that only
        // the differences between classes are decided.
        if lists > 1 && what.contains("\"l1_ratio\":1.0") {
            for lists in [&mut found, &mut expected] {
                for term in 0..lists[0].len() {
                    let mean = lists.iter().map(|list| list[term]).sum::<f64>() / lists.len() as f64;
                    lists.iter_mut().for_each(|list| list[term] -= mean);
                }
            }
        }
        for (class, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let found: Vec<_> = found.iter().copied().map(Some).collect();
            assert_all(&found, expected, 1.0, 1e-6, &format!("{what}, class {class}"));
        }
        assert_near(fit.log_likelihood, number(answer, "/log_likelihood"), 1.0, 1e-7, what);
    }
}

#[test]
fn unpenalised_fits_and_their_errors_are_those_of_statsmodels() {
    let mut questions = Vec::new();
    let mut cases = Vec::new();
    for problem in binary_problems().into_iter().chain(multinomial_problems()) {
        for intercept in [true, false] {
            // What takes weights there has only two classes.
            if problem.weights.is_some() && problem.target.contains(&2.0) {
                continue;
            }
            let asked = json!({"estimator": "statsmodels", "intercept": intercept});
            let options = LogisticOptions { intercept, penalty: Penalty::None, ..LogisticOptions::default() };
            cases.push((format!("{}, intercept {intercept}", problem.name), fit(&problem, &options)));
            questions.push(problem.ask(asked));
        }
    }
    for (answer, (what, fit)) in ask("logistic.py", &questions).iter().zip(&cases) {
        assert_eq!(fit.status, FitStatus::Ok, "{what}");
        assert_near(fit.log_likelihood, number(answer, "/log_likelihood"), 1.0, 1e-10, what);
        if fit.classes.len() == 2 {
            assert_all(&fit.coefficients[0], &numbers(answer, "/coefficients/0"), 0.1, 1e-7, what);
            assert_all(&fit.std_errors, &numbers(answer, "/std_errors"), 0.0, 1e-6, what);
            assert_all(&fit.z_values, &numbers(answer, "/z_values"), 0.1, 1e-6, what);
            assert_all(&fit.p_values, &numbers(answer, "/p_values"), 1e-20, 1e-5, what);
            assert_near(fit.aic, number(answer, "/aic"), 1.0, 1e-9, what);
            if !number(answer, "/null_log_likelihood").is_nan() {
                assert_near(fit.null_log_likelihood, number(answer, "/null_log_likelihood"), 1.0, 1e-9, what);
                assert_near(fit.bic, number(answer, "/bic"), 1.0, 1e-9, what);
            }
        } else {
            // There the first class has no coefficients: only differences are the same.
            for class in 1..fit.classes.len() {
                let pairs = fit.coefficients[class].iter().zip(&fit.coefficients[0]);
                let differences: Vec<_> = pairs.map(|(a, b)| Some(a.unwrap() - b.unwrap())).collect();
                let expected = numbers(answer, &format!("/coefficients/{}", class - 1));
                assert_all(&differences, &expected, 0.1, 1e-6, &format!("{what}, class {class}"));
            }
            for term in 0..fit.coefficients[0].len() {
                let sum: f64 = fit.coefficients.iter().map(|list| list[term].unwrap()).sum();
                assert!(sum.abs() < 1e-8, "{what}: {sum}");
            }
        }
    }
}

/// A target that a feature tells perfectly, or for all but the rows where it is zero.
fn separated(quasi: bool, classes: usize) -> Problem {
    let mut problem = Problem::random(21, 90, 2);
    let random = &mut Random::new(22);
    for i in 0..90 {
        let class = i % classes;
        let undecided = quasi && i % 5 == 0;
        problem.features[0][i] = if undecided { 0.0 } else { class as f64 * 10.0 - 5.0 + random.uniform() };
        problem.target[i] = class as f64;
    }
    problem
}

#[test]
fn separation_is_reported_unless_a_penalty_bounds_the_coefficients() {
    for classes in [2, 3] {
        for quasi in [false, true] {
            // The middle of three classes is not at an end of the feature; a corner of two is.
            let mut problem = separated(quasi && classes == 2, classes);
            if classes == 3 {
                problem.features[1] = problem.target.iter().map(|&class| f64::from(u8::from(class == 1.0))).collect();
            }
            for intercept in [true, false] {
                let options = |penalty| LogisticOptions { intercept, penalty, ..LogisticOptions::default() };
                let fit_free = fit(&problem, &options(Penalty::None));
                let what =
                    format!("{classes} classes, quasi {quasi}, intercept {intercept}, {} steps", fit_free.iterations);
                assert_eq!(fit_free.status, FitStatus::Separated, "{what}");
                assert!(fit_free.coefficients.iter().flatten().all(Option::is_none), "{what}");
                assert_eq!(fit_free.probabilities(&[1.0, 1.0]), None);
                for penalty in [Penalty::L2 { c: 1.0 }, Penalty::L1 { c: 1.0 }] {
                    assert_eq!(fit(&problem, &options(penalty)).status, FitStatus::Ok, "{what}");
                }
            }
        }
    }
}

#[test]
fn nearly_separated_classes_are_not_called_separated() {
    let mut problem = separated(false, 2);
    // One row on the wrong side, by little.
    problem.features[0][0] = 4.9;
    let fit = fit(&problem, &LogisticOptions { penalty: Penalty::None, ..LogisticOptions::default() });
    // The others of its class end at −4: every line between has a row on its wrong side.
    assert_eq!(fit.status, FitStatus::Separated, "5 is above all rows of the class below");
    problem.features[0][0] = 5.5;
    problem.features[0][2] = 5.6;
    problem.features[1].fill(0.0);
    problem.features[1][1] = 1.0;
    let options = LogisticOptions { penalty: Penalty::None, ..LogisticOptions::default() };
    let fit = problem.with_rows(|rows| fit_logistic(rows, &options));
    assert_ne!(fit.status, FitStatus::NotConverged);
}

#[test]
fn dependent_features_are_dropped_where_nothing_decides_between_them() {
    let mut problem = classified(Problem::random(31, 100, 4), 2, 131);
    problem.features[2] = problem.features[0].iter().map(|x| 3.0 * x - 1.0).collect();
    let options = |penalty| LogisticOptions { penalty, ..LogisticOptions::default() };
    let free = fit(&problem, &options(Penalty::None));
    assert_eq!((free.status, &free.dropped), (FitStatus::RankDeficient, &vec![2]));
    assert_eq!((free.coefficients[0][3], free.std_errors[3]), (None, None));
    let without = Problem { features: [0, 1, 3].map(|j| problem.features[j].clone()).to_vec(), ..problem.clone() };
    let expected = fit(&without, &options(Penalty::None));
    assert_near(free.log_likelihood, expected.log_likelihood.unwrap(), 1.0, 1e-12, "likelihood");
    assert_eq!(fit(&problem, &options(Penalty::L2 { c: 1.0 })).status, FitStatus::Ok);
}

#[test]
fn groups_at_the_edge_get_an_answer() {
    let options = LogisticOptions::default();
    let mut problem = classified(Problem::random(41, 10, 2), 2, 141);
    problem.target.fill(1.0);
    let fitted = fit(&problem, &options);
    assert_eq!((fitted.status, &fitted.classes), (FitStatus::SingleClass, &vec![1.0]));
    assert_eq!(fitted.predict(&[0.0, 0.0]), None);
    problem.target.clear();
    problem.features.iter_mut().for_each(Vec::clear);
    assert_eq!(fit(&problem, &options).status, FitStatus::TooFewRows);
    let two = Problem { name: String::new(), features: vec![vec![1.0, 2.0]], target: vec![5.0, 3.0], weights: None };
    let fitted = fit(&two, &options);
    assert_eq!((fitted.status, &fitted.classes), (FitStatus::Ok, &vec![3.0, 5.0]));
    assert_eq!((fitted.predict(&[0.0]), fitted.predict(&[3.0])), (Some(5.0), Some(3.0)));
    for bad in [f64::NAN, f64::INFINITY, 1e300] {
        let mut problem = classified(Problem::random(42, 10, 2), 2, 142);
        problem.features[0][1] = bad;
        assert_eq!(fit(&problem, &options).status, FitStatus::NonFinite, "{bad}");
    }
}

#[test]
fn a_constant_feature_costs_nothing() {
    let mut problem = classified(Problem::random(43, 60, 3), 3, 143);
    problem.features[1].fill(0.3);
    for penalty in [Penalty::L2 { c: 1.0 }, Penalty::L1 { c: 1.0 }] {
        let fit = fit(&problem, &LogisticOptions { penalty, ..LogisticOptions::default() });
        assert_eq!(fit.status, FitStatus::Ok);
        assert!(fit.coefficients.iter().all(|list| list[2].is_some_and(|c| c.abs() < 1e-12)), "{fit:?}");
    }
}

#[test]
fn too_few_steps_are_reported() {
    let problem = classified(Problem::random(44, 100, 5), 2, 144);
    let options = LogisticOptions { max_iterations: 1, ..LogisticOptions::default() };
    let fit = fit(&problem, &options);
    assert_eq!((fit.status, fit.iterations), (FitStatus::NotConverged, 1));
    assert!(fit.coefficients[0].iter().all(Option::is_some));
}

#[test]
fn wrong_options_are_named() {
    let wrong = |penalty| LogisticOptions { penalty, ..LogisticOptions::default() }.check().unwrap_err().option;
    assert_eq!(wrong(Penalty::L2 { c: 0.0 }), "c");
    assert_eq!(wrong(Penalty::ElasticNet { c: 1.0, l1_ratio: 1.5 }), "l1_ratio");
}

proptest! {
    #[test]
    fn rows_in_any_order_and_features_in_other_units_fit_the_same(
        seed in 0u64..500, factor in 1e-3..1e3, shift in -50.0..50.0, turn in 1usize..59,
    ) {
        let problem = classified(Problem::random(seed, 60, 2), 2, seed + 1);
        prop_assume!(problem.target.contains(&0.0) && problem.target.contains(&1.0));
        let mut changed = problem.clone().rescaled(0, factor, shift);
        changed.features.iter_mut().for_each(|column| column.rotate_left(turn));
        changed.target.rotate_left(turn);
        let options = LogisticOptions { penalty: Penalty::None, ..LogisticOptions::default() };
        let (fit, changed) = (fit(&problem, &options), fit(&changed, &options));
        prop_assert_eq!(fit.status, changed.status);
        if fit.status == FitStatus::Ok {
            assert_near(changed.coefficients[0][1].map(|c| c * factor), fit.coefficients[0][1].unwrap(), 0.1, 1e-6, "slope");
            assert_near(changed.z_values[1], fit.z_values[1].unwrap(), 0.1, 1e-6, "z");
            assert_near(changed.log_likelihood, fit.log_likelihood.unwrap(), 1.0, 1e-10, "likelihood");
            let total: f64 = fit.probabilities(&[0.3, -0.2]).unwrap().iter().sum();
            prop_assert!((total - 1.0).abs() < 1e-14);
        }
    }
}
