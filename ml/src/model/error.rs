//! What can be wrong with a stored model, and with the rows that one is asked about.

use crate::encode::EncodeError;
use crate::trees::EnsembleError;

/// Why bytes are not a model that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The bytes do not begin as a stored model does.
    #[error("this is not a stored model")]
    NotAModel,
    /// The bytes end in the middle.
    #[error("the stored model ends in the middle")]
    Truncated,
    /// The bytes are not what the format says at some place.
    #[error("the stored model is damaged at byte {0}")]
    Damaged(usize),
    /// An estimator that this version does not have.
    #[error("the stored model is of the estimator {0:?}, which this version does not have")]
    UnknownEstimator(String),
    /// A later version wrote it.
    #[error("the stored {estimator} has version {found} of its format, and this version reads up to {supported}")]
    NewerVersion {
        /// The estimator's name.
        estimator: String,
        /// The version that the model says.
        found: u64,
        /// The latest version that is read.
        supported: u64,
    },
    /// A field is not there, or is not of its type.
    #[error("the field {field:?} of the stored model is missing or not {expected}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// The fields do not fit each other.
    #[error("the stored model contradicts itself: {0}")]
    Invalid(String),
    /// The nodes are no trees.
    #[error("the stored trees contradict themselves")]
    Trees(#[from] EnsembleError),
}

/// Why a model cannot predict for some rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredictError {
    /// Not a column per feature.
    #[error("the model has {expected} features and was given {found} columns")]
    Columns {
        /// Features of the model.
        expected: usize,
        /// Columns that were given.
        found: usize,
    },
    /// A column has another length than the first.
    #[error("the column of the feature {0:?} has another length than the others")]
    Length(String),
    /// Numbers for a feature of categories, or the other way round.
    #[error("the feature {feature:?} takes {expected}")]
    Kind {
        /// The feature's name.
        feature: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A category cannot be encoded.
    #[error("the feature {feature:?} cannot be encoded")]
    Encode {
        /// The feature's name.
        feature: String,
        /// Why.
        source: EncodeError,
    },
}
