//! A table of models: what its columns are, and the models as a frame.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::Column;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, cast, col, is_true, lit};
use datafusion::prelude::DataFrame;
use serde::{Deserialize, Serialize};
use shoal_core::job::INTERCEPT;
use shoal_core::{Failure, Reason};
use shoal_ml::model::Model;

use super::Scoring;
use super::coefficients::{is_coefficients, is_terms, stored_model};
use crate::columns::KeyColumn;
use crate::error::engine_failure;
use crate::keys::{canonical_key, logical_type};

/// The first column after the keys.
pub(super) const STATUS: &str = "status";

/// The column with models in their stored form.
const MODEL: &str = "model";

/// The column with a field per term, which linear models have instead.
const COEFFICIENTS: &str = "coefficients";

/// The column with a list of terms, which linear models of many terms have instead.
const TERMS: &str = "terms";

/// The column with the standard deviation of rows around what is predicted, where all is known of the models.
const SIGMA: &str = "sigma";

/// A column that only tables of what functions return have.
const TRACE: &str = "trace";

/// Models that are looked at for one that can be read, so that a damaged one does not stand for all.
const MODELS_TRIED: usize = 64;

/// How a table holds its models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ModelsForm {
    /// In their stored form, which has all that they know.
    Stored,
    /// As coefficients of a linear combination.
    Coefficients,
    /// As a list of terms and their coefficients.
    Terms,
}

/// What a table of models has beside its models: the keys, which are the columns in front of `status`.
pub(super) struct Shape {
    pub(super) keys: Vec<KeyColumn>,
    pub(super) form: ModelsForm,
    /// Whether it tells how far rows are from what is predicted.
    pub(super) has_sigma: bool,
}

impl Shape {
    /// Reads it off a table's columns.
    pub(super) fn of(schema: &Schema) -> Result<Self, Failure> {
        let keys = keys_of(schema)?;
        let own = |name: &str| schema.field_with_name(name).ok().map(Field::data_type);
        let form = match (own(MODEL), own(COEFFICIENTS), own(TERMS)) {
            (Some(DataType::Binary | DataType::LargeBinary | DataType::BinaryView), ..) => ModelsForm::Stored,
            (_, Some(coefficients), _) if is_coefficients(coefficients) => ModelsForm::Coefficients,
            (_, _, Some(terms)) if is_terms(terms) => ModelsForm::Terms,
            _ => return Err(no_models(schema)),
        };
        Ok(Self { keys, form, has_sigma: own(SIGMA).is_some() })
    }
}

/// The keys of a table of models.
pub(super) fn keys_of(schema: &Schema) -> Result<Vec<KeyColumn>, Failure> {
    let status = schema.fields().iter().position(|field| field.name() == STATUS);
    let status = status.ok_or_else(|| refused("this is no table of models: it has no column `status`"))?;
    if status == 0 {
        return Err(refused("this is no table of models: it has no keys in front of `status`"));
    }
    let keys = schema.fields()[..status].iter().map(|field| {
        let data_type = logical_type(field.data_type());
        let data_type = data_type.ok_or_else(|| {
            refused("this is no table of models: the columns in front of `status` are no keys").column(field.name())
        })?;
        Ok(KeyColumn { name: field.name().clone(), data_type })
    });
    keys.collect()
}

fn refused(message: &str) -> Failure {
    Failure::new(Reason::TableUnreadable, message)
        .next("name a table that a `groupedTraining` wrote: keys, `status`, ..., and `model` or `coefficients`")
}

/// Neither our models nor coefficients: what functions return looks like anything.
fn no_models(schema: &Schema) -> Failure {
    let failure = refused("this is no table of models: it has no column `model` and no `coefficients`");
    match schema.field_with_name(TRACE) {
        Ok(_) => failure
            .next("a function has made these models: name one that predicts with them, as `python: {file: models.py}`"),
        Err(_) => failure,
    }
}

/// The models of a frame over such a table: keys, status, and the stored form, which is null where there is none.
///
/// # Errors
/// The frame is of another table.
pub fn models_frame(frame: DataFrame, scoring: &Scoring) -> Result<DataFrame, Failure> {
    select(frame, &scoring.keys, scoring.models, &scoring.model_keys(), &scoring.status_name(), &scoring.model_name())
}

/// The columns of [`models_frame`].
pub fn models_schema(scoring: &Scoring) -> SchemaRef {
    let keys = scoring.keys.iter().zip(scoring.model_keys());
    let keys = keys.map(|(key, name)| Field::new(name, key.data_type.clone(), true));
    let own = [
        Field::new(scoring.status_name(), DataType::Utf8, true),
        Field::new(scoring.model_name(), DataType::Binary, true),
    ];
    Arc::new(Schema::new(keys.chain(own).collect::<Fields>()))
}

fn select(
    frame: DataFrame,
    keys: &[KeyColumn],
    form: ModelsForm,
    key_names: &[String],
    status: &str,
    model: &str,
) -> Result<DataFrame, Failure> {
    let column = |name: &str| Expr::Column(Column::from_name(name));
    let key = |(key, name): (&KeyColumn, &String)| {
        let value = cast(column(&key.name), key.data_type.clone());
        canonical_key(value.clone(), &key.data_type).unwrap_or(value).alias(name)
    };
    let stored = match form {
        ModelsForm::Stored => cast(column(MODEL), DataType::Binary),
        ModelsForm::Coefficients => stored_model(column(COEFFICIENTS)),
        ModelsForm::Terms => stored_model(column(TERMS)),
    };
    let own = [cast(column(STATUS), DataType::Utf8).alias(status), stored.alias(model)];
    let selected: Vec<Expr> = keys.iter().zip(key_names).map(key).chain(own).collect();
    frame.select(selected).map_err(|error| engine_failure(&error))
}

/// The first model that predicts, from which the others are known: they are of one training.
pub(super) async fn first_model(frame: DataFrame, shape: &Shape, statuses: &[String]) -> Result<Model, Failure> {
    let failed = |error| engine_failure(&error);
    let names: Vec<String> = (0..shape.keys.len()).map(|index| format!("key_{index}")).collect();
    let models = select(frame, &shape.keys, shape.form, &names, STATUS, MODEL)?;
    let usable = col(STATUS).in_list(statuses.iter().map(lit).collect(), false).and(col(MODEL).is_not_null());
    let first = models.filter(usable).and_then(|models| models.limit(0, Some(MODELS_TRIED))).map_err(failed)?;
    let mut unreadable = None;
    for batch in first.collect().await.map_err(failed)? {
        for bytes in batch[MODEL].as_binary::<i32>().iter().flatten() {
            match Model::decode(bytes) {
                Ok(model) => return Ok(model),
                Err(error) => unreadable = Some(error),
            }
        }
    }
    Err(match unreadable {
        Some(error) => Failure::new(Reason::TableUnreadable, format!("the models cannot be read: {error}"))
            .next("train them again, or use the version of shoal that wrote them"),
        None => {
            Failure::new(Reason::TableUnreadable, format!("the table has no model with status {}", statuses.join(", ")))
                .next("look at `status` and `message` of the models, and mend the training")
        }
    })
}

/// Refuses models of which two are of one group: which of them should predict?
///
/// # Errors
/// [`Reason::DuplicateName`] with the group; what comes up while the models are read.
pub async fn refuse_twins(models: DataFrame, scoring: &Scoring) -> Result<(), Failure> {
    let failed = |error| engine_failure(&error);
    let keys: Vec<Expr> = scoring.model_keys().iter().map(|name| Expr::Column(Column::from_name(name))).collect();
    let models_of = format!("{}models", scoring.prefix());
    let counted = models.aggregate(keys, vec![count(lit(1)).alias(&models_of)]).map_err(failed)?;
    let several = Expr::Column(Column::from_name(&models_of)).gt(lit(1));
    let twins = counted.filter(is_true(several)).and_then(|twins| twins.limit(0, Some(1))).map_err(failed)?;
    for batch in twins.collect().await.map_err(failed)? {
        if batch.num_rows() == 0 {
            continue;
        }
        let group = group_in_words(&scoring.keys, batch.columns(), 0);
        let mut failure = Failure::new(Reason::DuplicateName, format!("there are several models of the group {group}"))
            .next("train with `mode: overwrite`, or name a `version` of the table that has one model per group");
        failure.location.group = Some(group);
        return Err(failure);
    }
    Ok(())
}

/// A group by the key in that row, as a person would write it.
pub(super) fn group_in_words(keys: &[KeyColumn], columns: &[ArrayRef], row: usize) -> String {
    let value = |(key, column): (&KeyColumn, &ArrayRef)| {
        let value = array_value_to_string(column, row).unwrap_or_default();
        format!("{}={}", key.name, if value.is_empty() { "null" } else { &value })
    };
    keys.iter().zip(columns).map(value).collect::<Vec<_>>().join(", ")
}

/// Whether the name is the constant term's, which is no feature.
pub(super) fn is_intercept(name: &str) -> bool {
    name == INTERCEPT
}
