//! Selects what a training reads.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, cast};
use datafusion::prelude::{DataFrame, SessionContext};
use shoal_core::Failure;

use super::{NumericColumn, ResolvedColumns, expression};
use crate::error::engine_failure;

/// Filters the rows of a table and selects what a training reads: the keys under their own names, cast to their logical
/// types; then the features in order, the target, and what a row weighs where that differs, all as `Float64`.
///
/// Go by position, not by name: a key may be a feature as well, so these are called `__variable_0`, `__variable_1`, ...,
/// with more underscores in front where a key has such a name.
///
/// # Errors
/// The columns do not fit the frame: they were resolved against another table.
pub fn select(ctx: &SessionContext, frame: DataFrame, columns: &ResolvedColumns) -> Result<DataFrame, Failure> {
    let schema = frame.schema().clone();
    let failed = |error| engine_failure(&error);
    let frame = match &columns.filter {
        Some(filter) => {
            let condition = expression::logical(ctx, &schema, filter).map_err(failed)?;
            frame.filter(condition).map_err(failed)?
        }
        None => frame,
    };
    let prefix = free_prefix(columns);
    let mut selected: Vec<Expr> =
        columns.keys.iter().map(|key| cast(column(&key.name), key.data_type.clone()).alias(&key.name)).collect();
    for (index, variable) in columns.variables().enumerate() {
        selected.push(number(ctx, &schema, variable)?.alias(format!("{prefix}variable_{index}")));
    }
    frame.select(selected).map_err(failed)
}

fn number(ctx: &SessionContext, schema: &DFSchema, numeric: &NumericColumn) -> Result<Expr, Failure> {
    let value = if numeric.is_column {
        column(&numeric.expression)
    } else {
        expression::logical(ctx, schema, &numeric.expression).map_err(|error| engine_failure(&error))?
    };
    Ok(cast(value, DataType::Float64))
}

/// A column by its exact name: a name with dots in it is no path.
fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

fn free_prefix(columns: &ResolvedColumns) -> String {
    let mut prefix = "__".to_owned();
    while columns.keys.iter().any(|key| key.name.starts_with(&prefix)) {
        prefix.push('_');
    }
    prefix
}
