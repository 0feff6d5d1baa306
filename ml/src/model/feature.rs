//! From the columns of a table to the terms of a model.

use std::borrow::Cow;

use crate::encode::Encoder;

use super::error::{ModelError, PredictError};

/// A column that a model predicts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The column's name, or the alias of the expression.
    pub name: String,
    /// The SQL expression with its alias that makes its values, where it is no column of the table that was trained on. It
    /// may read a column of its own name: `ln(capital) AS capital`.
    pub expression: Option<String>,
    /// What it holds.
    pub kind: FeatureKind,
}

/// What a column holds, and how it becomes terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureKind {
    /// Numbers, which are a term as they are.
    Number,
    /// Categories.
    Categories(Encoder),
}

/// The values of a column.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Numbers; a missing one is NaN.
    Numbers(&'a [f64]),
    /// Categories, some of them missing.
    Categories(&'a [Option<&'a str>]),
}

impl Values<'_> {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Categories(values) => values.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Feature {
    /// A column of numbers.
    pub fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), expression: None, kind: FeatureKind::Number }
    }

    /// A column of categories.
    pub fn categories(name: impl Into<String>, encoder: Encoder) -> Self {
        Self { name: name.into(), expression: None, kind: FeatureKind::Categories(encoder) }
    }

    /// The same feature, made by that expression where there is one.
    #[must_use]
    pub fn made_by(self, expression: Option<String>) -> Self {
        Self { expression, ..self }
    }

    /// The names of the terms that it becomes.
    pub fn terms(&self) -> Vec<String> {
        match &self.kind {
            FeatureKind::Number => vec![self.name.clone()],
            FeatureKind::Categories(encoder) => encoder.terms(&self.name),
        }
    }

    pub(super) fn term_count(&self) -> usize {
        match &self.kind {
            FeatureKind::Number => 1,
            FeatureKind::Categories(encoder) => encoder.term_count(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ModelError> {
        match &self.kind {
            FeatureKind::Categories(
                Encoder::OneHot { categories, drop_first: _, unknown: _ } | Encoder::Ordinal { categories, unknown: _ },
            ) if !categories.is_sorted_by(|a, b| a < b) => {
                Err(ModelError::Invalid(format!("the categories of {:?} are not sorted", self.name)))
            }
            // The number of terms is what a reader sets aside room for; a damaged file must not choose it freely.
            FeatureKind::Categories(Encoder::Hash { buckets }) if *buckets == 0 || *buckets > MAX_BUCKETS => {
                Err(ModelError::Invalid(format!("{:?} is hashed into {buckets} buckets", self.name)))
            }
            FeatureKind::Number | FeatureKind::Categories(_) => Ok(()),
        }
    }
}

/// Buckets of a hashed column at most: each is a column of numbers while rows are predicted for.
const MAX_BUCKETS: u32 = 1 << 16;

/// The columns of all terms, those of numbers as they were given.
pub(super) fn design<'a>(features: &[Feature], columns: &[Values<'a>]) -> Result<Vec<Cow<'a, [f64]>>, PredictError> {
    if features.len() != columns.len() {
        return Err(PredictError::Columns { expected: features.len(), found: columns.len() });
    }
    let mut terms = Vec::new();
    for (feature, values) in features.iter().zip(columns) {
        if columns.first().is_some_and(|first| first.len() != values.len()) {
            return Err(PredictError::Length(feature.name.clone()));
        }
        let wrong_kind = |expected| PredictError::Kind { feature: feature.name.clone(), expected };
        match (&feature.kind, values) {
            (FeatureKind::Number, Values::Numbers(values)) => terms.push(Cow::Borrowed(*values)),
            (FeatureKind::Categories(encoder), Values::Categories(values)) => {
                let encoded = encoder.encode(values);
                let failed = |source| PredictError::Encode { feature: feature.name.clone(), source };
                terms.extend(encoded.map_err(failed)?.into_iter().map(Cow::Owned));
            }
            (FeatureKind::Number, Values::Categories(_)) => return Err(wrong_kind("numbers")),
            (FeatureKind::Categories(_), Values::Numbers(_)) => return Err(wrong_kind("categories")),
        }
    }
    Ok(terms)
}
