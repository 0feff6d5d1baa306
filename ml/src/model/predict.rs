//! Predictions for rows of a table.

use crate::trees::Columns;

use super::error::PredictError;
use super::feature::{Values, design};
use super::linear::LinearModel;
use super::{Estimator, Model};

/// What a model says about some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Values per row: 1 for a number, else a probability per class.
    pub width: usize,
    /// Row-major. NaN where a linear model misses a value of the row.
    pub values: Vec<f64>,
    /// Where each new row's target lies with the probability that was asked for, if the model has that.
    pub interval: Option<Interval>,
}

/// A prediction interval per row.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub lower: Vec<f64>,
    /// The upper end.
    pub upper: Vec<f64>,
}

impl Prediction {
    /// The most likely class of a row, the first of equally likely ones; `None` for numbers and unknown probabilities.
    pub fn class(&self, row: usize) -> Option<usize> {
        let shares = &self.values[row * self.width..(row + 1) * self.width];
        let known = self.width > 1 && shares.iter().all(|share| !share.is_nan());
        known.then(|| (0..self.width).fold(0, |best, class| if shares[class] > shares[best] { class } else { best }))
    }
}

impl Model {
    /// Predicts for `rows` rows, given a column per feature in their order. With a `level`, like 0.95, there is an interval
    /// from the estimators that have one: least squares and the mean.
    pub fn predict(&self, rows: usize, columns: &[Values<'_>], level: Option<f64>) -> Result<Prediction, PredictError> {
        let terms = design(&self.features, columns)?;
        if let (Some(first), Some(feature)) = (columns.first(), self.features.first())
            && first.len() != rows
        {
            return Err(PredictError::Length(feature.name.clone()));
        }
        let terms: Vec<&[f64]> = terms.iter().map(AsRef::as_ref).collect();
        let terms = Columns::new(rows, &terms);
        let width = self.classes.len().max(1);
        let plain = |values| Prediction { width, values, interval: None };
        Ok(match &self.estimator {
            Estimator::Linear(model) => self.predict_linear(model, &terms, level),
            Estimator::Forest(model) => plain(model.predict(&terms)),
            Estimator::Boosting(model) => plain(model.predict(&terms)),
            Estimator::Mean(model) => {
                let values = model.values.repeat(rows);
                let half = level.and_then(|level| model.half_width(level)).filter(|_| self.classes.is_empty());
                let interval = half.map(|half| Interval {
                    lower: values.iter().map(|value| value - half).collect(),
                    upper: values.iter().map(|value| value + half).collect(),
                });
                Prediction { width, values, interval }
            }
        })
    }

    fn predict_linear(&self, model: &LinearModel, terms: &Columns<'_>, level: Option<f64>) -> Prediction {
        // A model that was checked has only terms that its features have.
        let places = model.places(&self.terms()).unwrap_or_default();
        let scale = level.and_then(|level| model.interval_scale(level));
        let width = self.classes.len().max(1);
        let mut values = vec![0.0; terms.rows() * width];
        let mut sums = vec![0.0; model.outputs(self.classes.len())];
        let mut row_values = vec![0.0; places.len()];
        let mut interval = scale.map(|_| Interval { lower: Vec::new(), upper: Vec::new() });
        for (row, prediction) in values.chunks_exact_mut(width).enumerate() {
            for (value, place) in row_values.iter_mut().zip(&places) {
                *value = terms.get(row, *place);
            }
            model.predict(&row_values, &mut sums, prediction);
            if let (Some(scale), Some(interval)) = (scale, &mut interval) {
                let half = scale * model.spread(&row_values);
                interval.lower.push(prediction[0] - half);
                interval.upper.push(prediction[0] + half);
            }
        }
        Prediction { width, values, interval }
    }
}
