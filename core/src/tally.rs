//! What functions count under names of their own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{TALLY_NAME_BYTES_MAX, TALLY_NAMES_MAX};

/// Sums by name, at most [`TALLY_NAMES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Whether something may be counted under that name: it becomes the value of a label, and a person has to read it.
    pub fn is_name(name: &str) -> bool {
        let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        name.len() <= TALLY_NAME_BYTES_MAX
            && name.starts_with(is_letter)
            && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
    }

    /// Counts that much more. Names beyond the last that is possible are left out, as are those that are none.
    pub fn count(&mut self, name: &str, amount: u64) {
        if let Some(sum) = self.0.get_mut(name) {
            *sum = sum.saturating_add(amount);
        } else if amount > 0 && self.0.len() < TALLY_NAMES_MAX && Self::is_name(name) {
            self.0.insert(name.to_owned(), amount);
        }
    }

    /// Adds another one's sums.
    pub fn add(&mut self, other: &Self) {
        other.iter().for_each(|(name, amount)| self.count(name, amount));
    }

    /// Takes sums back that were added before.
    pub fn subtract(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            if let Some(sum) = self.0.get_mut(name) {
                *sum = sum.saturating_sub(amount);
            }
        }
        self.0.retain(|_, sum| *sum > 0);
    }

    /// The sums by their names, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, sum)| (name.as_str(), *sum))
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<(&'a str, u64)> for Tally {
    fn from_iter<T: IntoIterator<Item = (&'a str, u64)>>(sums: T) -> Self {
        let mut tally = Self::default();
        sums.into_iter().for_each(|(name, amount)| tally.count(name, amount));
        tally
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_short_words() {
        for (name, expected) in [
            ("rows_skipped", true),
            ("_x9", true),
            ("", false),
            ("9x", false),
            ("rows-skipped", false),
            ("rows skipped", false),
            ("zeilen_übersprungen", false),
        ] {
            assert_eq!(Tally::is_name(name), expected, "{name}");
        }
        assert!(Tally::is_name(&"x".repeat(TALLY_NAME_BYTES_MAX)));
        assert!(!Tally::is_name(&"x".repeat(TALLY_NAME_BYTES_MAX + 1)));
    }

    #[test]
    fn names_that_are_too_many_are_left_out_and_known_ones_go_on() {
        let names: Vec<String> = (0..TALLY_NAMES_MAX + 3).map(|number| format!("n{number:03}")).collect();
        let mut tally: Tally = names.iter().map(|name| (name.as_str(), 1)).collect();
        tally.count("n000", u64::MAX);
        assert_eq!(tally.iter().count(), TALLY_NAMES_MAX);
        assert_eq!(tally.iter().next(), Some(("n000", u64::MAX)));
    }

    fn tallies() -> impl Strategy<Value = Tally> {
        let sums = prop::collection::btree_map("[a-e]", 0..1_000_u64, 0..5);
        sums.prop_map(|sums| sums.iter().map(|(name, sum)| (name.as_str(), *sum)).collect())
    }

    proptest! {
        #[test]
        fn what_is_taken_back_was_never_there(one in tallies(), other in tallies()) {
            let mut sum = one.clone();
            sum.add(&other);
            sum.subtract(&other);
            prop_assert_eq!(sum, one);
        }
    }
}
