//! Who may still be obeyed.

use crate::control::Mutation;

/// Lets in whoever acts under the highest epoch seen so far, and nobody from before it. Workers keep one for the heads
/// that speak to them; a journal keeps one for those that write to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct EpochGate {
    highest: u64,
    mutation: Option<Mutation>,
}

impl EpochGate {
    /// A gate that has seen this epoch.
    pub fn new(highest: u64) -> Self {
        Self { highest, mutation: None }
    }

    /// The same gate with a mistake built in, for tests of the tests.
    #[doc(hidden)]
    #[must_use]
    pub fn mutated(self, mutation: Option<Mutation>) -> Self {
        Self { mutation, ..self }
    }

    /// The highest epoch that was seen.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether something that is said under an epoch counts. Where it does, nothing under a lower one ever will again.
    pub fn admit(&mut self, epoch: u64) -> bool {
        if epoch < self.highest {
            return self.mutation == Some(Mutation::SkipFence);
        }
        self.highest = epoch;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_highest_epoch_counts() {
        let mut gate = EpochGate::new(2);
        assert!(!gate.admit(1));
        assert!(gate.admit(2) && gate.admit(2) && gate.admit(5));
        assert!(!gate.admit(4));
        assert_eq!(gate.highest(), 5);
    }
}
