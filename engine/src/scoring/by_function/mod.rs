//! Predictions by a function of the user's: rows of a group beside the row that its training's function returned.
//!
//! ```text
//!   models -- keys, status, what was returned --> held in memory --+
//!                                                                  +-- groups with their models --> function --> predictions
//!   rows   -- keys, columns ------> group by group, in messages ---+
//! ```
//!
//! As with models of ours no row is dropped: a group without a model and one that the function fails for are reasons in the
//! output.

mod frames;
mod held;
mod messages;
mod resolve;
mod table;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use datafusion::arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use shoal_core::spec::v1alpha1::Returned;

use super::KeptColumn;
use crate::columns::{FrameColumn, ResolvedColumns};

pub use held::{HeldModels, Met, Without};
pub use messages::{Message, Messages};
pub use resolve::{FunctionRequest, resolve_function};
pub use table::{Predictions, Why};

/// Everything that scoring by a function needs to know beside the two tables and the function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionScoring {
    /// The keys, and what travels of a row: first the columns that the function sees, then those that only the output has.
    pub columns: ResolvedColumns,
    /// How many of these the function sees.
    pub seen: usize,
    /// The columns of the input that the output has.
    pub kept: Vec<KeptFrom>,
    /// The columns of the models that the function gets.
    pub models: Vec<FrameColumn>,
    /// Statuses of models that predict.
    pub statuses: Vec<String>,
    /// What the function returns.
    pub returns: Vec<Returned>,
}

/// A column of the output that is one of the input's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptFrom {
    /// Its place among those that travel.
    pub place: usize,
    /// The column, with its type in the output.
    pub column: KeptColumn,
}

impl FunctionScoring {
    /// The columns of the output.
    pub fn output_schema(&self) -> SchemaRef {
        Predictions::new(self).schema().clone()
    }
}
