//! Predictions of a least squares fit, with intervals.

use serde::{Deserialize, Serialize};

use crate::distributions::student_t_two_sided_quantile;
use crate::model::Uncertainty;
use crate::predict::linear_predictor;
use crate::summary::Summary;

use super::cholesky::Factor;
use super::cross_products::CrossProducts;
use super::fit::OlsFit;

/// What a fit has to keep for predictions with intervals: its coefficients, and how sure it is of them in every
/// direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OlsPredictor {
    coefficients: Vec<Option<f64>>,
    /// The residual standard deviation and its degrees of freedom, where there were rows to estimate it.
    sigma: Option<f64>,
    df_residual: Option<i64>,
    /// What the rows weigh together, if there is an intercept.
    weight: Option<f64>,
    /// Per kept feature: which it is, what is subtracted from it, and what it is then divided by.
    kept: Vec<(usize, f64, f64)>,
    /// The lower triangular factor of the scaled cross-products of the kept features, by rows.
    factor: Vec<Vec<f64>>,
}

/// What an interval is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalOf {
    /// The expectation at the features: how sure the model is of its line.
    Mean,
    /// A new observation of weight 1 there: this and how far observations are from the line.
    Observation,
}

/// A prediction, and the interval around it where its width is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// What the model expects.
    pub value: f64,
    /// The lower and the upper end of the interval.
    pub interval: Option<(f64, f64)>,
}

impl OlsPredictor {
    /// The predictor of a fit and the moments it was made of. `None` if it estimated nothing.
    pub fn new<'a>(moments: impl Into<Summary<'a>>, fit: &OlsFit) -> Option<Self> {
        let summary = moments.into();
        let width = summary.mean.len() - 1;
        let intercept = fit.coefficients.len() > width;
        linear_predictor(&fit.coefficients, &vec![0.0; width])?;
        let products = CrossProducts::new(summary, intercept)?;
        let factor = Factor::new(&products);
        let center = |k: usize| if intercept { summary.mean[k] } else { 0.0 };
        // A fit over rows may keep what the moments cannot tell from a dependent feature: its errors are not theirs.
        let same_features = factor.dropped == fit.dropped;
        Some(Self {
            coefficients: fit.coefficients.clone(),
            sigma: fit.sigma.filter(|_| same_features),
            df_residual: fit.df_residual,
            weight: intercept.then_some(summary.weight),
            kept: factor.kept.iter().map(|&k| (k, center(k), products.scale[k])).collect(),
            factor: factor.rows.into_iter().map(|row| row.into_vec()).collect(),
        })
    }

    /// What a stored model keeps of how sure the fit is: `(XᵀX)⁻¹` about zero, over the intercept and the kept features.
    /// `None` where no error was estimated.
    pub fn uncertainty(&self) -> Option<Uncertainty> {
        let (sigma, df) = (self.sigma?, self.df_residual.filter(|df| *df > 0)?);
        let constant = usize::from(self.weight.is_some());
        let size = self.kept.len() + constant;
        // Column `c` of the factor's inverse, of features that are centred and scaled: C⁻¹ = Σ column columnᵀ.
        let rank = self.kept.len();
        let columns: Vec<Vec<f64>> =
            (0..rank).map(|c| self.solve((0..rank).map(|r| f64::from(u8::from(r == c))))).collect();
        let to_origin = self.solve(self.kept.iter().map(|&(_, center, scale)| -center / scale));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |sum, (a, b)| a.mul_add(*b, sum));
        let mut inverse_gram = Vec::with_capacity(size * (size + 1) / 2);
        if let Some(weight) = self.weight {
            inverse_gram.push(1.0 / weight + dot(&to_origin, &to_origin));
            inverse_gram.extend(columns.iter().zip(&self.kept).map(|(column, kept)| dot(&to_origin, column) / kept.2));
        }
        for (i, (row, (_, _, row_scale))) in columns.iter().zip(&self.kept).enumerate() {
            let rest = columns[i..].iter().zip(&self.kept[i..]);
            inverse_gram.extend(rest.map(|(column, (_, _, scale))| dot(row, column) / row_scale / scale));
        }
        let is_finite = inverse_gram.iter().all(|value| value.is_finite());
        is_finite.then_some(Uncertainty { sigma, df: df as f64, inverse_gram })
    }

    /// `L⁻¹ b`.
    fn solve(&self, b: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut solved: Vec<f64> = Vec::with_capacity(self.kept.len());
        for (row, value) in self.factor.iter().zip(b) {
            let left = row.iter().zip(&solved).fold(value, |left, (l, s)| (-l).mul_add(*s, left));
            solved.push(left / row[solved.len()]);
        }
        solved
    }

    /// What the model expects of a row with these features.
    ///
    /// # Panics
    ///
    /// If there are not as many as the fit had.
    pub fn predict(&self, features: &[f64]) -> Option<f64> {
        linear_predictor(&self.coefficients, features)
    }

    /// Predictions with intervals that hold what is asked for in a share `confidence` of all cases.
    ///
    /// # Panics
    ///
    /// If `confidence` is not between 0 and 1.
    pub fn intervals(&self, confidence: f64, of: IntervalOf) -> Intervals<'_> {
        assert!(confidence > 0.0 && confidence < 1.0, "a confidence is between 0 and 1");
        let df = self.df_residual.filter(|df| *df > 0);
        let deviations = df.map(|df| student_t_two_sided_quantile(1.0 - confidence, df as f64));
        Intervals { predictor: self, of, deviations }
    }

    /// The variance of the expectation at these features, for a residual variance of 1:
    /// `1/Σw + (x − mean)ᵀ C⁻¹ (x − mean)`.
    fn unit_variance(&self, features: &[f64]) -> f64 {
        let centred = self.kept.iter().map(|&(k, center, scale)| (features[k] - center) / scale);
        let about_means = self.weight.map_or(0.0, |weight| 1.0 / weight);
        self.solve(centred).iter().fold(about_means, |variance, value| value.mul_add(*value, variance))
    }
}

/// What makes predictions with intervals; made by [`OlsPredictor::intervals`], so that Student's t is looked up once.
#[derive(Clone, Copy, Debug)]
pub struct Intervals<'a> {
    predictor: &'a OlsPredictor,
    of: IntervalOf,
    /// Half of the interval's width, in standard deviations.
    deviations: Option<f64>,
}

impl Intervals<'_> {
    /// The prediction for a row with these features: `value ± t sigma √variance`, where the variance is that of the
    /// expectation, or for an observation 1 more.
    ///
    /// # Panics
    ///
    /// If there are not as many features as the fit had.
    pub fn predict(&self, features: &[f64]) -> Option<Prediction> {
        let value = self.predictor.predict(features)?;
        let half = self.deviations.zip(self.predictor.sigma).map(|(deviations, sigma)| {
            let own = match self.of {
                IntervalOf::Mean => 0.0,
                IntervalOf::Observation => 1.0,
            };
            deviations * sigma * (own + self.predictor.unit_variance(features)).sqrt()
        });
        let interval = half.filter(|half| half.is_finite()).map(|half| (value - half, value + half));
        Some(Prediction { value, interval })
    }
}
