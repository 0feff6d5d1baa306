//! The table of right digits in docs/numerics.md holds.

use std::fs;

use shoal_ml::{OlsFit, OlsOptions, Rows, WeightKind, fit_ols, fit_ols_rows};

use crate::nist::{Certified, certified};
use crate::support::moments_of;

/// Certified values have fifteen digits.
const MOST: f64 = 15.0;

/// All eleven sets: the name, the degree of the polynomial of its predictor (0 where it has predictors as they are), and
/// whether the model has an intercept.
const SETS: [(&str, i32, bool); 11] = [
    ("Norris", 1, true),
    ("Pontius", 2, true),
    ("NoInt1", 1, false),
    ("NoInt2", 1, false),
    ("Filip", 10, true),
    ("Longley", 0, true),
    ("Wampler1", 5, true),
    ("Wampler2", 5, true),
    ("Wampler3", 5, true),
    ("Wampler4", 5, true),
    ("Wampler5", 5, true),
];

/// How many digits of the worst value are right, rounded down; 0 where one is missing.
fn digits(actual: &[Option<f64>], expected: impl Iterator<Item = (f64, f64)>) -> u32 {
    let worst = actual.iter().zip(expected).fold(MOST, |worst, (actual, (expected, scale))| {
        let error = (actual.unwrap_or(f64::INFINITY) - expected).abs() / scale.abs();
        worst.min(-error.log10())
    });
    worst.max(0.0) as u32
}

/// The cells of one way of fitting: status, right digits of the coefficients, and of their errors.
fn cells(fit: &OlsFit, expected: &Certified) -> String {
    let coefficients =
        digits(&fit.coefficients, expected.parameters.iter().map(|[estimate, _]| (*estimate, *estimate)));
    // Errors that are certified to be zero are measured by the coefficients they are of.
    let errors = digits(
        &fit.std_errors,
        expected.parameters.iter().map(|[estimate, error]| (*error, if *error == 0.0 { *estimate } else { *error })),
    );
    format!("`{}` | {coefficients} | {errors}", fit.status)
}

/// The predictors and the target.
fn columns(expected: &Certified, degree: i32) -> (Vec<Vec<f64>>, Vec<f64>) {
    let target = expected.data.iter().map(|row| row[0]).collect();
    let columns = if degree > 0 {
        (1..=degree).map(|power| expected.data.iter().map(|row| row[1].powi(power)).collect()).collect()
    } else {
        (1..expected.data[0].len()).map(|j| expected.data.iter().map(|row| row[j]).collect()).collect()
    };
    (columns, target)
}

fn fits(name: &str, degree: i32, intercept: bool) -> (OlsFit, OlsFit, Certified) {
    let expected = certified(name);
    let (columns, target) = columns(&expected, degree);
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let rows = Rows::new(&columns, &target);
    let options = OlsOptions { intercept };
    // Row by row, as aggregates build them, which is a little less accurate than from columns.
    let pushed: Vec<Vec<f64>> =
        (0..target.len()).map(|i| columns.iter().chain([&&target[..]]).map(|column| column[i]).collect()).collect();
    (fit_ols(&moments_of(&pushed), &options), fit_ols_rows(rows, WeightKind::Analytic, &options), expected)
}

/// The numbers of a line of the table, and its words.
fn split(line: &str) -> (Vec<u32>, Vec<String>) {
    let cells = line.split('|').map(str::trim).filter(|cell| !cell.is_empty());
    let (numbers, words): (Vec<_>, Vec<_>) = cells.partition(|cell| cell.parse::<u32>().is_ok());
    (numbers.iter().map(|cell| cell.parse().unwrap()).collect(), words.into_iter().map(str::to_owned).collect())
}

#[test]
fn as_many_digits_are_right_as_the_documentation_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/numerics.md");
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut failed = Vec::new();
    for (name, degree, intercept) in SETS {
        let (moments, rows, expected) = fits(name, degree, intercept);
        let found = format!("| {name} | {} | {} |", cells(&moments, &expected), cells(&rows, &expected));
        println!("{found}   lost at most {:?} and {:?}", moments.digits_lost, rows.digits_lost);
        let stated = text.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap_or_default();
        let ((stated_digits, stated_words), (found_digits, found_words)) = (split(stated), split(&found));
        let as_good = stated_digits.len() == found_digits.len()
            && stated_digits.iter().zip(&found_digits).all(|(stated, found)| found >= stated);
        if !as_good || stated_words != found_words {
            failed.push(format!("stated {stated}\n found {found}"));
        }
    }
    assert!(failed.is_empty(), "docs/numerics.md:\n{}", failed.join("\n"));
}

/// The root of the sum of squares, about the mean where there is an intercept.
fn spread(values: &[f64], intercept: bool) -> f64 {
    let mean = if intercept { values.iter().sum::<f64>() / values.len() as f64 } else { 0.0 };
    values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>().sqrt()
}

#[test]
fn no_more_digits_are_lost_than_a_fit_says() {
    for (name, degree, intercept) in SETS {
        let (moments, rows, expected) = fits(name, degree, intercept);
        let (columns, target) = columns(&expected, degree);
        for fit in [moments, rows] {
            let first_slope = usize::from(intercept);
            // Slopes in deviations of the target per deviation of the feature, and the largest of them.
            let unit = |j: usize| spread(&columns[j], intercept) / spread(&target, intercept);
            let slope = |j: usize| expected.parameters[first_slope + j][0];
            let largest = (0..columns.len()).fold(1.0, |largest: f64, j| largest.max(slope(j).abs() * unit(j)));
            for j in 0..columns.len() {
                let error = (fit.coefficients[first_slope + j].unwrap_or(f64::INFINITY) - slope(j)).abs();
                let right = -(error * unit(j) / largest).log10();
                let promised = 16.0 - fit.digits_lost.unwrap();
                // The certified values and the data themselves are rounded.
                assert!(
                    right >= promised.min(14.0) - 1.0 || promised == 0.0,
                    "{name} {j}: {right} digits, not {promised}"
                );
            }
        }
    }
}
