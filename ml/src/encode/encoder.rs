//! From a column of categories to columns of numbers.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// What to make of a category that was not there when the categories were learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unknown {
    /// It is as a missing category: in no column of `oneHot`, missing (NaN) in `ordinal`.
    #[default]
    Ignore,
    /// The rows are refused.
    Error,
}

/// How the categories of a column become terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Encoder {
    /// A term per category, 1 in the rows that are of it and 0 in the others: `region=west`.
    OneHot {
        /// The categories, sorted, each once.
        categories: Vec<String>,
        /// Whether the first category has no term. It is then what the others are compared with, and a model with an
        /// intercept has no dependent terms.
        drop_first: bool,
        /// What to make of other categories.
        unknown: Unknown,
    },
    /// One term: the place of the category among the sorted ones, from 0. A missing category is missing (NaN). It puts
    /// categories into an order that means nothing, which trees can undo and linear models cannot.
    Ordinal {
        /// The categories, sorted, each once.
        categories: Vec<String>,
        /// What to make of other categories.
        unknown: Unknown,
    },
    /// A term per bucket, 1 in the rows whose category hashes into it: `region#3`. Nothing is learned, so that no category
    /// is unknown, but several may share a bucket.
    Hash {
        /// The number of buckets, at least 1.
        buckets: u32,
    },
}

/// Why rows cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A category that was not there when the categories were learned.
    #[error("row {row} has the category {category:?}, which was not there when the categories were learned")]
    UnknownCategory {
        /// The row, from 0.
        row: usize,
        /// Its category.
        category: String,
    },
}

impl Encoder {
    /// The names of the terms that a column becomes.
    pub fn terms(&self, column: &str) -> Vec<String> {
        match self {
            Self::OneHot { categories, drop_first, unknown: _ } => {
                let first = usize::from(*drop_first);
                categories.iter().skip(first).map(|category| format!("{column}={category}")).collect()
            }
            Self::Ordinal { .. } => vec![column.to_owned()],
            Self::Hash { buckets } => (0..*buckets).map(|bucket| format!("{column}#{bucket}")).collect(),
        }
    }

    /// How many terms there are.
    pub fn term_count(&self) -> usize {
        match self {
            Self::OneHot { categories, drop_first, unknown: _ } => {
                categories.len().saturating_sub(usize::from(*drop_first))
            }
            Self::Ordinal { .. } => 1,
            Self::Hash { buckets } => *buckets as usize,
        }
    }

    /// The terms' values: a column per term, in the order of [`Self::terms`]. A row without a category is 0 in the terms of
    /// `oneHot` and `hash`, and missing in that of `ordinal`.
    pub fn encode(&self, values: &[Option<&str>]) -> Result<Vec<Vec<f64>>, EncodeError> {
        let fill = if matches!(self, Self::Ordinal { .. }) { f64::NAN } else { 0.0 };
        let mut columns = vec![vec![fill; values.len()]; self.term_count()];
        for (row, category) in values.iter().enumerate() {
            let Some(category) = *category else { continue };
            match self {
                Self::OneHot { categories, drop_first, unknown } => {
                    let place = place(categories, category, *unknown, row)?;
                    // The dropped category has no column, and neither has an unknown one.
                    if let Some(column) = place.and_then(|place| place.checked_sub(usize::from(*drop_first))) {
                        columns[column][row] = 1.0;
                    }
                }
                Self::Ordinal { categories, unknown } => {
                    if let Some(place) = place(categories, category, *unknown, row)? {
                        columns[0][row] = place as f64;
                    }
                }
                Self::Hash { buckets } => columns[hash_bucket(category, *buckets) as usize][row] = 1.0,
            }
        }
        Ok(columns)
    }
}

/// The bucket of a category: xxh3 (64 bits, seed 0) of its UTF-8 bytes, modulo the number of buckets.
pub fn hash_bucket(category: &str, buckets: u32) -> u32 {
    (xxh3_64(category.as_bytes()) % u64::from(buckets)) as u32
}

fn place(categories: &[String], category: &str, unknown: Unknown, row: usize) -> Result<Option<usize>, EncodeError> {
    match categories.binary_search_by(|known| known.as_str().cmp(category)) {
        Ok(place) => Ok(Some(place)),
        Err(_) if unknown == Unknown::Ignore => Ok(None),
        Err(_) => Err(EncodeError::UnknownCategory { row, category: category.to_owned() }),
    }
}
