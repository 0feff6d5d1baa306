//! What is read of both tables.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, cast};
use datafusion::prelude::{DataFrame, SessionContext};
use shoal_core::Failure;

use super::FunctionScoring;
use crate::columns::KeyColumn;
use crate::columns::scoring::filtered;
use crate::error::engine_failure;
use crate::keys::canonical_key;
use crate::scoring::models_table::STATUS;

impl FunctionScoring {
    /// The rows to predict for: keys, and the columns that travel.
    ///
    /// # Errors
    /// The frame is of another table than the one that was resolved against.
    pub fn rows_frame(&self, ctx: &SessionContext, frame: DataFrame) -> Result<DataFrame, Failure> {
        let frame = filtered(ctx, frame, self.columns.filter.as_deref())?;
        let columns = self.columns.frame.iter().enumerate();
        let columns = columns
            .map(|(place, seen)| cast(column(&seen.name), seen.data_type.clone()).alias(format!("column_{place}")));
        frame
            .select(keys(&self.columns.keys).chain(columns).collect::<Vec<Expr>>())
            .map_err(|error| engine_failure(&error))
    }

    /// The models: keys, status, and what the function gets of each.
    ///
    /// # Errors
    /// As [`FunctionScoring::rows_frame`].
    pub fn models_frame(&self, frame: DataFrame) -> Result<DataFrame, Failure> {
        let status = cast(column(STATUS), DataType::Utf8).alias(STATUS);
        let models = self.models.iter().enumerate();
        let models =
            models.map(|(place, own)| cast(column(&own.name), own.data_type.clone()).alias(format!("model_{place}")));
        let selected: Vec<Expr> = keys(&self.columns.keys).chain([status]).chain(models).collect();
        frame.select(selected).map_err(|error| engine_failure(&error))
    }
}

/// The keys, as those of both tables compare.
fn keys(keys: &[KeyColumn]) -> impl Iterator<Item = Expr> {
    keys.iter().enumerate().map(|(place, key)| {
        let value = cast(column(&key.name), key.data_type.clone());
        canonical_key(value.clone(), &key.data_type).unwrap_or(value).alias(format!("key_{place}"))
    })
}

/// A column by its exact name.
fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}
