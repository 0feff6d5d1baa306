//! What a scoring by a function says, fitted to its two tables.

use datafusion::prelude::SessionContext;
use shoal_core::job::Function;
use shoal_core::spec::v1alpha1::Returned;
use shoal_core::{Failure, Reason};

use super::table::OWN_COLUMNS;
use super::{FunctionScoring, KeptFrom};
use crate::columns::scoring::{self as columns, storable};
use crate::columns::{FrameColumn, ResolvedColumns};
use crate::functions::OWN_COLUMNS as OWN_COLUMNS_OF_MODELS;
use crate::scoring::KeptColumn;
use crate::scoring::models_table::keys_of;
use crate::scoring::resolve::{kept, keys};
use crate::table::PinnedTable;

/// What is asked for.
pub struct FunctionRequest<'a> {
    /// The table of models.
    pub models: &'a PinnedTable,
    /// The table of rows.
    pub rows: &'a PinnedTable,
    /// The function.
    pub function: &'a Function,
    /// Columns that the output has; all where it is absent.
    pub keep: Option<&'a [String]>,
    /// Statuses of models that predict.
    pub statuses: &'a [String],
    /// Rows for which this SQL expression is not true are left out.
    pub filter: Option<&'a str>,
    /// The kind's path in the job file, as `spec.groupedScoring`.
    pub field: &'a str,
}

/// Fits what is asked for to the tables.
///
/// # Errors
/// With the field's path, the column and what to do: the models are none, the input lacks a key or a column or has a key in
/// another type, or a name is there twice or cannot be stored.
pub fn resolve_function(ctx: &SessionContext, request: &FunctionRequest<'_>) -> Result<FunctionScoring, Failure> {
    let FunctionRequest { models, rows, function, keep, statuses, filter, field } = request;
    let at_models = |failure: Failure| failure.field(format!("{field}.models.table")).file(&models.location);
    let model_keys = keys_of(&models.schema).map_err(at_models)?;
    let keys = keys(&model_keys, rows, field)?;
    let kept = kept(rows, *keep, true, field)?;
    check_returned(function, &kept)?;
    let (frame, seen, kept) = travelling(rows, function, kept)?;
    let filter =
        columns::filter(ctx, &rows.schema, *filter).map_err(|failure| failure.field(format!("{field}.input.where")))?;
    let columns = ResolvedColumns::of_function(keys, frame, filter);
    Ok(FunctionScoring {
        models: own_columns(models, model_keys.len()).map_err(at_models)?,
        columns,
        seen,
        kept,
        statuses: statuses.to_vec(),
        returns: function.returns.clone(),
    })
}

/// What travels of a row: the columns that the function sees, how many these are, and behind them what only the output has;
/// and where each column of the output is among them.
fn travelling(
    rows: &PinnedTable,
    function: &Function,
    kept: Vec<KeptColumn>,
) -> Result<(Vec<FrameColumn>, usize, Vec<KeptFrom>), Failure> {
    let column = |name: &String| {
        let data_type = columns::plain_type(&columns::data_type(&rows.schema, name)?);
        // Also of a key: its value in the input may be written in another way.
        Ok(FrameColumn { name: name.clone(), data_type, key: None })
    };
    let mut travelling: Vec<FrameColumn> = match &function.columns {
        Some(names) => {
            let named = names.iter().enumerate().map(|(index, name)| {
                let at = |failure: Failure| failure.field(format!("{}.columns[{index}]", function.field));
                column(name).map_err(at)
            });
            named.collect::<Result<_, Failure>>()?
        }
        None => rows.schema.fields().iter().map(|field| column(field.name())).collect::<Result<_, Failure>>()?,
    };
    let seen = travelling.len();
    let mut places = Vec::with_capacity(kept.len());
    for kept in kept {
        let known = travelling.iter().position(|column| column.name == kept.name);
        let place = match known {
            Some(place) => place,
            None => {
                travelling.push(column(&kept.name)?);
                travelling.len() - 1
            }
        };
        places.push(KeptFrom { place, column: kept });
    }
    Ok((travelling, seen, places))
}

/// What was returned for the groups in the training: neither keys, nor how it went.
fn own_columns(models: &PinnedTable, keys: usize) -> Result<Vec<FrameColumn>, Failure> {
    let behind_keys = models.schema.fields().iter().skip(keys);
    let own = behind_keys.filter(|field| !OWN_COLUMNS_OF_MODELS.contains(&field.name().as_str()));
    let own: Vec<FrameColumn> = own
        .map(|field| {
            let data_type = columns::plain_type(field.data_type());
            FrameColumn { name: field.name().clone(), data_type, key: None }
        })
        .collect();
    if own.is_empty() {
        return Err(Failure::new(
            Reason::TableUnreadable,
            "the table has nothing but keys, and how their training went",
        )
        .next("name a table that a `groupedTraining` wrote"));
    }
    Ok(own)
}

/// Refuses what is returned under a name that the output cannot have, or has already.
fn check_returned(function: &Function, kept: &[KeptColumn]) -> Result<(), Failure> {
    for (index, Returned { name, data_type: _ }) in function.returns.iter().enumerate() {
        let at = |failure: Failure| failure.field(format!("{}.returns[{index}].name", function.field)).column(name);
        storable(name, "return it under another name").map_err(at)?;
        // Delta does not tell names apart by their case.
        let what = if kept.iter().any(|kept| kept.name.eq_ignore_ascii_case(name)) {
            "a column of the input, which the output has as well"
        } else if OWN_COLUMNS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            "one of the output's own columns"
        } else {
            continue;
        };
        let message = format!("what is returned cannot be called `{name}`: that is {what}");
        return Err(at(Failure::new(Reason::InvalidName, message)
            .next("return it under another name, or leave the input's column out: `keep` lists those that stay")));
    }
    // A column of the input may have the name of one of the output's own.
    let clash = kept.iter().find(|kept| OWN_COLUMNS.iter().any(|own| own.eq_ignore_ascii_case(&kept.name)));
    clash.map_or(Ok(()), |kept| Err(has_our_name(&kept.name)))
}

fn has_our_name(name: &str) -> Failure {
    Failure::new(
        Reason::InvalidName,
        format!("the input's column `{name}` has the name of one that the predictions have"),
    )
    .column(name)
    .field("spec.groupedScoring.keep")
    .next("list the columns to keep without it")
}
