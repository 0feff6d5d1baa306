//! Random problems, the same ones in every run.

use serde_json::{Value, json};
use shoal_ml::Rows;
use shoal_testkit::Numbers;

/// A source of numbers for problems.
pub(crate) struct Random(Numbers);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Numbers::new(seed))
    }

    /// From 0 to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.uniform()
    }

    /// Mean 0, variance 1; Box and Muller's.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

/// A table to fit.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) name: String,
    pub(crate) features: Vec<Vec<f64>>,
    pub(crate) target: Vec<f64>,
    pub(crate) weights: Option<Vec<f64>>,
}

impl Problem {
    /// `features` correlated columns of normal values, and a target that they explain in part.
    pub(crate) fn random(seed: u64, rows: usize, features: usize) -> Self {
        let random = &mut Random::new(seed);
        let mut columns = vec![Vec::with_capacity(rows); features];
        let mut target = Vec::with_capacity(rows);
        let slopes: Vec<f64> = (0..features).map(|j| if j % 3 == 2 { 0.0 } else { random.normal() }).collect();
        for _ in 0..rows {
            let shared = random.normal();
            let mut sum = 0.5 + 0.7 * random.normal();
            for (column, slope) in columns.iter_mut().zip(&slopes) {
                let value = random.normal() + 0.5 * shared;
                sum += slope * value;
                column.push(value);
            }
            target.push(sum);
        }
        let name = format!("{rows} rows x {features} features of seed {seed}");
        Self { name, features: columns, target, weights: None }
    }

    /// Each feature in other units.
    pub(crate) fn rescaled(mut self, feature: usize, factor: f64, shift: f64) -> Self {
        self.name = format!("{} with feature {feature} times {factor:e} plus {shift:e}", self.name);
        self.features[feature].iter_mut().for_each(|value| *value = *value * factor + shift);
        self
    }

    /// The target made of what was the target.
    pub(crate) fn target(mut self, mut f: impl FnMut(f64) -> f64) -> Self {
        self.target.iter_mut().for_each(|value| *value = f(*value));
        self
    }

    /// With weights between a fifth and five.
    pub(crate) fn weighted(mut self, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        self.weights = Some(self.target.iter().map(|_| 5f64.powf(2.0 * random.uniform() - 1.0)).collect());
        self.name = format!("{}, weighted", self.name);
        self
    }

    /// Calls `f` with the rows as an estimator takes them.
    pub(crate) fn with_rows<T>(&self, f: impl FnOnce(Rows<'_>) -> T) -> T {
        let columns: Vec<&[f64]> = self.features.iter().map(Vec::as_slice).collect();
        let rows = Rows::new(&columns, &self.target);
        f(match &self.weights {
            Some(weights) => rows.with_weights(weights),
            None => rows,
        })
    }

    /// The question to an oracle, with its options added.
    pub(crate) fn ask(&self, options: Value) -> Value {
        let Self { name, features, target, weights } = self;
        json!({"name": name, "features": features, "target": target, "weights": weights, "options": options})
    }
}
