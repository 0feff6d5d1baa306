//! Generalised linear models.

use proptest::prelude::*;
use serde_json::json;
use shoal_ml::{Family, FitStatus, GlmFit, GlmOptions, Link, fit_glm};

use crate::oracle::{ask, assert_all, assert_near, number, numbers};
use crate::problem::{Problem, Random};

/// A random target of the family, whose expectation the first features explain.
fn drawn(problem: Problem, family: Family, seed: u64) -> Problem {
    let random = &mut Random::new(seed);
    let name = format!("{}, {family:?}", problem.name);
    let mut problem = problem.target(|y| {
        let mean = (0.5 + y / 4.0).exp();
        match family {
            // Knuth's: how many uniform values can be multiplied until the product is below e^-mean.
            Family::Poisson => {
                let (mut product, mut count) = (random.uniform(), 0.0);
                while product > (-mean).exp() {
                    product *= random.uniform();
                    count += 1.0;
                }
                count
            }
            Family::Gamma => mean * -(random.uniform() * random.uniform() * random.uniform()).ln() / 3.0,
            Family::Binomial => f64::from(u8::from(random.uniform() < 1.0 / (1.0 + (-y).exp()))),
        }
    });
    problem.name = name;
    problem
}

fn shapes() -> Vec<Problem> {
    vec![
        Problem::random(1, 100, 3),
        Problem::random(2, 300, 6),
        Problem::random(3, 30, 1),
        Problem::random(4, 120, 2).weighted(5),
        Problem::random(6, 150, 2).rescaled(0, 1e-3, 5.0).rescaled(1, 1e4, 0.0),
    ]
}

fn fit(problem: &Problem, options: &GlmOptions) -> GlmFit {
    problem.with_rows(|rows| fit_glm(rows, options))
}

#[test]
fn fits_are_those_of_statsmodels() {
    let models = [
        (Family::Poisson, Link::Log, true),
        (Family::Poisson, Link::Log, false),
        (Family::Gamma, Link::Log, true),
        (Family::Gamma, Link::Inverse, true),
        (Family::Binomial, Link::Logit, true),
        (Family::Binomial, Link::Logit, false),
        (Family::Binomial, Link::Probit, true),
    ];
    let mut questions = Vec::new();
    let mut cases = Vec::new();
    for shape in shapes() {
        for (seed, (family, link, intercept)) in models.into_iter().enumerate() {
            let mut problem = drawn(shape.clone(), family, seed as u64 + 50);
            if link == Link::Inverse {
                // What the inverse is to be above zero of is no larger than this.
                let largest = problem.target.iter().copied().fold(0.0, f64::max);
                problem = problem.target(|y| y + largest);
            }
            let asked = json!({"family": family, "link": link, "intercept": intercept});
            let options = GlmOptions { link: Some(link), intercept, ..GlmOptions::new(family) };
            cases.push((format!("{}, {asked}", problem.name), fit(&problem, &options)));
            questions.push(problem.ask(asked));
        }
    }
    for (answer, (what, fit)) in ask("glm.py", &questions).iter().zip(&cases) {
        assert_eq!(fit.status, FitStatus::Ok, "{what}");
        let errors = numbers(answer, "/std_errors");
        for (term, error) in errors.iter().enumerate() {
            let expected = numbers(answer, "/coefficients")[term];
            assert_near(fit.coefficients[term], expected, *error, 1e-7, &format!("{what}, term {term}"));
        }
        assert_all(&fit.std_errors, &errors, 0.0, 1e-6, what);
        assert_all(&fit.z_values, &numbers(answer, "/z_values"), 0.1, 1e-6, what);
        assert_all(&fit.p_values, &numbers(answer, "/p_values"), 1e-20, 1e-4, what);
        for (name, value) in [
            ("deviance", fit.deviance),
            ("null_deviance", fit.null_deviance),
            ("pearson_chi2", fit.pearson_chi2),
            ("dispersion", fit.dispersion),
            ("df_residual", fit.df_residual),
            ("log_likelihood", fit.log_likelihood),
            ("aic", fit.aic),
        ] {
            assert_near(value, number(answer, &format!("/{name}")), 1e-3, 1e-7, &format!("{what}: {name}"));
        }
        for (i, expected) in numbers(answer, "/expected").into_iter().enumerate() {
            let row = numbers(answer, &format!("/rows/{i}"));
            assert_near(fit.predict(&row), expected, 1e-3, 1e-6, &format!("{what}: row {i}"));
        }
    }
}

#[test]
fn a_step_that_overshoots_is_halved_until_it_does_not() {
    // Without an intercept full steps leave for expectations that no float has; statsmodels gives up.
    let problem = drawn(Problem::random(2, 300, 6), Family::Gamma, 53);
    let options = GlmOptions { link: Some(Link::Log), intercept: false, ..GlmOptions::new(Family::Gamma) };
    let fit = fit(&problem, &options);
    assert_eq!(fit.status, FitStatus::Ok);
    // At the maximum the residuals are orthogonal to the features.
    for column in &problem.features {
        let pull: f64 = (0..300)
            .map(|i| {
                let row: Vec<f64> = problem.features.iter().map(|column| column[i]).collect();
                let mu = fit.predict(&row).unwrap();
                column[i] * (problem.target[i] - mu) / mu
            })
            .sum();
        assert!(pull.abs() < 1e-4, "{pull}");
    }
}

#[test]
fn a_feature_of_only_zeros_is_separated() {
    let mut problem = drawn(Problem::random(11, 60, 2), Family::Poisson, 12);
    for i in 0..60 {
        problem.features[1][i] = f64::from(u8::from(i % 6 == 0));
        if i % 6 == 0 {
            problem.target[i] = 0.0;
        }
    }
    let poisson = fit(&problem, &GlmOptions::new(Family::Poisson));
    assert_eq!((poisson.status, poisson.coefficients), (FitStatus::Separated, vec![None; 3]), "{}", poisson.iterations);
    let shares = problem.clone().target(|y| y.min(1.0));
    for link in [Link::Logit, Link::Probit] {
        let options = GlmOptions { link: Some(link), ..GlmOptions::new(Family::Binomial) };
        assert_eq!(fit(&shares, &options).status, FitStatus::Separated, "{link:?}");
    }
    problem.target.fill(0.0);
    assert_eq!(fit(&problem, &GlmOptions::new(Family::Poisson)).status, FitStatus::Separated);
}

#[test]
fn targets_that_have_no_likelihood_are_refused() {
    for (family, bad) in [(Family::Poisson, -1.0), (Family::Gamma, 0.0), (Family::Binomial, 1.5)] {
        let mut problem = drawn(Problem::random(21, 20, 1), family, 22);
        problem.target[7] = bad;
        assert_eq!(fit(&problem, &GlmOptions::new(family)).status, FitStatus::InvalidTarget, "{family:?}");
        // Unless the row does not count.
        problem.weights = Some((0..20).map(|i| f64::from(u8::from(i != 7))).collect());
        assert_eq!(fit(&problem, &GlmOptions::new(family)).status, FitStatus::Ok, "{family:?}");
    }
    let wrong = GlmOptions { link: Some(Link::Probit), ..GlmOptions::new(Family::Poisson) };
    assert_eq!(wrong.check().unwrap_err().option, "link");
}

#[test]
fn groups_at_the_edge_get_an_answer() {
    for family in [Family::Poisson, Family::Gamma, Family::Binomial] {
        let options = GlmOptions::new(family);
        let mut problem = drawn(Problem::random(31, 40, 3), family, 32);
        problem.features[2] = problem.features[0].iter().map(|x| 2.0 - x).collect();
        let fitted = fit(&problem, &options);
        assert_eq!((fitted.status, fitted.dropped), (FitStatus::RankDeficient, vec![2]));
        assert_eq!((fitted.coefficients[3], fitted.std_errors[3]), (None, None));
        problem.features[0][0] = f64::NAN;
        assert_eq!(fit(&problem, &options).status, FitStatus::NonFinite);
        let few = drawn(Problem::random(33, 2, 3), family, 34);
        assert_eq!(fit(&few, &options).status, FitStatus::TooFewRows);
        let slow = drawn(Problem::random(35, 100, 3), family, 36);
        let slow = fit(&slow, &GlmOptions { max_iterations: 1, ..options });
        assert_eq!((slow.status, slow.iterations), (FitStatus::NotConverged, 1));
    }
}

proptest! {
    #[test]
    fn a_feature_in_other_units_changes_only_its_own_slope(
        seed in 0u64..500, factor in 1e-3..1e3, shift in -50.0..50.0,
        family in prop_oneof![Just(Family::Poisson), Just(Family::Gamma)],
    ) {
        let problem = drawn(Problem::random(seed, 60, 2), family, seed + 1);
        let changed = problem.clone().rescaled(0, factor, shift);
        let options = GlmOptions { link: Some(Link::Log), ..GlmOptions::new(family) };
        let (fit, changed) = (fit(&problem, &options), fit(&changed, &options));
        prop_assert_eq!((fit.status, changed.status), (FitStatus::Ok, FitStatus::Ok));
        assert_near(changed.coefficients[1].map(|c| c * factor), fit.coefficients[1].unwrap(), 0.1, 1e-7, "slope");
        assert_near(changed.coefficients[2], fit.coefficients[2].unwrap(), 0.1, 1e-7, "other slope");
        assert_near(changed.z_values[1], fit.z_values[1].unwrap(), 0.1, 1e-7, "z");
        assert_near(changed.deviance, fit.deviance.unwrap(), 1.0, 1e-10, "deviance");
    }
}
