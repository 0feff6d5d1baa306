//! The one source of chance: a small generator, so that a seed means the same on every machine and in every build.

use shoal_core::splitmix::{SPLITMIX64_STEP, splitmix64};

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds are to have nothing in common from the first number on.
        let mut this = Self(seed ^ 0x5EED_0F5A_0A15_EA5E);
        this.next();
        this
    }

    pub(crate) fn next(&mut self) -> u64 {
        let next = splitmix64(self.0);
        self.0 = self.0.wrapping_add(SPLITMIX64_STEP);
        next
    }

    /// A number from 0 to `below`, which is not reached.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.next() % below.max(1)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }
}
