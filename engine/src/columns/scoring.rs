//! What a scoring reads of a table.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{DataFrame, SessionContext};
use shoal_core::{Failure, Reason};

use super::expression::{self as expressions, Resolved};
use super::{Table, is_number, names};
use crate::error::engine_failure;
use crate::keys::logical_type;

pub(crate) use super::frame::plain_type;
pub(crate) use super::names::storable;

/// A feature as the input has it.
pub(crate) struct FeatureText {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) is_column: bool,
    data_type: DataType,
}

impl FeatureText {
    /// Refuses what is no number.
    pub(crate) fn check_number(&self) -> Result<(), Failure> {
        if is_number(&self.data_type) {
            return Ok(());
        }
        Err(names::not_numeric(&self.name, &self.expression, &self.data_type, self.is_column))
    }

    /// Refuses what is no category.
    pub(crate) fn check_category(&self) -> Result<(), Failure> {
        if logical_type(&self.data_type).is_some() {
            return Ok(());
        }
        Err(Failure::new(
            Reason::InvalidValue,
            format!("the models take categories from `{}`, which is {}", self.name, self.data_type),
        )
        .column(&self.name)
        .next("give texts, numbers, booleans or dates, as the training did"))
    }
}

/// The column of that exact name, or the expression with its alias.
pub(crate) fn feature(ctx: &SessionContext, schema: &Schema, text: &str) -> Result<FeatureText, Failure> {
    let Resolved { name, expr: _, data_type, is_column } = Table::new(ctx, schema)?.resolve(text)?;
    Ok(FeatureText { name, expression: text.to_owned(), is_column, data_type })
}

/// The type of a column.
pub(crate) fn data_type(schema: &Schema, name: &str) -> Result<DataType, Failure> {
    match schema.field_with_name(name) {
        Ok(field) => Ok(field.data_type().clone()),
        Err(_) => Err(Table::new(&SessionContext::new(), schema)?.no_column(name)),
    }
}

/// The condition, where it is one.
pub(crate) fn filter(ctx: &SessionContext, schema: &Schema, text: Option<&str>) -> Result<Option<String>, Failure> {
    let table = Table::new(ctx, schema)?;
    text.map(|text| table.filter(text)).transpose()
}

/// The rows for which the condition is true.
pub(crate) fn filtered(ctx: &SessionContext, frame: DataFrame, text: Option<&str>) -> Result<DataFrame, Failure> {
    let failed = |error| engine_failure(&error);
    let Some(text) = text else { return Ok(frame) };
    let condition = expressions::logical(ctx, frame.schema(), text).map_err(failed)?;
    frame.filter(condition).map_err(failed)
}

/// An expression over a table that it is known to fit.
pub(crate) fn expression(ctx: &SessionContext, schema: &DFSchema, text: &str) -> Result<Expr, DataFusionError> {
    expressions::logical(ctx, schema, text)
}
