//! The columns that a user's function sees.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::prelude::SessionContext;
use serde::{Deserialize, Serialize};
use shoal_core::spec::v1alpha1::Returned;
use shoal_core::{Failure, Reason};

use super::{KeyColumn, ResolvedColumns, Table, names};

/// A column that a function sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameColumn {
    /// Exact name in the table, and in the frame.
    pub name: String,
    /// The type that its values come as.
    pub data_type: DataType,
    /// Which of the keys it is, where it is one.
    pub key: Option<usize>,
}

/// What a job file says of what a function sees.
#[derive(Clone, Copy, Debug)]
pub struct WantedFrame<'a> {
    /// Columns that make a group.
    pub group_by: &'a [String],
    /// Columns that the function sees; all of them where none are named.
    pub columns: Option<&'a [String]>,
    /// What it returns.
    pub returns: &'a [Returned],
    /// Which rows are read.
    pub filter: Option<&'a str>,
}

/// Resolves what a function sees, and checks that the output can have what it returns. `field` is the kind's path in the job
/// file, `reserved` are the output's own columns.
///
/// # Errors
/// With the field's path and how to mend it: an unknown column, or a name that the output cannot have.
pub fn resolve_frame(
    ctx: &SessionContext,
    schema: &Schema,
    wanted: &WantedFrame<'_>,
    field: &str,
    reserved: &[&str],
) -> Result<ResolvedColumns, Failure> {
    let WantedFrame { group_by, columns, returns, filter } = *wanted;
    let table = Table::new(ctx, schema)?;
    let keys = table.keys(group_by, reserved, field)?;
    let member = |name: &str| format!("{field}.model.python.{name}");
    let frame = match columns {
        Some(named) => named
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let column = schema.field_with_name(name).map_err(|_| table.no_column(name));
                column.map_err(|failure| failure.field(member(&format!("columns[{index}]"))))
            })
            .map(|column| column.map(|column| frame_column(column.name(), column.data_type(), &keys)))
            .collect::<Result<_, _>>()?,
        None => schema.fields().iter().map(|column| frame_column(column.name(), column.data_type(), &keys)).collect(),
    };
    for (index, Returned { name, data_type: _ }) in returns.iter().enumerate() {
        let path = member(&format!("returns[{index}].name"));
        returnable(name, &keys, reserved).map_err(|failure| failure.field(path))?;
    }
    let filter = table.filter_at(filter, field)?;
    Ok(ResolvedColumns::of_function(keys, frame, filter))
}

fn frame_column(name: &str, data_type: &DataType, keys: &[KeyColumn]) -> FrameColumn {
    let key = keys.iter().position(|key| key.name == name);
    FrameColumn { name: name.to_owned(), data_type: plain_type(data_type), key }
}

/// Views and dictionaries are ways to store the same values, which not every library knows, and which files differ in.
pub(crate) fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        other => other.clone(),
    }
}

fn returnable(name: &str, keys: &[KeyColumn], reserved: &[&str]) -> Result<(), Failure> {
    names::storable(name, "return it under another name")?;
    let what = if keys.iter().any(|key| key.name == name) {
        "a key"
    } else if reserved.contains(&name) {
        "one of the output's own columns"
    } else {
        return Ok(());
    };
    Err(Failure::new(Reason::InvalidName, format!("what is returned cannot be called `{name}`: that is {what}"))
        .column(name)
        .next("return it under another name; the keys are in the output anyway"))
}
