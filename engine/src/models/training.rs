use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shoal_core::job::{Evaluate, GroupedTraining, Model};
use shoal_core::spec::v1alpha1::{self, AlphaPath, OnMissing, Statistics};
use shoal_ml::encode::Encoder;
use shoal_ml::model::Feature;
use shoal_ml::{Alphas, Needs};

use super::estimator::Estimator;
use crate::columns::ResolvedColumns;

/// What the models of a table are of: the variables by their names in the output, and what is fitted to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// What the models explain.
    pub target: String,
    /// Whether the target is true or false; its classes are called so then.
    pub boolean_target: bool,
    /// Whether the target is a text, the name of its class.
    #[serde(default)]
    pub text_target: bool,
    /// What they explain it by, in order: columns of numbers, then the terms of each column of categories.
    pub features: Vec<String>,
    /// Columns of categories, by their names, with what makes terms of them.
    pub encoded: Vec<(String, Encoder)>,
    /// Whether there are such columns; which terms they have may not be known yet.
    pub has_categories: bool,
    /// The SQL expressions, with their aliases, of those that are no columns of the table, by these aliases.
    #[serde(default)]
    pub expressions: BTreeMap<String, String>,
    /// Whether the last variable of a row, after the target, is its weight.
    pub weighted: bool,
    /// Whether rows are trained on in which features are missing.
    #[serde(default)]
    pub keeps_missing: bool,
    /// What is fitted.
    pub estimator: Estimator,
    /// The alphas that each group chooses from, where it does.
    #[serde(default)]
    pub alphas: Option<Alphas>,
    /// What the table says of each model.
    pub statistics: Statistics,
    /// How models are tested, where they are.
    pub folds: Option<Folds>,
}

/// How rows are chosen that a model is tested on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Folds {
    /// By a hash of their values, in so many folds.
    Hashed(u32),
    /// By the value of a column, which comes after the variables.
    Column,
    /// By their order in time, which comes after the variables, in so many folds after what is only trained on.
    Time(u32),
}

impl Folds {
    fn new(evaluate: &Evaluate) -> Self {
        match evaluate {
            Evaluate::Hashed(folds) => Self::Hashed(*folds),
            Evaluate::Column(_) => Self::Column,
            Evaluate::Time(time) => Self::Time(time.folds),
        }
    }
}

fn alphas(spec: &v1alpha1::Alphas) -> Alphas {
    match spec {
        v1alpha1::Alphas { path: Some(AlphaPath { count, smallest }), .. } => {
            Alphas::Path { count: *count as usize, smallest: *smallest }
        }
        v1alpha1::Alphas { values, .. } => Alphas::Values(values.clone().unwrap_or_default()),
    }
}

impl Training {
    /// What a job asks for with that model, of columns that were resolved for it, with the encoders of those of categories once they are
    /// known.
    pub fn new(training: &GroupedTraining, model: &Model, columns: &ResolvedColumns, encoders: &[Encoder]) -> Self {
        let named = columns.categories.iter().map(|column| column.name.clone());
        let encoded: Vec<(String, Encoder)> = named.zip(encoders.iter().cloned()).collect();
        let numbers = columns.features.iter().map(|feature| feature.name.clone());
        let terms = encoded.iter().flat_map(|(name, encoder)| encoder.terms(name));
        let features = columns.features.iter().map(|it| (it.is_column, &it.name, &it.expression));
        let categories = columns.categories.iter().map(|it| (it.is_column, &it.name, &it.expression));
        let target = columns.target.as_ref();
        let expressions = features.chain(categories).filter(|(is_column, ..)| !is_column);
        Self {
            target: target.map(|target| target.name.clone()).unwrap_or_default(),
            boolean_target: target.is_some_and(|target| target.is_boolean),
            text_target: target.is_some_and(|target| target.is_text),
            features: numbers.chain(terms).collect(),
            has_categories: !columns.categories.is_empty(),
            expressions: expressions.map(|(_, name, expression)| (name.clone(), expression.clone())).collect(),
            encoded,
            weighted: columns.weight.is_some(),
            keeps_missing: training.on_missing == OnMissing::Keep,
            estimator: Estimator::new(model),
            alphas: model.alphas().map(alphas),
            statistics: training.statistics,
            folds: training.evaluate.as_ref().map(Folds::new),
        }
    }

    /// What of a group's rows the models are fitted from.
    pub fn needs(&self) -> Needs {
        match self.folds {
            Some(Folds::Time(_)) => Needs::Rows,
            _ if self.weighted => Needs::Rows,
            _ => self.estimator.needs(),
        }
    }

    /// What a model predicts from.
    pub(super) fn predictors(&self) -> Vec<Feature> {
        let terms: usize = self.encoded.iter().map(|(_, encoder)| encoder.term_count()).sum();
        let numbers = self.features[..self.features.len() - terms].iter().map(Feature::number);
        let categories = self.encoded.iter().map(|(name, encoder)| Feature::categories(name, encoder.clone()));
        let made = |feature: Feature| {
            let expression = self.expressions.get(&feature.name).cloned();
            feature.made_by(expression)
        };
        numbers.chain(categories).map(made).collect()
    }

    /// Whether the names of terms say what they are: each is a column of numbers, so that coefficients alone predict.
    pub(super) fn is_told_by_names(&self) -> bool {
        !self.has_categories && self.expressions.is_empty()
    }

    /// What the variables of a row are called, in their order.
    pub fn variable_names(&self) -> Vec<String> {
        let weight = self.weighted.then(|| "the weight".to_owned());
        self.features.iter().cloned().chain([self.target.clone()]).chain(weight).collect()
    }

    /// How many variables a row has: the features, the target, and what it weighs where that differs.
    pub fn variables(&self) -> usize {
        self.features.len() + 1 + usize::from(self.weighted)
    }
}
