use deltalake::kernel::{DataType, StructField, StructType};
use shoal_core::{Failure, Reason};

/// Refuses to append rows of one schema to a table of another, and names the first column that differs.
///
/// Columns are compared by name, so their order does not matter; within a struct too.
pub(super) fn refuse_mismatch(table: &StructType, rows: &StructType) -> Result<(), Failure> {
    match mismatch(table, rows, None) {
        Some((column, message)) => Err(Failure::new(Reason::SchemaMismatch, message)
            .column(column)
            .next("use mode: overwrite, or name another table")),
        None => Ok(()),
    }
}

/// The first difference: the column's full name, and a sentence.
fn mismatch(table: &StructType, rows: &StructType, parent: Option<&str>) -> Option<(String, String)> {
    let full_name = |name: &str| parent.map_or_else(|| name.to_owned(), |parent| format!("{parent}.{name}"));
    for ours in rows.fields() {
        let name = full_name(ours.name());
        let Some(theirs) = table.field(ours.name()) else {
            let message = format!("column `{name}` would be appended, but the table does not have it");
            return Some((name, message));
        };
        if let Some(difference) = field_mismatch(theirs, ours, name) {
            return Some(difference);
        }
    }
    let missing = table.fields().find(|theirs| rows.field(theirs.name()).is_none())?;
    let name = full_name(missing.name());
    let message = format!("the table has a column `{name}`, but what would be appended does not");
    Some((name, message))
}

fn field_mismatch(theirs: &StructField, ours: &StructField, name: String) -> Option<(String, String)> {
    if let (DataType::Struct(table), DataType::Struct(rows)) = (theirs.data_type(), ours.data_type()) {
        return mismatch(table, rows, Some(&name));
    }
    let message = if theirs.data_type() != ours.data_type() {
        let (there, here) = (theirs.data_type(), ours.data_type());
        format!("column `{name}` is a {there} in the table and a {here} in what would be appended")
    } else if ours.is_nullable() && !theirs.is_nullable() {
        format!("column `{name}` has no nulls in the table, but may have some in what would be appended")
    } else {
        return None;
    };
    Some((name, message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn schema(fields: Vec<StructField>) -> StructType {
        StructType::try_new(fields).unwrap()
    }

    fn terms(names: &[&str]) -> StructField {
        let fields = names.iter().map(|name| StructField::nullable(*name, DataType::DOUBLE));
        StructField::nullable("coefficients", schema(fields.collect()))
    }

    #[test]
    fn the_first_column_that_differs_is_named_with_both_types() {
        let key = |data_type: DataType| StructField::nullable("firm", data_type);
        let table = schema(vec![key(DataType::LONG), terms(&["intercept", "capital"])]);
        let cases = [
            (vec![terms(&["capital", "intercept"]), key(DataType::LONG)], None),
            (vec![key(DataType::STRING), terms(&["intercept", "capital"])], Some("firm")),
            (vec![key(DataType::LONG), terms(&["intercept", "value"])], Some("coefficients.value")),
            (vec![key(DataType::LONG), terms(&["intercept"])], Some("coefficients.capital")),
            (vec![key(DataType::LONG)], Some("coefficients")),
        ];
        for (fields, expected) in cases {
            let column = refuse_mismatch(&table, &schema(fields)).err().and_then(|failure| failure.location.column);
            assert_eq!(column.as_deref(), expected);
        }
        let failure = refuse_mismatch(&table, &schema(vec![key(DataType::STRING)])).unwrap_err();
        assert_eq!(failure.message, "column `firm` is a long in the table and a string in what would be appended");
    }
}
