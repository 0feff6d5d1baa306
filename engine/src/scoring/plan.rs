//! Rows beside their models, and what these say.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast};
use datafusion::prelude::{DataFrame, SessionContext};
use shoal_core::Failure;

use super::output::added_columns;
use super::udf::{part, predict};
use super::{FeatureColumn, Scoring};
use crate::columns::scoring::{expression, filtered};
use crate::error::engine_failure;
use crate::keys::canonical_key;

/// The rows to predict for: keys, the columns that are kept, features.
///
/// # Errors
/// The frame is of another table than the one that was resolved against.
pub fn rows_frame(ctx: &SessionContext, frame: DataFrame, scoring: &Scoring) -> Result<DataFrame, Failure> {
    let failed = |error| engine_failure(&error);
    let frame = filtered(ctx, frame, scoring.filter.as_deref())?;
    let schema = frame.schema().clone();
    let mut selected = Vec::new();
    for (key, name) in scoring.keys.iter().zip(scoring.row_keys()) {
        let value = cast(column(&key.name), key.data_type.clone());
        selected.push(canonical_key(value.clone(), &key.data_type).unwrap_or(value).alias(name));
    }
    for kept in &scoring.kept {
        let field = schema.field_with_unqualified_name(&kept.name).map_err(failed)?;
        let value = column(&kept.name);
        let value = if *field.data_type() == kept.data_type { value } else { cast(value, kept.data_type.clone()) };
        selected.push(value.alias(&kept.name));
    }
    for (feature, name) in scoring.features.iter().zip(scoring.feature_names()) {
        let FeatureColumn { name: _, expression: text, is_column, is_category, is_as_trained: _ } = feature;
        let value = if *is_column { column(text) } else { expression(ctx, &schema, text).map_err(failed)? };
        let data_type = if *is_category { DataType::Utf8 } else { DataType::Float64 };
        selected.push(cast(value, data_type).alias(name));
    }
    frame.select(selected).map_err(failed)
}

/// The predictions for such rows by such models: the columns that are kept, and those of [`super::output_schema`] after
/// them. Models are the side of the join that is held in memory, and rows keep their order where a task runs it.
///
/// # Errors
/// The frames are others.
pub fn predictions(rows: DataFrame, models: DataFrame, scoring: &Scoring) -> Result<DataFrame, Failure> {
    let failed = |error| engine_failure(&error);
    let (status, model) = (scoring.status_name(), scoring.model_name());
    let mut held: Vec<Expr> = scoring.model_keys().iter().map(|name| column(name)).collect();
    // Joined rows then share a model's bytes.
    held.extend([column(&status), cast(column(&model), DataType::BinaryView).alias(&model)]);
    let (_, models) = models.select(held).map_err(failed)?.into_parts();
    let (state, rows) = rows.into_parts();
    let (model_keys, row_keys) = (scoring.model_keys(), scoring.row_keys());
    let joined = LogicalPlanBuilder::from(models)
        .join_detailed(
            rows,
            JoinType::Right,
            (model_keys.iter().map(Column::from_name).collect(), row_keys.iter().map(Column::from_name).collect()),
            None,
            // A missing key is a group like any other.
            NullEquality::NullEqualsNull,
        )
        .and_then(LogicalPlanBuilder::build)
        .map_err(failed)?;
    let scored = format!("{}scored", scoring.prefix());
    let kept = || scoring.kept.iter().map(|kept| column(&kept.name));
    let arguments = [&status, &model].into_iter().map(|name| column(name));
    let arguments = arguments.chain(scoring.feature_names().iter().map(|name| column(name))).collect();
    let said = predict(scoring, arguments).alias(&scored);
    let added = added_columns(scoring.outcome, scoring.level.is_some(), &scoring.prediction_column);
    let added = added.into_iter().enumerate().map(|(index, (_, name))| part(column(&scored), index).alias(name));
    DataFrame::new(state, joined)
        .select(kept().chain([said]).collect::<Vec<Expr>>())
        .and_then(|frame| frame.select(kept().chain(added).collect::<Vec<Expr>>()))
        .map_err(failed)
}

/// A column by its exact name.
fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}
