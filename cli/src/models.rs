//! The models or predictions that a job made, read from its output table.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StructArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::json::writer::{JsonArray, WriterBuilder};
use futures::TryStreamExt;
use serde_json::Value;
use shoal_core::Failure;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_engine::sql;

use crate::render::table::{Cell, Table};

/// Rows that are shown to a person: what fits a screen.
pub(crate) const ROWS_SHOWN_MAX: u64 = 20;

/// Rows in a JSON document: what a program can be expected to hold. All others are in the table.
pub(crate) const ROWS_JSON_MAX: u64 = 1_000;

/// Columns that are shown beside keys and coefficients, where the table has them.
const SHOWN: [&str; 3] = ["status", "message", "rows_used"];

/// Columns that say how good a model is. Of those that the table has, the first is shown.
const QUALITY: [&str; 6] = ["r2", "pseudo_r2", "deviance", "out_of_bag_score", "train_loss", "mean"];

/// The column of structs whose fields are shown as columns.
const COEFFICIENTS: &str = "coefficients";

/// The first rows of a table: models in the order of their keys, predictions as they come.
pub(crate) struct Models {
    keys: Vec<String>,
    rows: RecordBatch,
    made_by: MadeBy,
}

/// Where rows come from, which says what of them a person sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MadeBy {
    /// They are models.
    Model,
    /// They are what a function returned.
    Function,
    /// They are predictions.
    Scoring,
    /// They are predictions of a function.
    FunctionScoring,
}

impl MadeBy {
    fn of(job: &ShoalJob) -> Self {
        match (&job.spec.grouped_training, &job.spec.grouped_scoring) {
            (Some(training), _) if training.model.python.is_some() => Self::Function,
            (Some(_), _) => Self::Model,
            (None, Some(scoring)) if scoring.python.is_some() => Self::FunctionScoring,
            (None, _) => Self::Scoring,
        }
    }
}

/// Columns of a function's output that say more of failures than fits a table.
const FAILURES: [&str; 2] = ["error_type", "trace"];

impl Models {
    /// Reads them.
    ///
    /// # Errors
    /// What keeps the table from being read.
    pub(crate) async fn read(job: &ShoalJob, table: &str, rows_max: u64) -> Result<Self, Failure> {
        let keys = job.spec.grouped_training.as_ref().map(|training| training.group_by.clone()).unwrap_or_default();
        let answer = sql::query(&statement(table, &keys, rows_max)).await?;
        let batches: Vec<RecordBatch> = answer.batches.try_collect().await?;
        let rows = concat_batches(&answer.schema, &batches)
            .map_err(|error| Failure::internal("the models do not make one table").because(&error))?;
        Ok(Self { keys, rows, made_by: MadeBy::of(job) })
    }

    /// Rows that lie in no table.
    pub(crate) fn of(job: &ShoalJob, rows: RecordBatch) -> Self {
        let keys = job.spec.grouped_training.as_ref().map(|training| training.group_by.clone()).unwrap_or_default();
        Self { keys, rows, made_by: MadeBy::of(job) }
    }

    /// Them as a table: of models keys, how the fit ended and coefficients; of a function what it returned.
    ///
    /// # Errors
    /// [`shoal_core::Reason::Internal`] for a type that cannot be shown.
    pub(crate) fn table(&self) -> Result<String, Failure> {
        let mut table = Table::default();
        let columns = match self.made_by {
            MadeBy::Model => shown_columns(&self.keys, &self.rows),
            MadeBy::Function | MadeBy::FunctionScoring => returned_columns(&self.rows),
            MadeBy::Scoring => all_columns(&self.rows).collect(),
        };
        for (name, column) in columns {
            table.add_column(&name, Cell::of_array(column.as_ref())?);
        }
        Ok(table.to_string())
    }

    /// Them as JSON: every column of the table.
    ///
    /// # Errors
    /// [`shoal_core::Reason::Internal`] for a type that JSON does not have.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        rows_json(&self.rows)
    }
}

/// Rows as JSON, with every column.
///
/// # Errors
/// As [`Models::json`].
pub(crate) fn rows_json(rows: &RecordBatch) -> Result<Value, Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::internal("the models cannot be written as JSON").because(error)
    };
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    writer.write(rows).and_then(|()| writer.finish()).map_err(|error| failed(&error))?;
    serde_json::from_slice(&writer.into_inner()).map_err(|error| failed(&error))
}

fn statement(table: &str, keys: &[String], rows_max: u64) -> String {
    let order: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
    format!("SELECT * FROM {}{order} LIMIT {rows_max}", path(table))
}

impl Models {
    /// What a user may type next, to ask the table for more.
    pub(crate) fn next_statement(&self, table: &str) -> String {
        if matches!(self.made_by, MadeBy::Scoring | MadeBy::FunctionScoring) {
            return format!("SELECT reason, count(*) FROM {} GROUP BY reason", path(table));
        }
        let has = |name: &&str| self.rows.column_by_name(name).is_some();
        let quality = QUALITY.into_iter().find(has);
        let own = ["status"].into_iter().chain(quality).chain([COEFFICIENTS, "terms"].into_iter().find(has));
        let columns: Vec<String> =
            self.keys.iter().map(|key| shell_quoted(key)).chain(own.map(str::to_owned)).collect();
        let order = quality.map(|quality| format!(" ORDER BY {quality} DESC")).unwrap_or_default();
        format!("SELECT {} FROM {}{order}", columns.join(", "), path(table))
    }
}

fn path(table: &str) -> String {
    format!("'{}'", table.replace('\'', "''"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name as it stands within a statement in double quotes: plain where that is the same.
fn shell_quoted(name: &str) -> String {
    let plain =
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain { name.to_owned() } else { quoted(name).replace('"', "\\\"") }
}

type Column = (String, Arc<dyn Array>);

fn all_columns(rows: &RecordBatch) -> impl Iterator<Item = Column> {
    let names: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    names.into_iter().zip(rows.columns().iter().cloned())
}

/// All but what stands in no line; messages only where there are any.
fn returned_columns(rows: &RecordBatch) -> Vec<Column> {
    let is_shown = |(name, column): &Column| {
        !FAILURES.contains(&name.as_str()) && (name != "message" || column.null_count() < column.len())
    };
    all_columns(rows).filter(is_shown).collect()
}

/// Keys first, then what is worth a look, then a column per term. Messages only where there are any.
fn shown_columns(keys: &[String], rows: &RecordBatch) -> Vec<Column> {
    let schema: SchemaRef = rows.schema();
    let own = |name: &&str| !keys.iter().any(|key| key == name);
    let mut columns: Vec<Column> = keys
        .iter()
        .map(String::as_str)
        .chain(SHOWN.into_iter().chain(QUALITY.into_iter().find(|name| schema.index_of(name).is_ok())).filter(own))
        .filter_map(|name| Some((name.to_owned(), rows.column_by_name(name)?.clone())))
        .filter(|(name, column)| name != "message" || column.null_count() < column.len())
        .collect();
    let is_struct = schema.field_with_name(COEFFICIENTS).is_ok_and(|it| matches!(it.data_type(), DataType::Struct(_)));
    if is_struct
        && let Some(terms) = rows.column_by_name(COEFFICIENTS).and_then(|it| it.as_any().downcast_ref::<StructArray>())
    {
        // Flattened, a term is null where its struct is.
        let (fields, terms, nulls) = terms.clone().into_parts();
        for (field, term) in fields.iter().zip(terms) {
            columns.push((field.name().clone(), masked(&term, nulls.as_ref())));
        }
    }
    columns
}

fn masked(term: &Arc<dyn Array>, nulls: Option<&arrow::buffer::NullBuffer>) -> Arc<dyn Array> {
    let nulls = arrow::buffer::NullBuffer::union(term.nulls(), nulls);
    match term.to_data().into_builder().nulls(nulls).build() {
        Ok(data) => arrow::array::make_array(data),
        Err(_) => term.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringArray};
    use arrow::buffer::NullBuffer;
    use arrow::datatypes::Field;

    use super::*;

    fn models() -> Models {
        let terms =
            vec![Field::new("intercept", DataType::Float64, true), Field::new("value", DataType::Float64, true)];
        let values: Vec<Arc<dyn Array>> = vec![
            Arc::new(Float64Array::from(vec![Some(-149.782_453_301), None])),
            Arc::new(Float64Array::from(vec![Some(0.119_280_8), None])),
        ];
        let coefficients = StructArray::new(terms.into(), values, Some(NullBuffer::from(vec![true, false])));
        let rows = RecordBatch::try_from_iter_with_nullable(vec![
            ("firm", Arc::new(StringArray::from(vec!["General Motors", "Nobody"])) as Arc<dyn Array>, true),
            ("status", Arc::new(StringArray::from(vec!["ok", "too_few_rows"])), true),
            ("message", Arc::new(StringArray::from(vec![None, Some("1 row")])), true),
            ("rows_used", Arc::new(Int64Array::from(vec![20, 1])), true),
            ("coefficients", Arc::new(coefficients), true),
            ("r2", Arc::new(Float64Array::from(vec![Some(0.921_35), None])), true),
            ("aic", Arc::new(Float64Array::from(vec![Some(1.0), None])), true),
        ])
        .unwrap();
        Models { keys: vec!["firm".to_owned()], rows, made_by: MadeBy::Model }
    }

    #[test]
    fn a_row_per_group_with_key_fit_and_coefficients() {
        let expected = "\
firm            status        message  rows_used       r2  intercept     value
General Motors  ok            -               20  0.92135   -149.782  0.119281
Nobody          too_few_rows  1 row            1        -          -         -
";
        assert_eq!(models().table().unwrap(), expected);
    }

    #[test]
    fn predictions_have_all_their_columns() {
        let rows = RecordBatch::try_from_iter_with_nullable(vec![
            ("firm", Arc::new(StringArray::from(vec!["Nobody"])) as Arc<dyn Array>, true),
            ("prediction", Arc::new(Float64Array::from(vec![None])), true),
            ("reason", Arc::new(StringArray::from(vec!["no_model"])), true),
        ])
        .unwrap();
        let shown = Models { keys: Vec::new(), rows, made_by: MadeBy::Scoring }.table().unwrap();
        assert_eq!(shown, "firm    prediction  reason\nNobody           -  no_model\n");
    }

    #[test]
    fn of_a_function_all_that_it_returned_is_shown_and_messages_where_there_are_any() {
        let text = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as Arc<dyn Array>;
        let shown = |message: Option<&str>| {
            let rows = RecordBatch::try_from_iter_with_nullable(vec![
                ("firm", text(vec![Some("a")]), true),
                ("status", text(vec![Some("raised")]), true),
                ("message", text(vec![message]), true),
                ("error_type", text(vec![Some("ValueError")]), true),
                ("trace", text(vec![Some("a.py:1")]), true),
                ("n", Arc::new(Int64Array::from(vec![7])) as Arc<dyn Array>, true),
            ]);
            Models { keys: Vec::new(), rows: rows.unwrap(), made_by: MadeBy::Function }.table().unwrap()
        };
        assert_eq!(shown(None), "firm  status  n\na     raised  7\n");
        assert_eq!(shown(Some("no")), "firm  status  message  n\na     raised  no       7\n");
    }

    #[test]
    fn json_has_every_column_and_nulls() {
        let json = models().json().unwrap();
        assert_eq!(json[0]["coefficients"]["value"], 0.119_280_8);
        assert_eq!(json[0]["aic"], 1.0);
        assert!(json[1]["coefficients"].is_null() && json[1].as_object().unwrap().contains_key("r2"));
    }

    #[test]
    fn statements_quote_paths_and_names() {
        assert_eq!(
            statement("/it's/here", &["a\"b".to_owned()], 5),
            "SELECT * FROM '/it''s/here' ORDER BY \"a\"\"b\" LIMIT 5"
        );
        let keys = vec!["firm".to_owned(), "Sales Region".to_owned()];
        let next = Models { keys, ..models() }.next_statement("/out");
        let expected = "SELECT firm, \\\"Sales Region\\\", status, r2, coefficients FROM '/out' ORDER BY r2 DESC";
        assert_eq!(next, expected);
    }
}
