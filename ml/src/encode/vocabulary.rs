//! The categories of a column, learned from rows wherever they lie.

use std::collections::BTreeSet;

/// The categories of a column: a sorted set of bounded size that merges.
///
/// Of more than `limit` categories the first in the order of their bytes are kept. The first of a union are among the first
/// of its parts, so the result does not depend on how rows were spread or in which order sets were merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    categories: BTreeSet<String>,
    limit: usize,
    overflowed: bool,
}

impl Vocabulary {
    /// No categories yet, and at most so many.
    pub fn new(limit: usize) -> Self {
        Self { categories: BTreeSet::new(), limit, overflowed: false }
    }

    /// Adds the category of one row.
    pub fn push(&mut self, category: &str) {
        if self.categories.contains(category) {
            return;
        }
        let beyond =
            self.categories.len() >= self.limit && self.categories.last().is_none_or(|last| last.as_str() < category);
        if beyond {
            self.overflowed = true;
            return;
        }
        self.categories.insert(category.to_owned());
        self.trim();
    }

    /// Adds the categories of another set, in any order.
    ///
    /// # Panics
    ///
    /// If the other set has another limit.
    pub fn merge(&mut self, other: Self) {
        assert_eq!(self.limit, other.limit);
        self.overflowed |= other.overflowed;
        self.categories.extend(other.categories);
        self.trim();
    }

    /// Whether there were more categories than the limit. Those that were left out are unknown to an encoder.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// The categories in the order of their bytes.
    pub fn into_categories(self) -> Vec<String> {
        self.categories.into_iter().collect()
    }

    fn trim(&mut self) {
        while self.categories.len() > self.limit {
            self.categories.pop_last();
            self.overflowed = true;
        }
    }
}
