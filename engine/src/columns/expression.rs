//! A string of the job file as an expression over a table's columns.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{self, ExprWithAlias};
use shoal_core::{Failure, Reason};

use super::{Table, names};
use crate::error::reason_of;
use crate::nearest::nearest;

/// An expression that fits its table.
pub(super) struct Resolved {
    /// The column's name or the alias.
    pub(super) name: String,
    /// The expression, without its alias.
    pub(super) expr: Expr,
    /// Type of its values.
    pub(super) data_type: DataType,
    /// Whether the text is the exact name of a column.
    pub(super) is_column: bool,
}

impl Table<'_> {
    pub(super) fn resolve(&self, text: &str) -> Result<Resolved, Failure> {
        if let Ok(column) = self.schema.field_with_name(text) {
            return Ok(Resolved {
                name: text.to_owned(),
                expr: Expr::Column(Column::from_name(text)),
                data_type: column.data_type().clone(),
                is_column: true,
            });
        }
        let parsed = parse(self.ctx, text).map_err(|error| self.no_expression(text, &error))?;
        let Some(alias) = parsed.alias.clone() else {
            return Err(if is_name(&parsed.expr) { self.no_column(text) } else { no_alias(text) });
        };
        let (expr, data_type) = self.plan(parsed)?;
        Ok(Resolved { name: alias.value, expr, data_type, is_column: false })
    }

    pub(super) fn resolve_filter(&self, text: &str) -> Result<DataType, Failure> {
        let parsed = parse(self.ctx, text).map_err(|error| invalid(&error))?;
        if parsed.alias.is_some() {
            return Err(Failure::new(Reason::InvalidExpression, "a condition has no name").next("remove the `AS`"));
        }
        Ok(self.plan(parsed)?.1)
    }

    /// The expression without its alias, and the type of its values.
    fn plan(&self, parsed: ExprWithAlias) -> Result<(Expr, DataType), Failure> {
        let state = self.ctx.state();
        let expr = state
            .create_logical_expr_from_sql_expr(parsed, &self.df_schema)
            .map_err(|error| self.does_not_fit(&error))?
            .unalias();
        refuse_what_differs(&expr)?;
        let data_type = state
            .create_physical_expr(expr.clone(), &self.df_schema)
            .and_then(|physical| physical.data_type(self.schema))
            .map_err(|error| self.does_not_fit(&error))?;
        Ok((expr, data_type))
    }

    /// A column that the table does not have.
    pub(super) fn no_column(&self, name: &str) -> Failure {
        // A user may have quoted the name, as SQL would have it.
        let wanted = name.trim_matches('"');
        let columns = || self.schema.fields().iter().map(|field| field.name().as_str());
        let failure = Failure::new(Reason::ColumnNotFound, format!("the table has no column `{name}`")).column(wanted);
        if columns().any(|column| column == wanted) {
            return failure.next("columns are named as they are, without quotes");
        }
        match nearest(wanted, columns()) {
            Some(column) => failure.next(format!("did you mean `{column}`?")),
            None => failure.next(format!("its columns are: {}", names::listed(columns()))),
        }
    }

    /// Text that is no SQL: the name of a column with a slip in it, or an expression with one.
    fn no_expression(&self, text: &str, error: &DataFusionError) -> Failure {
        let is_like_a_column = nearest(text, self.schema.fields().iter().map(|field| field.name().as_str())).is_some();
        if is_like_a_column { self.no_column(text) } else { invalid(error) }
    }

    fn does_not_fit(&self, error: &DataFusionError) -> Failure {
        match error.find_root() {
            DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
                SchemaError::FieldNotFound { field, .. } => self.no_column(&field.name),
                _ => invalid(error),
            },
            _ => invalid(error),
        }
    }
}

/// An expression over a table that it is known to fit.
pub(super) fn logical(ctx: &SessionContext, schema: &DFSchema, text: &str) -> Result<Expr, DataFusionError> {
    Ok(ctx.state().create_logical_expr(text, schema)?.unalias())
}

fn parse(ctx: &SessionContext, text: &str) -> Result<ExprWithAlias, DataFusionError> {
    let state = ctx.state();
    let dialect = state.config().options().sql_parser.dialect;
    state.sql_to_expr_with_alias(text, &dialect)
}

fn is_name(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(_))
}

fn no_alias(text: &str) -> Failure {
    Failure::new(Reason::InvalidExpression, format!("the expression `{text}` has no name"))
        .next(format!("give it one with `AS`, as `{text} AS my_name`"))
}

fn invalid(error: &DataFusionError) -> Failure {
    Failure::new(Reason::InvalidExpression, reason_of(error))
        .next("see whether the expression is SQL; names with other characters than letters, digits and `_` need double quotes")
}

/// Each row is read alone, by any worker, and again after a fault: what differs between those has no one value.
fn refuse_what_differs(expr: &Expr) -> Result<(), Failure> {
    let mut refused = None;
    let visited = expr.apply(|part| {
        refused = match part {
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Unnest(_) | Expr::GroupingSet(_) => Some(
                "an expression sees one row at a time: aggregates and window functions are not possible".to_owned(),
            ),
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                Some("subqueries are not possible".to_owned())
            }
            Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                Some(format!("`{}()` gives another value every time it is asked", call.func.name()))
            }
            _ => None,
        };
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    visited.map_err(|error| invalid(&error))?;
    match refused {
        Some(message) => Err(Failure::new(Reason::InvalidExpression, message)
            .next("compute it beforehand and store it as a column of the table")),
        None => Ok(()),
    }
}
