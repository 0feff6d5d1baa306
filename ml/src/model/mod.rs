//! A fitted model of any estimator: what it needs to predict, how it predicts, and how it is stored.
//!
//! The stored form is described in `docs/model-format.md`: CBOR with maps by name, so that any language reads it. What one
//! version wrote every later one reads; a committed file per estimator checks that.

mod error;
mod feature;
mod format;
mod interval;
mod linear;
mod mean;
mod of_fit;
mod predict;

pub use error::{ModelError, PredictError};
pub use feature::{Feature, FeatureKind, Values};
pub use linear::{LinearMethod, LinearModel, Link, Uncertainty};
pub use mean::MeanModel;
pub use predict::{Interval, Prediction};

use crate::boosting::{BoostedTrees, Loss};
use crate::forest::Forest;

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The column that is predicted.
    pub target: String,
    /// The names of the classes that are predicted, in the order of their probabilities; empty where it is a number.
    pub classes: Vec<String>,
    /// The columns that it predicts from, in their order.
    pub features: Vec<Feature>,
    /// What was fitted.
    pub estimator: Estimator,
}

/// What was fitted.
#[derive(Clone, Debug, PartialEq)]
pub enum Estimator {
    /// A linear combination of terms.
    Linear(LinearModel),
    /// The mean, or the share of each class.
    Mean(MeanModel),
    /// A random forest.
    Forest(Forest),
    /// Boosted trees.
    Boosting(BoostedTrees),
}

impl Model {
    /// The names of the terms that the features become, in their order. Trees count them as their features, linear models
    /// name those that have a coefficient.
    pub fn terms(&self) -> Vec<String> {
        self.features.iter().flat_map(Feature::terms).collect()
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        format::encode(self)
    }

    /// Reads a stored form, checking all that predicting relies on.
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let model = format::decode(bytes)?;
        model.check()?;
        Ok(model)
    }

    /// Whether the parts fit each other.
    pub fn check(&self) -> Result<(), ModelError> {
        let Self { target: _, classes, features, estimator } = self;
        let invalid = |what: &str| Err(ModelError::Invalid(what.to_owned()));
        features.iter().try_for_each(Feature::check)?;
        let predicted = if classes.is_empty() { 1 } else { classes.len() };
        if classes.len() == 1 {
            return invalid("there is a single class");
        }
        let terms: usize = features.iter().map(Feature::term_count).sum();
        match estimator {
            Estimator::Linear(model) => model.check(&self.terms(), classes.len()),
            Estimator::Mean(model) if model.values.len() != predicted => invalid("there is not a value per class"),
            Estimator::Mean(_) => Ok(()),
            Estimator::Forest(model) => {
                if model.trees.width != predicted {
                    return invalid("a leaf has not a value per class");
                }
                if model.trees.is_empty() {
                    return invalid("the forest has no tree");
                }
                Ok(model.trees.check(terms)?)
            }
            Estimator::Boosting(model) => {
                let fits = match model.loss {
                    Loss::Number(_) => classes.is_empty(),
                    Loss::Classes(count) => classes.len() == count,
                };
                if !fits {
                    return invalid("the loss is not one for these classes");
                }
                if model.trees.width != 1 || model.baseline.len() != model.loss.outputs() {
                    return invalid("there is not a baseline per output and a value per leaf");
                }
                Ok(model.trees.check(terms)?)
            }
        }
    }
}
