//! A list with a limit in items and bytes: what matters least gives way, and is counted.

use std::collections::VecDeque;

use serde::Serialize;

/// What is kept longer than the rest where there is no room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Everything went well.
    Ordinary,
    /// Somebody will ask for it.
    Telling,
}

/// The limits of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) items: usize,
    /// As JSON.
    pub(super) bytes: usize,
}

/// The list, in the order in which its items came.
#[derive(Debug)]
pub(super) struct Bounded<T> {
    limits: Limits,
    items: VecDeque<Item<T>>,
    bytes: usize,
    left_out: u64,
}

#[derive(Debug)]
struct Item<T> {
    value: T,
    worth: Worth,
    bytes: usize,
}

impl<T: Serialize> Bounded<T> {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, items: VecDeque::new(), bytes: 0, left_out: 0 }
    }

    /// Takes one more; the oldest of those that are worth least gives way, which may be this one.
    pub(super) fn push(&mut self, value: T, worth: Worth) {
        // What cannot be written cannot be stored either.
        let Ok(json) = serde_json::to_vec(&value) else { return self.leave_out(1) };
        let bytes = json.len() + 1;
        self.bytes += bytes;
        self.items.push_back(Item { value, worth, bytes });
        while self.items.len() > self.limits.items || self.bytes > self.limits.bytes {
            let least = self.items.iter().position(|item| item.worth == Worth::Ordinary).unwrap_or(0);
            let Some(gone) = self.items.remove(least) else { return };
            self.bytes -= gone.bytes;
            self.left_out += 1;
        }
    }

    /// Counts some that never came.
    pub(super) fn leave_out(&mut self, number: u64) {
        self.left_out += number;
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|item| &item.value)
    }

    /// Puts items in another order.
    pub(super) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        self.items.make_contiguous().sort_by_key(|item| key(&item.value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(list: &Bounded<&'static str>) -> Vec<&'static str> {
        list.iter().copied().collect()
    }

    #[test]
    fn the_oldest_of_the_least_worth_gives_way() {
        let mut list = Bounded::new(Limits { items: 3, bytes: 1_000 });
        list.push("a", Worth::Ordinary);
        list.push("failed", Worth::Telling);
        list.push("b", Worth::Ordinary);
        list.push("c", Worth::Ordinary);
        assert_eq!((items(&list), list.left_out()), (vec!["failed", "b", "c"], 1));
        for text in ["d", "e", "f"] {
            list.push(text, Worth::Telling);
        }
        assert_eq!((items(&list), list.left_out()), (vec!["d", "e", "f"], 4));
        list.push("g", Worth::Ordinary);
        assert_eq!(
            (items(&list), list.left_out()),
            (vec!["d", "e", "f"], 5),
            "it is worth less than all that is there"
        );
    }

    #[test]
    fn bytes_count_as_they_are_written() {
        let mut list = Bounded::new(Limits { items: 100, bytes: 20 });
        // Each takes its quotes and a comma, and each escape a second byte.
        list.push("1234567", Worth::Ordinary);
        list.push("1234567", Worth::Telling);
        assert_eq!(list.iter().count(), 2);
        list.push("\n", Worth::Telling);
        assert_eq!((items(&list), list.left_out()), (vec!["1234567", "\n"], 1));
        list.push("larger than everything that fits", Worth::Telling);
        assert_eq!((list.iter().count(), list.left_out()), (0, 4));
    }
}
