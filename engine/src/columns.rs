//! What a training reads of a table: names and expressions of the job file, resolved against the pinned schema.

mod encoding;
mod expression;
mod frame;
mod names;
pub(crate) mod scoring;
mod selection;

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::prelude::SessionContext;
use serde::{Deserialize, Serialize};
use shoal_core::job::{Evaluate, INTERCEPT, Model};
use shoal_core::spec::v1alpha1::{Categorical, Encode};
use shoal_core::{Failure, Reason};

use crate::keys::logical_type;
use expression::Resolved;

pub use frame::{FrameColumn, WantedFrame, resolve_frame};
pub use selection::{categories_in, select};

/// Everything that a training reads: keys, features in their order, the target, weights, and which rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedColumns {
    /// Columns that make a group, in the order of the job file.
    pub keys: Vec<KeyColumn>,
    /// What the model explains by, in the order of the job file.
    pub features: Vec<NumericColumn>,
    /// Columns of categories, which it explains by as well.
    #[serde(default)]
    pub categories: Vec<CategoryColumn>,
    /// What the model explains; nothing where a function is called.
    pub target: Option<TargetColumn>,
    /// What a function sees, where one is called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frame: Vec<FrameColumn>,
    /// What a row weighs, where rows differ in that.
    #[serde(default)]
    pub weight: Option<NumericColumn>,
    /// What says which fold a row is of, where a column does.
    #[serde(default)]
    pub fold: Option<FoldColumn>,
    /// A SQL expression: rows for which it is not true are left out.
    pub filter: Option<String>,
}

impl ResolvedColumns {
    /// What a function is called with: all that it reads is in its frame.
    pub(crate) fn of_function(keys: Vec<KeyColumn>, frame: Vec<FrameColumn>, filter: Option<String>) -> Self {
        Self {
            keys,
            features: Vec::new(),
            categories: Vec::new(),
            target: None,
            frame,
            weight: None,
            fold: None,
            filter,
        }
    }
}

/// A column or expression whose values are names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CategoryColumn {
    /// Name in the output: the column's, or the alias.
    pub name: String,
    /// The exact name of a column, or a SQL expression with its alias.
    pub expression: String,
    /// Which of the two it is.
    pub is_column: bool,
    /// What becomes of it.
    pub encode: Encode,
    /// Whether the first category has no term.
    pub drop_first: bool,
    /// Buckets of `hash`, where the job says.
    pub buckets: Option<u32>,
}

/// A column or expression that says which fold a row is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoldColumn {
    /// The exact name of a column, or a SQL expression with its alias.
    pub expression: String,
    /// Which of the two it is.
    pub is_column: bool,
    /// Whether its values are points in time, or what they are called.
    pub is_time: bool,
}

/// A column that is part of the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyColumn {
    /// Exact name in the table, and in the output.
    pub name: String,
    /// The logical type that its values are cast to, whatever the type in a file.
    pub data_type: DataType,
}

/// A column or expression whose values are numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NumericColumn {
    /// Name in the output: the column's, or the alias.
    pub name: String,
    /// The exact name of a column, or a SQL expression with its alias, as the user wrote it.
    pub expression: String,
    /// Which of the two it is.
    pub is_column: bool,
}

/// The column or expression that a model explains: numbers, or names of classes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetColumn {
    /// Name in the output: the column's, or the alias.
    pub name: String,
    /// The exact name of a column, or a SQL expression with its alias, as the user wrote it.
    pub expression: String,
    /// Which of the two it is.
    pub is_column: bool,
    /// Whether its values are true or false, which count as 1 and 0.
    #[serde(default)]
    pub is_boolean: bool,
    /// Whether its values are texts, each the name of a class.
    #[serde(default)]
    pub is_text: bool,
}

/// What a job file says of what a training reads.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Columns that make a group.
    pub group_by: &'a [String],
    /// The model, with its target, features and weight.
    pub model: &'a Model,
    /// How models are tested.
    pub evaluate: Option<&'a Evaluate>,
    /// Which rows are read.
    pub filter: Option<&'a str>,
}

/// Resolves what a training reads. `field` is the kind's path in the job file, as `spec.groupedTraining`; `reserved` are
/// the output's own columns.
///
/// A string that is the exact name of a column is that column, whatever characters it has; any other is a SQL expression
/// with an alias. Expressions must give the same number for the same row on any worker at any time, so aggregates,
/// subqueries and functions such as `random()` and `now()` are refused.
///
/// # Errors
/// With the field's path, the column and how to mend it: an unknown column, no number, no boolean, no alias, a name twice,
/// or a name that the output cannot have.
pub fn resolve(
    ctx: &SessionContext,
    schema: &Schema,
    wanted: &Wanted<'_>,
    field: &str,
    reserved: &[&str],
) -> Result<ResolvedColumns, Failure> {
    let Wanted { group_by, model, evaluate, filter } = *wanted;
    let table = Table::new(ctx, schema)?;
    let keys = table.keys(group_by, reserved, field)?;
    let member = |name: &str| format!("{field}.model.{}.{name}", model.name());
    let target = table.target(model).map_err(|failure| failure.field(member("target")))?;
    let feature_path = |index: usize| member(&format!("features[{index}]"));
    let features = model
        .features()
        .iter()
        .enumerate()
        .map(|(index, feature)| table.feature(feature, &target.1).map_err(|failure| failure.field(feature_path(index))))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some((first, second)) = twins(&features) {
        let name = &features[second].name;
        return Err(Failure::new(
            Reason::DuplicateName,
            format!("features {first} and {second} are both called `{name}`"),
        )
        .field(feature_path(second))
        .next("give one of them another name with `AS`"));
    }
    let categories: Vec<CategoryColumn> = (model.categorical().iter().enumerate())
        .map(|(index, categorical)| {
            let path = member(&format!("categorical[{index}].column"));
            table.category(categorical).map_err(|failure| failure.field(path))
        })
        .collect::<Result<_, _>>()?;
    let named = features.iter().map(|feature| &feature.name).chain([&target.0.name]);
    let named: Vec<&String> = named.chain(categories.iter().map(|category| &category.name)).collect();
    if let Some(index) = (0..categories.len()).find(|index| {
        let name = &categories[*index].name;
        named.iter().filter(|other| **other == name).count() > 1
    }) {
        return Err(Failure::new(
            Reason::DuplicateName,
            format!("`{}` is there twice: as a category, and once more", categories[index].name),
        )
        .field(member(&format!("categorical[{index}].column")))
        .next("remove one of the two, or give it another name with `AS`"));
    }
    let weight = model.weight().map(|weight| table.weight(weight, &target.1)).transpose();
    let weight = weight.map_err(|failure| failure.field(member("weight")))?;
    let fold = evaluate.and_then(|evaluate| table.fold(evaluate, field)).transpose()?;
    let filter = table.filter_at(filter, field)?;
    Ok(ResolvedColumns { keys, features, categories, target: Some(target.0), frame: Vec::new(), weight, fold, filter })
}

/// The first two features with one name, by their indices.
fn twins(features: &[NumericColumn]) -> Option<(usize, usize)> {
    let mut seen = BTreeMap::new();
    features.iter().enumerate().find_map(|(index, feature)| Some((seen.insert(&feature.name, index)?, index)))
}

/// A schema to resolve against.
pub(crate) struct Table<'a> {
    ctx: &'a SessionContext,
    schema: &'a Schema,
    df_schema: DFSchema,
}

impl<'a> Table<'a> {
    fn new(ctx: &'a SessionContext, schema: &'a Schema) -> Result<Self, Failure> {
        let df_schema = DFSchema::try_from(schema.clone())
            .map_err(|error| Failure::new(Reason::TableUnreadable, "the table's columns clash").because(&error))?;
        Ok(Self { ctx, schema, df_schema })
    }

    fn keys(&self, names: &[String], reserved: &[&str], field: &str) -> Result<Vec<KeyColumn>, Failure> {
        let key = |(index, name): (usize, &String)| {
            self.key(name, reserved).map_err(|failure| failure.field(format!("{field}.groupBy[{index}]")))
        };
        names.iter().enumerate().map(key).collect()
    }

    fn key(&self, name: &str, reserved: &[&str]) -> Result<KeyColumn, Failure> {
        let Ok(column) = self.schema.field_with_name(name) else {
            return Err(self.no_column(name));
        };
        names::storable(name, "read a table in which the column has another name")?;
        if reserved.contains(&name) {
            return Err(Failure::new(
                Reason::InvalidName,
                format!("the key `{name}` has the name of one of the output's own columns"),
            )
            .column(name)
            .next("read a table in which the column has another name"));
        }
        let data_type = logical_type(column.data_type()).ok_or_else(|| {
            Failure::new(Reason::InvalidValue, format!("`{name}` is {}, which cannot be a key", column.data_type()))
                .column(name)
                .next("group by columns of numbers, strings, booleans, dates or timestamps")
        })?;
        Ok(KeyColumn { name: name.to_owned(), data_type })
    }

    /// What the model explains, and what it is without its alias.
    fn target(&self, model: &Model) -> Result<(TargetColumn, Expr), Failure> {
        let text = model.target();
        let Resolved { name, expr, data_type, is_column } = self.resolve(text)?;
        let is_text = is_text(&data_type);
        if is_text && model.can_predict_classes() && !model.predicts_classes() {
            return Err(Failure::new(Reason::ColumnNotNumeric, format!("`{text}` is {data_type}, not a number"))
                .column(&name)
                .next("set `predict: class`: texts are the names of classes"));
        }
        if !(is_number(&data_type) || is_text && model.predicts_classes()) {
            return Err(names::not_numeric(&name, text, &data_type, is_column));
        }
        let is_boolean = is_boolean(&data_type);
        Ok((TargetColumn { name, expression: text.to_owned(), is_column, is_boolean, is_text }, expr))
    }

    fn feature(&self, text: &str, target: &Expr) -> Result<NumericColumn, Failure> {
        let (column, expr) = self.numeric(text)?;
        names::storable(&column.name, &format!("give it another name with `AS`, as `{}`", names::renamed(&column)))?;
        if column.name == INTERCEPT {
            return Err(Failure::new(
                Reason::InvalidName,
                "a feature cannot be called `intercept`: the constant term of the output has that name",
            )
            .next("give it another name with `AS`"));
        }
        if expr == *target {
            return Err(Failure::new(Reason::DuplicateName, format!("`{text}` is the target and a feature"))
                .next("remove it from the features: a model that knows the answer learns nothing"));
        }
        Ok(column)
    }

    fn category(&self, categorical: &Categorical) -> Result<CategoryColumn, Failure> {
        let Categorical { column, encode, drop_first, buckets } = categorical;
        let Resolved { name, data_type, is_column, .. } = self.resolve(column)?;
        names::storable(&name, "give it another name with `AS`")?;
        if logical_type(&data_type).is_none() {
            return Err(Failure::new(
                Reason::InvalidValue,
                format!("`{name}` is {data_type}, whose values are no categories"),
            )
            .column(name)
            .next("name a column of texts, numbers, booleans or dates"));
        }
        Ok(CategoryColumn {
            name,
            expression: column.clone(),
            is_column,
            encode: *encode,
            drop_first: drop_first.unwrap_or(true),
            buckets: *buckets,
        })
    }

    fn weight(&self, text: &str, target: &Expr) -> Result<NumericColumn, Failure> {
        let (column, expr) = self.numeric(text)?;
        if expr == *target {
            return Err(Failure::new(Reason::DuplicateName, format!("`{text}` is the target and the weight"))
                .next("name what a row weighs, or remove `weight`"));
        }
        Ok(column)
    }

    /// What says which fold a row is of; nothing where its values do.
    fn fold(&self, evaluate: &Evaluate, field: &str) -> Option<Result<FoldColumn, Failure>> {
        let (text, path, is_time) = match evaluate {
            Evaluate::Hashed(_) => return None,
            Evaluate::Column(text) => (text, format!("{field}.evaluate.column"), false),
            Evaluate::Time(time) => (&time.column, format!("{field}.evaluate.time.column"), true),
        };
        let resolved = self.resolve(text).and_then(|Resolved { name, data_type, is_column, .. }| {
            let is_point = is_number(&data_type) || data_type.is_temporal();
            if is_time && !is_point || logical_type(&data_type).is_none() {
                let wanted = if is_time { "a date, a timestamp or a number" } else { "a number, a text or a date" };
                return Err(Failure::new(
                    Reason::InvalidValue,
                    format!("`{name}` is {data_type}, where {wanted} is expected"),
                )
                .column(name)
                .next("name another column, or cast it, as `CAST(... AS DATE) AS day`"));
            }
            Ok(FoldColumn { expression: text.clone(), is_column, is_time })
        });
        Some(resolved.map_err(|failure| failure.field(path)))
    }

    /// A column or expression of numbers, and what it is without its alias.
    fn numeric(&self, text: &str) -> Result<(NumericColumn, Expr), Failure> {
        let Resolved { name, expr, data_type, is_column } = self.resolve(text)?;
        if !is_number(&data_type) {
            return Err(names::not_numeric(&name, text, &data_type, is_column));
        }
        Ok((NumericColumn { name, expression: text.to_owned(), is_column }, expr))
    }

    fn filter_at(&self, text: Option<&str>, field: &str) -> Result<Option<String>, Failure> {
        let located = |failure: Failure| failure.field(format!("{field}.input.where"));
        text.map(|text| self.filter(text).map_err(located)).transpose()
    }

    fn filter(&self, text: &str) -> Result<String, Failure> {
        let data_type = self.resolve_filter(text)?;
        if data_type != DataType::Boolean {
            return Err(Failure::new(
                Reason::InvalidExpression,
                format!("the condition gives {data_type}, where true or false is expected"),
            )
            .next("compare something, as `year > 1935`"));
        }
        Ok(text.to_owned())
    }
}

fn is_boolean(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_boolean(value),
        other => *other == DataType::Boolean,
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

/// Whether values of that type can be computed with; booleans count as 0 and 1.
fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_number(value),
        other => other.is_numeric() || *other == DataType::Boolean,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
