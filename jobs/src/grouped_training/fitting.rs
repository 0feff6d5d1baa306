//! What is made of a group's rows: one of our models, or whatever a user's function returns.

use serde::{Deserialize, Serialize};
use shoal_core::functions::Program;
use shoal_engine::columns::ResolvedColumns;
use shoal_engine::models::{Folds, Training};
use shoal_ml::Needs;
use shoal_ml::encode::Encoder;

/// What is made of a group's rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
// Plans that were stored before there were functions are of models.
#[serde(untagged)]
pub(super) enum Fitting {
    Function(Box<FunctionCall>),
    Model(Box<Training>),
}

/// A function that is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FunctionCall {
    pub(super) program: Program,
}

impl Fitting {
    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Function(_) => Needs::Rows,
            Self::Model(training) => training.needs(),
        }
    }

    /// Columns of a row beside its keys.
    pub(super) fn variables(&self, columns: &ResolvedColumns) -> usize {
        match self {
            Self::Function(_) => columns.frame.iter().filter(|seen| seen.key.is_none()).count(),
            Self::Model(training) => training.variables(),
        }
    }

    /// What variables are called in which no value may be missing, where the job asks for that.
    pub(super) fn variable_names(&self) -> Vec<String> {
        match self {
            Self::Function(_) => Vec::new(),
            Self::Model(training) => training.variable_names(),
        }
    }

    pub(super) fn folds(&self) -> Option<Folds> {
        match self {
            Self::Function(_) => None,
            Self::Model(training) => training.folds,
        }
    }

    pub(super) fn encoders(&self) -> Vec<Encoder> {
        match self {
            Self::Function(_) => Vec::new(),
            Self::Model(training) => training.encoded.iter().map(|(_, encoder)| encoder.clone()).collect(),
        }
    }
}
