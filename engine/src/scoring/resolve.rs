//! What a scoring says, fitted to its two tables.

use datafusion::prelude::SessionContext;
use shoal_core::{Failure, Reason};
use shoal_ml::model::{Estimator, Feature, FeatureKind, LinearMethod, Model};

use super::models_table::{ModelsForm, Shape, first_model};
use super::output::{added_columns, storable_type, usual_name};
use super::{FeatureColumn, KeptColumn, Outcome, Scoring};
use crate::columns::KeyColumn;
use crate::columns::scoring::{self as columns, FeatureText};
use crate::keys::logical_type;
use crate::nearest::nearest;
use crate::table::{InputFile, PinnedTable, Split, scan};

/// What is asked for.
pub struct Request<'a> {
    /// The table of models, and its files.
    pub models: (&'a PinnedTable, &'a [InputFile]),
    /// The table of rows.
    pub rows: &'a PinnedTable,
    /// Aliased expressions for features that are no columns.
    pub features: &'a [String],
    /// Columns that the output has; all where it is absent.
    pub keep: Option<&'a [String]>,
    /// Whether the output is a Delta table, which cannot hold all that a query can show.
    pub is_stored: bool,
    /// Name of the column of predictions, where it is not the usual one.
    pub prediction_column: Option<&'a str>,
    /// With which probability a new row's value lies between the bounds, where bounds are asked for.
    pub level: Option<f64>,
    /// Statuses of models that predict.
    pub statuses: &'a [String],
    /// Rows for which this SQL expression is not true are left out.
    pub filter: Option<&'a str>,
    /// The kind's path in the job file, as `spec.groupedScoring`.
    pub field: &'a str,
}

/// Fits what is asked for to the tables. Reads one model, which tells what all of them predict from.
///
/// # Errors
/// With the field's path, the column and what to do: the models are none, the input lacks a key or a feature or has it in
/// another type, a name is there twice or cannot be stored, or the models have no bounds.
pub async fn resolve(ctx: &SessionContext, request: &Request<'_>) -> Result<Scoring, Failure> {
    let Request { models: (models, files), rows, field, .. } = request;
    let at_models = |failure: Failure| failure.field(format!("{field}.models.table")).file(&models.location);
    let shape = Shape::of(&models.schema).map_err(at_models)?;
    let frame = scan(ctx, models, &Split::whole(files)).await.map_err(at_models)?;
    let model = first_model(frame, &shape, request.statuses).await.map_err(at_models)?;
    let outcome = if model.classes.is_empty() { Outcome::Number } else { Outcome::Classes };
    if request.level.is_some() {
        has_bounds(&model, &shape).map_err(|failure| failure.field(format!("{field}.interval")))?;
    }
    let prediction_column = request.prediction_column.unwrap_or_else(|| usual_name(outcome)).to_owned();
    let scoring = Scoring {
        keys: keys(&shape.keys, rows, field)?,
        models: shape.form,
        features: features(ctx, request, &model, shape.form)?,
        kept: kept(rows, request.keep, request.is_stored, field)?,
        filter: columns::filter(ctx, &rows.schema, request.filter)
            .map_err(|failure| failure.field(format!("{field}.input.where")))?,
        outcome,
        level: request.level,
        statuses: request.statuses.to_vec(),
        prediction_column,
    };
    refuse_clash(&scoring, request)?;
    Ok(scoring)
}

/// The keys of the models, which the input must have with the same logical types.
pub(super) fn keys(keys: &[KeyColumn], rows: &PinnedTable, field: &str) -> Result<Vec<KeyColumn>, Failure> {
    for key in keys {
        let at =
            |failure: Failure| failure.field(format!("{field}.input.table")).file(&rows.location).column(&key.name);
        let Ok(column) = rows.schema.field_with_name(&key.name) else {
            let failure = Failure::new(
                Reason::ColumnNotFound,
                format!("the models are grouped by `{}`, which the input does not have", key.name),
            );
            let next = match nearest(&key.name, rows.schema.fields().iter().map(|field| field.name().as_str())) {
                Some(column) => format!("rename its column `{column}`, if that is the one"),
                None => "read a table that has the column".to_owned(),
            };
            return Err(at(failure.next(next)));
        };
        if logical_type(column.data_type()).as_ref() != Some(&key.data_type) {
            return Err(at(Failure::new(
                Reason::SchemaMismatch,
                format!(
                    "the key `{}` is {} in the models and {} in the input",
                    key.name,
                    key.data_type,
                    column.data_type()
                ),
            )
            .next(format!(
                "write the input with `{}` as {}, or train on keys of the input's type",
                key.name, key.data_type
            ))));
        }
    }
    Ok(keys.to_vec())
}

/// Where each feature of the models comes from: what the job says of it; else the expression that it was trained on, where
/// it was one; else the column of its name.
fn features(
    ctx: &SessionContext,
    request: &Request<'_>,
    model: &Model,
    form: ModelsForm,
) -> Result<Vec<FeatureColumn>, Failure> {
    let Request { rows, field, .. } = request;
    let mut given: Vec<Option<FeatureText>> = Vec::new();
    for (index, text) in request.features.iter().enumerate() {
        let at = |failure: Failure| failure.field(format!("{field}.features[{index}]"));
        let feature = columns::feature(ctx, &rows.schema, text).map_err(at)?;
        if !model.features.iter().any(|known| known.name == feature.name) {
            let failure = Failure::new(Reason::InvalidName, format!("the models have no feature `{}`", feature.name));
            let names = || model.features.iter().map(|feature| feature.name.as_str());
            let next = match nearest(&feature.name, names()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("they predict from: {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(at(failure.column(&feature.name).next(next)));
        }
        if given.iter().flatten().any(|other| other.name == feature.name) {
            return Err(at(Failure::new(Reason::DuplicateName, format!("`{}` is there twice", feature.name))
                .next("remove one of the two")));
        }
        given.push(Some(feature));
    }
    let mut found = Vec::with_capacity(model.features.len());
    for feature in &model.features {
        let is_category = matches!(feature.kind, FeatureKind::Categories(_));
        let own = given.iter().position(|text| text.as_ref().is_some_and(|text| text.name == feature.name));
        let path = match own {
            Some(index) => format!("{field}.features[{index}]"),
            None => format!("{field}.input.table"),
        };
        let at = |failure: Failure| match own {
            Some(_) => failure.field(&path),
            None => failure.field(&path).file(&rows.location),
        };
        let text = match (own.and_then(|index| given[index].take()), &feature.expression) {
            (Some(text), _) => text,
            (None, Some(expression)) => {
                let text = columns::feature(ctx, &rows.schema, expression);
                text.map_err(|failure| at(not_made(failure, feature, expression, request)))?
            }
            (None, None) if rows.schema.field_with_name(&feature.name).is_ok() => {
                columns::feature(ctx, &rows.schema, &feature.name).map_err(at)?
            }
            (None, None) => return Err(at(no_feature(&feature.name, request, form))),
        };
        if is_category { text.check_category() } else { text.check_number() }.map_err(at)?;
        found.push(FeatureColumn {
            name: text.name,
            expression: text.expression,
            is_column: text.is_column,
            is_category,
            is_as_trained: own.is_none(),
        });
    }
    Ok(found)
}

/// The input lacks what the expression of a feature reads. That it has a column of the feature's name does not help: in
/// the training that may have been another one.
fn not_made(failure: Failure, feature: &Feature, expression: &str, request: &Request<'_>) -> Failure {
    let name = &feature.name;
    let message = format!("the models predict from `{expression}`, which the input does not give: {}", failure.message);
    let column = failure.location.column.unwrap_or_else(|| name.clone());
    let failure = Failure::new(failure.reason, message).column(column);
    let is_there = request.rows.schema.field_with_name(name).is_ok();
    match (request.is_stored, is_there) {
        (true, true) => {
            failure.next(format!("where the input's column `{name}` is that already, add `{name}` to `features`"))
        }
        (true, false) => failure.next(format!("say in `features` what it is in the input, as `... AS {name}`")),
        (false, _) => failure.next("score with a `groupedScoring` job, whose `features` says what it is in the input"),
    }
}

fn no_feature(name: &str, request: &Request<'_>, form: ModelsForm) -> Failure {
    let failure = Failure::new(
        Reason::ColumnNotFound,
        format!("the models predict from `{name}`, which the input does not have"),
    )
    .column(name);
    // Tables of coefficients from before models were stored beside those of categories.
    if form != ModelsForm::Stored && name.contains(['=', '#']) {
        return failure.next("train again: what makes this term of a category is stored with the models now");
    }
    let alike = nearest(name, request.rows.schema.fields().iter().map(|field| field.name().as_str()));
    if !request.is_stored {
        return failure.next(match alike {
            Some(column) => format!("rename its column `{column}`, if that is the one, or score with a `groupedScoring` job, whose `features` takes expressions"),
            None => "score with a `groupedScoring` job, whose `features` takes the expression that the training had".to_owned(),
        });
    }
    failure.next(match alike {
        Some(column) => format!(
            "where the training had an expression, add it to `features`; where it had a column: `{column} AS {name}`?"
        ),
        None => format!("add the expression that the training had to `features`, as `ln(capital) AS {name}`"),
    })
}

/// The columns of the input that the output has, with types that it can hold where it is stored.
pub(super) fn kept(
    rows: &PinnedTable,
    keep: Option<&[String]>,
    is_stored: bool,
    field: &str,
) -> Result<Vec<KeptColumn>, Failure> {
    let all: Vec<String>;
    let names = match keep {
        Some(names) => names,
        None => {
            all = rows.schema.fields().iter().map(|field| field.name().clone()).collect();
            &all
        }
    };
    let keep = |(index, name): (usize, &String)| {
        let at = |failure: Failure| match keep {
            Some(_) => failure.field(format!("{field}.keep[{index}]")),
            None => failure.field(format!("{field}.keep")),
        };
        let data_type = columns::data_type(&rows.schema, name).map_err(at)?;
        if !is_stored {
            return Ok(KeptColumn { name: name.clone(), data_type });
        }
        let others = "list the columns to keep without it";
        columns::storable(name, others).map_err(at)?;
        let stored = storable_type(&data_type).ok_or_else(|| {
            at(Failure::new(Reason::InvalidValue, format!("`{name}` is {data_type}, which a Delta table cannot hold"))
                .column(name)
                .next(others))
        })?;
        Ok(KeptColumn { name: name.clone(), data_type: stored })
    };
    names.iter().enumerate().map(keep).collect()
}

/// Refuses a column that is kept and has the name of one that is added.
fn refuse_clash(scoring: &Scoring, request: &Request<'_>) -> Result<(), Failure> {
    let added = added_columns(scoring.outcome, scoring.level.is_some(), &scoring.prediction_column);
    // Delta does not tell names apart by their case.
    let clash = |kept: &KeptColumn| added.iter().any(|(_, name)| name.eq_ignore_ascii_case(&kept.name));
    let Some(index) = scoring.kept.iter().position(clash) else { return Ok(()) };
    let name = &scoring.kept[index].name;
    let failure = Failure::new(
        Reason::InvalidName,
        format!("the input's column `{name}` has the name of one that the predictions have"),
    )
    .column(name);
    Err(match (request.is_stored, request.keep) {
        (false, _) => failure.next("read a table in which the column has another name"),
        (true, Some(_)) => failure
            .field(format!("{}.keep[{index}]", request.field))
            .next("leave it out, or name the predictions with `predictionColumn`"),
        (true, None) => failure
            .field(format!("{}.keep", request.field))
            .next("list the columns to keep without it, or name the predictions with `predictionColumn`"),
    })
}

/// Whether the models know how far a new row may be from what they predict.
fn has_bounds(model: &Model, shape: &Shape) -> Result<(), Failure> {
    let refused = |message: &str, next: &str| Err(Failure::new(Reason::NotPossible, message).next(next));
    match &model.estimator {
        Estimator::Mean(_) if model.classes.is_empty() => Ok(()),
        // One model alone may have no bounds because its fit is exact.
        Estimator::Linear(linear)
            if linear.method == LinearMethod::Ols && linear.uncertainty.is_none() && !shape.has_sigma =>
        {
            refused(
                "the table has the coefficients of the models, and not what their bounds take",
                "remove `interval`, or train with `statistics: full`",
            )
        }
        Estimator::Linear(linear) if linear.method == LinearMethod::Ols => Ok(()),
        _ => refused("these models have no bounds: only `ols` and `mean` of numbers have", "remove `interval`"),
    }
}
