//! Columns of text, aligned: numbers to the right.

use std::fmt;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use shoal_core::Failure;

/// Digits of a number that are shown: enough to compare models by, and a row still fits a screen.
const DIGITS: usize = 6;

/// Characters of a text that are shown.
const TEXT_CHARS_MAX: usize = 40;

/// What stands for a value that is not there.
const MISSING: &str = "-";

/// Space between columns.
const GAP: &str = "  ";

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Aligned to the left.
    Text(String),
    /// Aligned to the right.
    Number(String),
    /// Not there; aligned as its column.
    Missing,
}

impl Cell {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Anything that counts.
    pub(crate) fn number(number: impl fmt::Display) -> Self {
        Self::Number(number.to_string())
    }

    /// The values of an array; floats rounded, long texts cut.
    ///
    /// # Errors
    /// [`shoal_core::Reason::Internal`] for a type that cannot be shown.
    pub(crate) fn of_array(array: &dyn Array) -> Result<Vec<Self>, Failure> {
        let failed = |error| Failure::internal("a column cannot be shown").because(&error);
        let options = FormatOptions::default();
        let values = ArrayFormatter::try_new(array, &options).map_err(failed)?;
        let floats = array.as_primitive_opt::<Float64Type>();
        (0..array.len())
            .map(|row| match floats {
                _ if array.is_null(row) => Ok(Self::Missing),
                Some(floats) => Ok(Self::Number(rounded(floats.value(row)))),
                None => {
                    let text = values.value(row).try_to_string().map_err(failed)?;
                    Ok(if is_number(array.data_type()) { Self::Number(text) } else { Self::Text(cut(&text)) })
                }
            })
            .collect()
    }

    fn show(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Missing => MISSING,
        }
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// A number with its leading digits, as `0.119281` or `1.2e-12`.
fn rounded(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return value.to_string();
    }
    let exponent = value.abs().log10().floor();
    if !(-5.0..15.0).contains(&exponent) {
        return format!("{value:.*e}", DIGITS - 1);
    }
    let decimals = (DIGITS as f64 - 1.0 - exponent).clamp(0.0, 12.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn cut(text: &str) -> String {
    // A line break would break the row.
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= TEXT_CHARS_MAX {
        return line;
    }
    line.chars().take(TEXT_CHARS_MAX - 1).chain(['…']).collect()
}

/// Columns with a header each.
#[derive(Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
}

struct Column {
    name: String,
    cells: Vec<Cell>,
    width: usize,
    right: bool,
}

impl Table {
    /// Adds a column at the right.
    pub(crate) fn add_column(&mut self, name: &str, cells: Vec<Cell>) {
        let width = cells.iter().map(Cell::show).chain([name]).map(|text| text.chars().count()).max().unwrap_or(0);
        let right = cells.iter().any(|cell| matches!(cell, Cell::Number(_)))
            || (!cells.is_empty() && cells.iter().all(|cell| *cell == Cell::Missing));
        self.columns.push(Column { name: name.to_owned(), cells, width, right });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_row(f, self.columns.iter().map(|column| (column, column.name.as_str())))?;
        let rows = self.columns.first().map_or(0, |column| column.cells.len());
        for row in 0..rows {
            write_row(f, self.columns.iter().map(|column| (column, column.cells.get(row).map_or("", Cell::show))))?;
        }
        Ok(())
    }
}

fn write_row<'a>(f: &mut fmt::Formatter<'_>, cells: impl Iterator<Item = (&'a Column, &'a str)>) -> fmt::Result {
    let mut line = String::new();
    for (index, (column, text)) in cells.enumerate() {
        let width = column.width;
        line.push_str(if index == 0 { "" } else { GAP });
        line.push_str(&if column.right { format!("{text:>width$}") } else { format!("{text:<width$}") });
    }
    writeln!(f, "{}", line.trim_end())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{Date32Array, Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn numbers_keep_their_leading_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (-149.782_453, "-149.782"),
            (0.119_280_83, "0.119281"),
            (0.000_012_345_678, "0.0000123457"),
            (1.234_567e-12, "1.23457e-12"),
            (123_456_789.4, "123456789"),
            (1e20, "1.00000e20"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(rounded(value), expected);
        }
    }

    #[test]
    fn columns_are_aligned_by_what_they_hold() {
        let mut table = Table::default();
        table.add_column("name", Cell::of_array(&StringArray::from(vec![Some("a\nb"), None])).unwrap());
        table.add_column("n", Cell::of_array(&Int64Array::from(vec![Some(100), None])).unwrap());
        table.add_column("day", Cell::of_array(&Date32Array::from(vec![0, 1])).unwrap());
        table.add_column("none", Cell::of_array(&Float64Array::from(vec![None, None])).unwrap());
        let expected = "name    n  day         none\na b   100  1970-01-01     -\n-       -  1970-01-02     -\n";
        assert_eq!(table.to_string(), expected);
        assert_eq!(cut(&"é".repeat(50)).chars().count(), TEXT_CHARS_MAX);
    }
}
