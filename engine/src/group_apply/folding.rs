use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Float64Type;
use shoal_core::Failure;

use crate::folds::fold_of;
use crate::models::{Folds, Tests};

/// Which folds the held rows of a group are of.
pub(super) enum Folding {
    /// Models are not tested.
    None,
    /// By a hash of the rows' values.
    Hashed(u32),
    /// By a column: what its values are numbered, and the number of each held row.
    Column { numbers: HashMap<Option<String>, usize>, of_rows: Vec<usize> },
    /// By points in time.
    Time { folds: u32, at: Vec<f64> },
}

impl Folding {
    pub(super) fn new(folds: Option<Folds>) -> Self {
        match folds {
            None => Self::None,
            Some(Folds::Hashed(folds)) => Self::Hashed(folds),
            Some(Folds::Column) => Self::Column { numbers: HashMap::new(), of_rows: Vec::new() },
            Some(Folds::Time(folds)) => Self::Time { folds, at: Vec::new() },
        }
    }

    /// Whether the last column of a batch says which fold a row is of.
    pub(super) fn has_column(&self) -> bool {
        matches!(self, Self::Column { .. } | Self::Time { .. })
    }

    /// Whether that column says so of a row: what has no place in time cannot be put into an order.
    pub(super) fn is_usable(&self, column: &ArrayRef, row: usize) -> bool {
        match self {
            Self::Time { .. } => {
                column.as_primitive_opt::<Float64Type>().is_none_or(|at| at.is_valid(row) && at.value(row).is_finite())
            }
            Self::None | Self::Hashed(_) | Self::Column { .. } => true,
        }
    }

    /// Takes the folds of further held rows.
    pub(super) fn extend(&mut self, column: &ArrayRef, rows: Range<usize>) -> Result<(), Failure> {
        let wrong = || Failure::internal(format!("folds cannot be a {}", column.data_type()));
        match self {
            Self::None | Self::Hashed(_) => {}
            Self::Column { numbers, of_rows } => {
                let names = column.as_string_opt::<i32>().ok_or_else(wrong)?;
                for row in rows {
                    let name = names.is_valid(row).then(|| names.value(row).to_owned());
                    let next = numbers.len();
                    of_rows.push(*numbers.entry(name).or_insert(next));
                }
            }
            Self::Time { at, .. } => {
                let points = column.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
                at.extend_from_slice(&points.values()[rows]);
            }
        }
        Ok(())
    }

    /// The tests of the held rows, whose variables are given; `None` where models are not tested.
    pub(super) fn tests(&self, held: &[&[f64]]) -> Option<Tests> {
        match self {
            Self::None => None,
            Self::Hashed(folds) => {
                let row = |row: usize| held.iter().map(move |column| column[row]);
                let rows = held.first().map_or(0, |column| column.len());
                Some(Tests::Folds((0..rows).map(|index| fold_of(row(index), *folds) as usize).collect()))
            }
            Self::Column { of_rows, .. } => Some(Tests::Folds(of_rows.clone())),
            Self::Time { folds, at } => Some(Tests::in_time(at, *folds)),
        }
    }

    /// Forgets the held rows; what the group's folds are numbered stays.
    pub(super) fn forget_rows(&mut self) {
        match self {
            Self::None | Self::Hashed(_) => {}
            Self::Column { of_rows, .. } => of_rows.clear(),
            Self::Time { at, .. } => at.clear(),
        }
    }

    /// Forgets the group.
    pub(super) fn forget_group(&mut self) {
        self.forget_rows();
        if let Self::Column { numbers, .. } = self {
            numbers.clear();
        }
    }
}
