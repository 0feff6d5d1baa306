//! `predict('models', 'new_rows' [, level])`: the rows with what the models of their groups say.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{ScalarValue, TableReference, internal_err};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::{ExplainStatement, Statement};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, TableFactor, TableFunctionArgs as Arguments, Visit, Visitor,
};
use shoal_core::{Failure, Reason};

use super::{find, without_field};
use crate::error::engine_failure;
use crate::scoring::{Request, models_frame, predictions, refuse_twins, resolve, rows_frame};
use crate::table::{PinnedTable, Split, provider};

/// The function's name.
pub(super) const NAME: &str = "predict";

/// Status of the models that predict.
const USABLE: &str = "ok";

/// A call, as it stands in the statement.
#[derive(Clone, Debug, PartialEq)]
struct Call {
    models: String,
    rows: String,
    level: Option<f64>,
}

/// Plans every call of the statement, for planning statements is not allowed to wait; gives the tables that are read.
pub(super) async fn register(
    ctx: &SessionContext,
    statement: &Statement,
) -> Result<Vec<(PinnedTable, Split)>, Failure> {
    let mut calls = Calls::default();
    let _ = visit(statement, &mut calls);
    let (mut planned, mut tables) = (Vec::new(), Vec::new());
    for call in calls.0 {
        let call = call?;
        let (view, read) = plan(ctx, &call).await.map_err(without_field)?;
        planned.push((call, view));
        tables.extend(read);
    }
    ctx.register_udtf(NAME, Arc::new(Predict(planned)));
    Ok(tables)
}

fn visit(statement: &Statement, calls: &mut Calls) -> ControlFlow<()> {
    match statement {
        Statement::Statement(inner) => inner.visit(calls),
        Statement::Explain(ExplainStatement { statement, .. }) => visit(statement, calls),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => ControlFlow::Continue(()),
    }
}

async fn plan(
    ctx: &SessionContext,
    call: &Call,
) -> Result<(Arc<dyn TableProvider>, [(PinnedTable, Split); 2]), Failure> {
    let failed = |error| engine_failure(&error);
    let (models, model_files) = find(&call.models).await?;
    let (rows, row_files) = find(&call.rows).await?;
    let request = Request {
        models: (&models, &model_files),
        rows: &rows,
        features: &[],
        keep: None,
        is_stored: false,
        prediction_column: None,
        level: call.level,
        statuses: &[USABLE.to_owned()],
        filter: None,
        field: NAME,
    };
    let scoring = resolve(ctx, &request).await?;
    let (model_split, row_split) = (Split::whole(&model_files), Split::whole(&row_files));
    let all_models = models_frame(named(ctx, &call.models, &models, &model_split).await?, &scoring)?;
    refuse_twins(all_models.clone(), &scoring).await.map_err(|failure| failure.file(&models.location))?;
    let all_rows = rows_frame(ctx, named(ctx, &call.rows, &rows, &row_split).await?, &scoring)?;
    let plan = predictions(all_rows, all_models, &scoring)?.into_parts().1;
    let definition = format!("{NAME}('{}', '{}')", call.models, call.rows);
    let plan = LogicalPlanBuilder::from(plan).build().map_err(failed)?;
    Ok((Arc::new(ViewTable::new(plan, Some(definition))), [(models, model_split), (rows, row_split)]))
}

/// A table under the name that it has in the statement, so that a plan tells which is which.
async fn named(ctx: &SessionContext, name: &str, table: &PinnedTable, split: &Split) -> Result<DataFrame, Failure> {
    let failed = |error| engine_failure(&error);
    let source = provider_as_source(provider(ctx, table, split).await?);
    let plan = LogicalPlanBuilder::scan(TableReference::bare(name), source, None);
    let plan = plan.and_then(LogicalPlanBuilder::build).map_err(failed)?;
    Ok(DataFrame::new(ctx.state(), plan))
}

/// The calls of a statement.
#[derive(Default)]
struct Calls(Vec<Result<Call, Failure>>);

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(Arguments { args, .. }), .. } = factor
            && name.to_string() == NAME
        {
            self.0.push(parse(args));
        }
        ControlFlow::Continue(())
    }
}

fn parse(arguments: &[FunctionArg]) -> Result<Call, Failure> {
    let values: Option<Vec<&ast::Value>> = arguments
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Value(value))) => Some(&value.value),
            _ => None,
        })
        .collect();
    let call = match values.as_deref() {
        Some([ast::Value::SingleQuotedString(models), ast::Value::SingleQuotedString(rows)]) => {
            Some(Call { models: models.clone(), rows: rows.clone(), level: None })
        }
        Some(
            [
                ast::Value::SingleQuotedString(models),
                ast::Value::SingleQuotedString(rows),
                ast::Value::Number(level, _),
            ],
        ) => {
            let level = level.to_string().parse().ok().filter(|level| *level > 0.0 && *level < 1.0);
            level.map(|level| Call { models: models.clone(), rows: rows.clone(), level: Some(level) })
        }
        _ => None,
    };
    call.ok_or_else(|| {
        Failure::new(Reason::InvalidExpression, "`predict` takes a table of models, a table of rows, and a level").next(
            "write predict('out/models', 'new_rows.csv'), or predict('out/models', 'new_rows.csv', 0.95) for bounds between \
             which a new value lies with that probability",
        )
    })
}

/// The function, for the calls that were planned.
#[derive(Debug)]
struct Predict(Vec<(Call, Arc<dyn TableProvider>)>);

impl TableFunctionImpl for Predict {
    fn call_with_args(&self, args: TableFunctionArgs) -> DataFusionResult<Arc<dyn TableProvider>> {
        let text = |argument: Option<&Expr>| match argument {
            Some(Expr::Literal(ScalarValue::Utf8(Some(text)), _)) => Some(text.clone()),
            _ => None,
        };
        let number = |argument: Option<&Expr>| match argument {
            Some(Expr::Literal(ScalarValue::Float64(number), _)) => *number,
            _ => None,
        };
        let arguments = args.exprs();
        let (models, rows) = (text(arguments.first()), text(arguments.get(1)));
        let level = number(arguments.get(2));
        let is_it = |call: &Call| {
            Some(&call.models) == models.as_ref() && Some(&call.rows) == rows.as_ref() && call.level == level
        };
        match self.0.iter().find(|(call, _)| is_it(call)) {
            Some((_, view)) => Ok(Arc::clone(view)),
            None => internal_err!("a call of {NAME}() was not planned"),
        }
    }
}
