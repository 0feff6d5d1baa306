//! What will happen, in the order in which it will.

use std::collections::BTreeMap;

/// Things with a time each, in virtual milliseconds. Equal times keep the order in which they were put in.
pub(crate) struct Queue<T> {
    waiting: BTreeMap<(u64, u64), T>,
    put: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), put: 0 }
    }
}

impl<T> Queue<T> {
    pub(crate) fn put(&mut self, at_ms: u64, thing: T) {
        self.put += 1;
        self.waiting.insert((at_ms, self.put), thing);
    }

    pub(crate) fn next(&mut self) -> Option<(u64, T)> {
        self.waiting.pop_first().map(|((at_ms, _), thing)| (at_ms, thing))
    }
}
