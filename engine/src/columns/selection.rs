//! Selects what a training reads.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::prelude::{DataFrame, SessionContext};
use shoal_core::Failure;
use shoal_ml::encode::Encoder;

use super::encoding::term_exprs;
use super::{CategoryColumn, FoldColumn, NumericColumn, ResolvedColumns, TargetColumn, expression};
use crate::error::engine_failure;

/// Filters the rows of a table and selects what a training reads: the keys under their own names, cast to their logical
/// types; then the features in order, the terms of the categories that there are encoders for, the target, and what a row
/// weighs where that differs, all as `Float64`, but a target of texts as `Utf8`; and last, where a column says which fold a
/// row is of, a point in time as `Float64` or another value as `Utf8`. For a function, what it sees beside the keys takes the
/// place of all these.
///
/// Go by position, not by name: a key may be a feature as well, so these are called `__variable_0`, `__variable_1`, ...,
/// and `__fold`, with more underscores in front where a key has such a name.
///
/// # Errors
/// The columns do not fit the frame: they were resolved against another table.
pub fn select(
    ctx: &SessionContext,
    frame: DataFrame,
    columns: &ResolvedColumns,
    encoders: &[Encoder],
) -> Result<DataFrame, Failure> {
    let schema = frame.schema().clone();
    let failed = |error| engine_failure(&error);
    let frame = filtered(ctx, frame, columns)?;
    let prefix = free_prefix(columns);
    let mut selected: Vec<Expr> =
        columns.keys.iter().map(|key| cast(column(&key.name), key.data_type.clone()).alias(&key.name)).collect();
    let mut variables: Vec<Expr> = Vec::new();
    for feature in &columns.features {
        variables.push(number(ctx, &schema, feature)?);
    }
    for (category, encoder) in columns.categories.iter().zip(encoders) {
        variables.extend(term_exprs(&category_value(ctx, &schema, category)?, encoder));
    }
    if let Some(target) = &columns.target {
        variables.push(target_value(ctx, &schema, target)?);
    }
    // Keys come along anyway.
    for seen in columns.frame.iter().filter(|seen| seen.key.is_none()) {
        variables.push(cast(column(&seen.name), seen.data_type.clone()));
    }
    if let Some(weight) = &columns.weight {
        variables.push(number(ctx, &schema, weight)?);
    }
    let named = variables.into_iter().enumerate();
    selected.extend(named.map(|(index, variable)| variable.alias(format!("{prefix}variable_{index}"))));
    if let Some(fold) = &columns.fold {
        selected.push(fold_value(ctx, &schema, fold)?.alias(format!("{prefix}fold")));
    }
    frame.select(selected).map_err(failed)
}

fn filtered(ctx: &SessionContext, frame: DataFrame, columns: &ResolvedColumns) -> Result<DataFrame, Failure> {
    let Some(filter) = &columns.filter else { return Ok(frame) };
    let condition = expression::logical(ctx, frame.schema(), filter);
    condition.and_then(|condition| frame.filter(condition)).map_err(|error| engine_failure(&error))
}

/// The categories of a column among the rows that a training reads, at most so many. Outside is an error of the scan.
///
/// # Errors
/// As [`select`].
pub async fn categories_in(
    ctx: &SessionContext,
    frame: DataFrame,
    columns: &ResolvedColumns,
    category: &CategoryColumn,
    most: usize,
) -> Result<Result<Vec<String>, Failure>, DataFusionError> {
    let planned = filtered(ctx, frame, columns).and_then(|rows| {
        let value = category_value(ctx, rows.schema(), category)?;
        let values = rows.select(vec![value.alias("category")]).and_then(|rows| rows.distinct());
        values.and_then(|values| values.limit(0, Some(most))).map_err(|error| engine_failure(&error))
    });
    let frame = match planned {
        Ok(frame) => frame,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut found = Vec::new();
    for batch in frame.collect().await? {
        found.extend(batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    // Threads race for which comes first.
    found.sort();
    Ok(Ok(found))
}

fn category_value(ctx: &SessionContext, schema: &DFSchema, category: &CategoryColumn) -> Result<Expr, Failure> {
    Ok(cast(expression_of(ctx, schema, &category.expression, category.is_column)?, DataType::Utf8))
}

fn fold_value(ctx: &SessionContext, schema: &DFSchema, fold: &FoldColumn) -> Result<Expr, Failure> {
    let value = expression_of(ctx, schema, &fold.expression, fold.is_column)?;
    if !fold.is_time {
        return Ok(cast(value, DataType::Utf8));
    }
    let data_type = value.get_type(schema).map_err(|error| engine_failure(&error))?;
    // Points in time have no cast to a float.
    let value = if data_type.is_temporal() { cast(instant(value, &data_type), DataType::Int64) } else { value };
    Ok(cast(value, DataType::Float64))
}

/// Dates count days in 32 bits, which has no cast to 64.
fn instant(value: Expr, data_type: &DataType) -> Expr {
    match data_type {
        DataType::Date32 => cast(value, DataType::Int32),
        _ => value,
    }
}

fn target_value(ctx: &SessionContext, schema: &DFSchema, target: &TargetColumn) -> Result<Expr, Failure> {
    let data_type = if target.is_text { DataType::Utf8 } else { DataType::Float64 };
    Ok(cast(expression_of(ctx, schema, &target.expression, target.is_column)?, data_type))
}

fn number(ctx: &SessionContext, schema: &DFSchema, numeric: &NumericColumn) -> Result<Expr, Failure> {
    Ok(cast(expression_of(ctx, schema, &numeric.expression, numeric.is_column)?, DataType::Float64))
}

fn expression_of(ctx: &SessionContext, schema: &DFSchema, text: &str, is_column: bool) -> Result<Expr, Failure> {
    if is_column {
        return Ok(column(text));
    }
    expression::logical(ctx, schema, text).map_err(|error| engine_failure(&error))
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
