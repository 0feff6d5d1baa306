//! Names in messages, and names that an output table can hold.

use datafusion::arrow::datatypes::DataType;
use shoal_core::{Failure, Reason};

use super::NumericColumn;

/// Characters that Delta refuses in the name of a column.
const REFUSED: [char; 10] = [' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// Bytes of the longest name: what metastores hold.
const NAME_BYTES_MAX: usize = 255;

/// Columns that a message lists before it breaks off.
const LISTED_MAX: usize = 20;

/// Whether a Delta table can have a column or field of that name.
pub(crate) fn storable(name: &str, mend: &str) -> Result<(), Failure> {
    let refuse = |why: String| Err(Failure::new(Reason::InvalidName, why).column(name).next(mend));
    if name.is_empty() {
        refuse("a column of the output cannot have an empty name".to_owned())
    } else if name.len() > NAME_BYTES_MAX {
        refuse(format!("a column of the output cannot have a name of more than {NAME_BYTES_MAX} bytes"))
    } else if let Some(character) = name.chars().find(|character| REFUSED.contains(character)) {
        refuse(format!("`{name}` cannot be a column of the output: Delta allows no {} in a name", spelt(character)))
    } else {
        Ok(())
    }
}

fn spelt(character: char) -> String {
    match character {
        ' ' => "space".to_owned(),
        '\n' => "line break".to_owned(),
        '\t' => "tab".to_owned(),
        other => format!("`{other}`"),
    }
}

/// A column with an alias that can be stored, as an example for the user.
pub(super) fn renamed(column: &NumericColumn) -> String {
    let alias: String =
        column.name.chars().map(|character| if REFUSED.contains(&character) { '_' } else { character }).collect();
    let alias = if alias.is_empty() { "my_name".to_owned() } else { alias };
    if column.is_column {
        format!("{} AS {}", quoted(&column.name), quoted(&alias))
    } else {
        format!("... AS {}", quoted(&alias))
    }
}

/// A name as SQL takes it.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A column or expression that gives no numbers, and what can be done about it.
pub(super) fn not_numeric(name: &str, text: &str, data_type: &DataType, is_column: bool) -> Failure {
    let (sql, name_in_sql) = (if is_column { quoted(name) } else { "...".to_owned() }, quoted(name));
    let failure = Failure::new(Reason::ColumnNotNumeric, format!("`{text}` is {data_type}, not a number")).column(name);
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => failure.next(format!(
            "where its values are numbers, write `TRY_CAST({sql} AS DOUBLE) AS {name_in_sql}`, which is null for those that \
             are none"
        )),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            failure.next(format!("write `date_part('year', {sql}) AS {name_in_sql}`, or another part of it"))
        }
        DataType::Struct(fields) => match fields.first() {
            Some(field) => failure.next(format!("name one of its fields, as `{sql}['{0}'] AS {0}`", field.name())),
            None => failure.next("choose another column"),
        },
        _ => failure.next("choose another column, or an expression that makes a number of it"),
    }
}

/// Names in a row, cut where they are many.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    if names.len() > LISTED_MAX { format!("{shown} and {} more", names.len() - LISTED_MAX) } else { shown }
}
