//! Which statements are run, and where the others are wrong.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::{ExplainStatement, Statement};
use datafusion::sql::sqlparser::ast;
use shoal_core::{Failure, Reason};

use crate::error::{engine_failure, reason_of};
use crate::nearest::nearest;

/// Lets through what only reads.
pub(super) fn refuse_writes(statement: &Statement) -> Result<(), Failure> {
    match statement {
        Statement::Statement(inner) => match inner.as_ref() {
            ast::Statement::Query(_) | ast::Statement::Explain { .. } | ast::Statement::ExplainTable { .. } => Ok(()),
            _ => Err(not_a_read()),
        },
        Statement::Explain(ExplainStatement { statement, .. }) => refuse_writes(statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => Err(not_a_read()),
    }
}

/// A statement that would change something.
pub(super) fn not_a_read() -> Failure {
    Failure::new(Reason::NotPossible, "queries only read").next("use SELECT, EXPLAIN or DESCRIBE")
}

/// A text that is no statement, with the place where that shows.
pub(super) fn syntax_failure(error: &DataFusionError) -> Failure {
    let message = reason_of(error);
    let place = place_in(&message);
    let mut failure = Failure::new(Reason::InvalidExpression, message);
    if let Some((line, position)) = place {
        failure.location.line = Some(line);
        failure.location.position = Some(position);
    }
    failure.next("paths are quoted, as FROM 'out/models', and one statement is run at a time")
}

/// A statement that does not fit its tables.
pub(super) fn planning_failure(error: &DataFusionError) -> Failure {
    if let DataFusionError::SchemaError(inner, _) = error.find_root()
        && let SchemaError::FieldNotFound { field, valid_fields } = inner.as_ref()
    {
        let failure =
            Failure::new(Reason::ColumnNotFound, format!("there is no column `{}`", field.name)).column(&field.name);
        return match nearest(&field.name, valid_fields.iter().map(|column| column.name.as_str())) {
            Some(column) => failure.next(format!("did you mean `{column}`?")),
            None => failure.next("`DESCRIBE 'path'` lists the columns of a table"),
        };
    }
    engine_failure(error)
}

/// The parser's ` at Line: 1, Column: 8`.
fn place_in(message: &str) -> Option<(u64, u64)> {
    let (_, place) = message.rsplit_once("at Line: ")?;
    let (line, rest) = place.split_once(", Column: ")?;
    let position: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, position.parse().ok()?))
}
