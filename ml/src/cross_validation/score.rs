//! Out-of-sample errors.

use serde::{Deserialize, Serialize};

use crate::moments::{Moments, packed_index};
use crate::predict::linear_predictor;
use crate::rows::Rows;
use crate::summary::Summary;

use super::folds::complements;

/// How far predictions are from rows that the model was not fitted on, over all folds together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// The rows that were predicted; those of folds whose complement could not be fitted are not.
    pub rows: u64,
    /// The root of their mean squared error.
    pub rmse: Option<f64>,
    /// Their mean absolute error, where the rows themselves were given.
    pub mae: Option<f64>,
    /// `1 − Σ error² / Σ (y − mean)²`, with the mean of the predicted rows: what scikit-learn's `r2_score` says of
    /// `cross_val_predict`. Below zero where the mean alone predicts better. Missing for a target that does not vary.
    pub r2: Option<f64>,
}

/// `Σ (y − prediction)²` of linear `coefficients` over the rows that `moments` were made of, weighted as they are.
///
/// With `v = [−slopes, 1]`, `C` the centred cross-products and `d` the error at the means it is `vᵀ C v + Σw d²`. That
/// cancels where the errors are small: about as many digits are lost as `1 − R²` has zeros, twice as many as `1 − R` has.
///
/// `None` if nothing was estimated.
///
/// # Panics
///
/// If the coefficients are not those of as many features.
pub fn squared_error<'a>(moments: impl Into<Summary<'a>>, coefficients: &[Option<f64>]) -> Option<f64> {
    let Summary { weight, mean, comoment, .. } = moments.into();
    let width = mean.len() - 1;
    let at_means = mean[width] - linear_predictor(coefficients, &mean[..width])?;
    let slopes = &coefficients[coefficients.len() - width..];
    let direction = |j: usize| if j == width { 1.0 } else { -slopes[j].unwrap_or(0.0) };
    let mut sum = 0.0;
    for i in 0..=width {
        for j in i..=width {
            let twice = if i == j { 1.0 } else { 2.0 };
            sum += twice * direction(i) * direction(j) * comoment[packed_index(width + 1, i, j)];
        }
    }
    let error = sum.max(0.0) + weight * at_means * at_means;
    error.is_finite().then_some(error)
}

/// Fits with `fit` on all folds but one, which gives the coefficients, and scores them on that one, for each of `folds`.
///
/// # Panics
///
/// If `fit` gives coefficients of another number of features.
pub fn cross_validate(folds: &[Moments], mut fit: impl FnMut(Summary<'_>) -> Vec<Option<f64>>) -> CrossValidation {
    let variables = folds.first().map_or(1, |fold| fold.mean.len());
    let mut scored = Moments::new(variables);
    let mut squares = 0.0;
    for (fold, others) in folds.iter().zip(complements(folds)) {
        let coefficients = fit((&others).into());
        if let Some(error) = squared_error(fold, &coefficients) {
            squares += error;
            scored.as_mut().merge(fold.as_ref());
        }
    }
    let last = variables - 1;
    let total = scored.comoment[packed_index(variables, last, last)];
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    CrossValidation {
        rows: scored.as_ref().count,
        rmse: finite((squares / scored.count).sqrt()),
        mae: None,
        r2: finite(1.0 - squares / total),
    }
}

/// As [`cross_validate`], of rows whose fold is in `fold_of`, numbered from 0: the errors are taken row by row, so that
/// there is their mean absolute value too, and none of their digits cancel. Weights are left aside.
///
/// # Panics
///
/// If there is not one fold per row, or `fit` gives coefficients of another number of features.
pub fn cross_validate_rows(
    rows: Rows<'_>,
    fold_of: &[usize],
    mut fit: impl FnMut(Summary<'_>) -> Vec<Option<f64>>,
) -> CrossValidation {
    assert_eq!(fold_of.len(), rows.len(), "there is not one fold per row");
    let width = rows.features().len();
    let mut folds = vec![Moments::new(width + 1); fold_of.iter().max().map_or(0, |last| last + 1)];
    let mut row = vec![0.0; width + 1];
    rows.for_each_row(&mut row, |i, row| folds[fold_of[i]].as_mut().push(row));
    let models: Vec<_> = complements(&folds).iter().map(|others| fit(others.into())).collect();

    let mut scored = Moments::new(1);
    let (mut squares, mut absolute) = (0.0, 0.0);
    rows.for_each_row(&mut row, |i, row| {
        if let Some(expected) = linear_predictor(&models[fold_of[i]], &row[..width]) {
            let error = row[width] - expected;
            squares += error * error;
            absolute += error.abs();
            scored.as_mut().push(&row[width..]);
        }
    });
    let count = scored.count;
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    CrossValidation {
        rows: scored.as_ref().count,
        rmse: finite((squares / count).sqrt()),
        mae: finite(absolute / count),
        r2: finite(1.0 - squares / scored.comoment[0]),
    }
}
