//! SQL over tables that are named by their paths: `SELECT ... FROM 'out/models'`.

mod predict;
mod statement;

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use futures::{StreamExt, TryStreamExt};
use shoal_core::partition::BatchStream;
use shoal_core::spec::v1alpha1::InputTable;
use shoal_core::{Failure, Reason};

use crate::error::engine_failure;
use crate::session::query_session;
use crate::table::{InputFile, PinnedTable, Split, diagnose, pin, provider};

/// The answer to a query.
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows, as they are computed; dropping the stream ends the query.
    pub batches: BatchStream,
}

/// Runs one statement that reads. Tables are paths in quotes, single or double: a Delta folder (its latest version), a
/// CSV, JSON lines or Parquet file, a folder of them, or a glob; relative ones start at the working directory.
///
/// # Errors
/// [`Reason::InvalidExpression`] with line and position where the statement is no SQL, [`Reason::NotPossible`] where it
/// would do more than read, and what [`pin`] says of a table. In the stream: what came up while the rows were read.
pub async fn query(sql: &str) -> Result<Answer, Failure> {
    let ctx = query_session();
    let state = ctx.state();
    let dialect = state.config().options().sql_parser.dialect;
    let parsed = state.sql_to_statement(sql, &dialect).map_err(|error| statement::syntax_failure(&error))?;
    statement::refuse_writes(&parsed)?;
    let references = state.resolve_table_references(&parsed).map_err(|error| engine_failure(&error))?;
    let mut tables = Vec::with_capacity(references.len());
    for reference in references {
        // A function that makes a table, as `generate_series(1, 3)`, is no path.
        if !state.table_functions().contains_key(reference.table()) && reference.table() != predict::NAME {
            tables.push(register(&ctx, &reference).await?);
        }
    }
    tables.extend(predict::register(&ctx, &parsed).await?);
    let plan = ctx.state().statement_to_plan(parsed).await.map_err(|error| statement::planning_failure(&error))?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(|_| statement::not_a_read())?;
    let frame = ctx.execute_logical_plan(plan).await.map_err(|error| engine_failure(&error))?;
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let tables = Arc::new(tables);
    let rows = match frame.execute_stream().await {
        Ok(rows) => rows,
        Err(error) => return Err(explain(&ctx, engine_failure(&error), &tables).await),
    };
    let batches = rows
        .map_err(|error| engine_failure(&error))
        .or_else(move |failure| {
            let (ctx, tables) = (ctx.clone(), Arc::clone(&tables));
            async move { Err(explain(&ctx, failure, &tables).await) }
        })
        .boxed();
    Ok(Answer { schema, batches })
}

async fn register(ctx: &SessionContext, reference: &TableReference) -> Result<(PinnedTable, Split), Failure> {
    let TableReference::Bare { table: path } = reference else {
        let dotted = [reference.catalog(), reference.schema(), Some(reference.table())];
        let dotted = dotted.into_iter().flatten().collect::<Vec<_>>().join(".");
        return Err(Failure::new(Reason::TableNotFound, format!("there is no table `{dotted}`: tables are paths"))
            .next(format!("put the path in quotes, as FROM '{dotted}'")));
    };
    let (table, files) = find(path).await?;
    let split = Split::whole(&files);
    let provider = provider(ctx, &table, &split).await?;
    ctx.register_table(reference.clone(), provider).map_err(|error| engine_failure(&error))?;
    Ok((table, split))
}

async fn find(path: &str) -> Result<(PinnedTable, Vec<InputFile>), Failure> {
    let input = InputTable { table: path.to_owned(), format: None, version: None, filter: None };
    pin(&input, "query").await.map_err(without_field)
}

/// A query has no job file whose field could be meant.
fn without_field(mut failure: Failure) -> Failure {
    failure.location.field_path = None;
    failure
}

/// Looks for the table, file and line behind a failure.
async fn explain(ctx: &SessionContext, failure: Failure, tables: &[(PinnedTable, Split)]) -> Failure {
    for (table, split) in tables {
        if let Some(better) = diagnose(ctx, &failure, table, split).await {
            return better;
        }
    }
    failure
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
