//! The certified values of the NIST Statistical Reference Datasets for linear regression.
//!
//! How many digits a fit reaches is set by how far the residuals are below the data: the moments carry
//! a rounding error of some 1e-16, of which Pontius, with `1 − R² = 1e-7`, keeps 1e-9 in its errors.

use std::fs;

use shoal_ml::{FitStatus, OlsOptions};

use crate::support::{THROUGH_ORIGIN, WITH_INTERCEPT, assert_relative, fit};

/// Where Debian's gretl-data keeps the files as NIST published them.
const DIRECTORY: &str = "/usr/share/gretl/data/nist";

/// The line after which every file has its data, by NIST's layout.
const HEADER_LINES: usize = 60;

pub(crate) struct Certified {
    /// Estimate and standard deviation of each parameter.
    pub(crate) parameters: Vec<[f64; 2]>,
    pub(crate) residual_sd: f64,
    r2: f64,
    /// Infinite where the fit is exact.
    f: f64,
    /// The response first, then the predictors.
    pub(crate) data: Vec<Vec<f64>>,
}

pub(crate) fn certified(name: &str) -> Certified {
    let path = format!("{DIRECTORY}/{name}.dat");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{path}: {error}; install the Debian package gretl-data (apt-get install gretl-data)")
    });
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let (header, data) = lines.split_at(HEADER_LINES);
    let number = |word: &str| word.parse::<f64>().unwrap();
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let value_after = |label: &[&str]| {
        let line = header.iter().find(|words| words.starts_with(label) && is_number(words.last().unwrap()));
        number(line.unwrap().last().unwrap())
    };
    let parameters = header
        .iter()
        .filter_map(|words| match words[..] {
            [name, estimate, deviation] if name.starts_with('B') => {
                Some([estimate.parse().ok()?, deviation.parse().ok()?])
            }
            _ => None,
        })
        .collect();
    Certified {
        parameters,
        residual_sd: value_after(&["Standard", "Deviation"]),
        r2: value_after(&["R-Squared"]),
        f: header
            .iter()
            .find(|words| words.first() == Some(&"Regression") && words.len() == 5)
            .map_or(f64::NAN, |words| if is_number(words[4]) { number(words[4]) } else { f64::INFINITY }),
        data: data
            .iter()
            .filter(|words| !words.is_empty())
            .map(|words| words.iter().map(|word| number(word)).collect())
            .collect(),
    }
}

/// Relative tolerances: of the coefficients, and of whatever is computed from the residuals.
struct Tolerance {
    coefficients: f64,
    errors: f64,
}

fn check(name: &str, options: &OlsOptions, features: fn(&[f64]) -> Vec<f64>, allowed: Tolerance) {
    let expected = certified(name);
    let rows: Vec<Vec<f64>> = expected
        .data
        .iter()
        .map(|row| {
            let mut variables = features(&row[1..]);
            variables.push(row[0]);
            variables
        })
        .collect();
    let fit = fit(&rows, options);

    assert_eq!(fit.status, FitStatus::Ok);
    assert_eq!(fit.coefficients.len(), expected.parameters.len());
    for (term, [estimate, deviation]) in expected.parameters.iter().enumerate() {
        assert_relative(fit.coefficients[term], *estimate, allowed.coefficients);
        assert_relative(fit.std_errors[term], *deviation, allowed.errors);
    }
    assert_relative(fit.sigma, expected.residual_sd, allowed.errors);
    // A variance, so twice the relative error.
    assert_relative(fit.f_value, expected.f, 2.0 * allowed.errors);
    assert_relative(fit.r2, expected.r2, 1e-14);
    assert_eq!(fit.df_residual, Some((expected.data.len() - expected.parameters.len()) as i64));
}

#[test]
fn norris() {
    let allowed = Tolerance { coefficients: 1e-12, errors: 1e-10 };
    check("Norris", &WITH_INTERCEPT, <[f64]>::to_vec, allowed);
}

#[test]
fn pontius() {
    let allowed = Tolerance { coefficients: 1e-11, errors: 5e-9 };
    let quadratic = |x: &[f64]| vec![x[0], x[0] * x[0]];
    check("Pontius", &WITH_INTERCEPT, quadratic, allowed);
}

#[test]
fn no_intercept_1() {
    let allowed = Tolerance { coefficients: 1e-14, errors: 1e-12 };
    check("NoInt1", &THROUGH_ORIGIN, <[f64]>::to_vec, allowed);
}

#[test]
fn no_intercept_2() {
    let allowed = Tolerance { coefficients: 1e-14, errors: 1e-12 };
    check("NoInt2", &THROUGH_ORIGIN, <[f64]>::to_vec, allowed);
}

#[test]
fn longley() {
    let allowed = Tolerance { coefficients: 5e-12, errors: 1e-12 };
    check("Longley", &WITH_INTERCEPT, <[f64]>::to_vec, allowed);
}
